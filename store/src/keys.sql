-- name: insert
insert into api_keys (id, name, role, tenant, hash, created_at) values ($1, $2, $3, $4, $5, $6)

-- name: find
select id, name, role, tenant, created_at, revoked_at, last_used_at, hash from api_keys where id = $1

-- name: list
-- $1 null: every tenant's.
select id, name, role, tenant, created_at, revoked_at, last_used_at, hash from api_keys
where cast($1 as text) is null or tenant = $1
order by created_at, id

-- name: revoke
-- The first revocation keeps its time.
update api_keys set revoked_at = coalesce(revoked_at, $2) where id = $1

-- name: touch
update api_keys set last_used_at = $2 where id = $1 and (last_used_at is null or last_used_at < $2)

-- name: operators
select count(*) from api_keys where role = 'operator' and revoked_at is null
