-- name: propose
insert into facts (name, value) values ($1, $2) on conflict (name) do nothing

-- name: find
select value from facts where name = $1
