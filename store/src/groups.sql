-- name: note
insert into letter_groups (tenant, fingerprint, note, noted_by, noted_at) values ($1, $2, $3, $4, $5)
on conflict (tenant, fingerprint) do update set note = excluded.note, noted_by = excluded.noted_by, noted_at = excluded.noted_at

-- name: acknowledge
insert into letter_groups (tenant, fingerprint, acknowledged_by, acknowledged_at) values ($1, $2, $3, $4)
on conflict (tenant, fingerprint) do update set acknowledged_by = excluded.acknowledged_by, acknowledged_at = excluded.acknowledged_at

-- name: find
select fingerprint, note, noted_by, noted_at, acknowledged_by, acknowledged_at from letter_groups where tenant = $1 and fingerprint = $2

-- name: list
select fingerprint, note, noted_by, noted_at, acknowledged_by, acknowledged_at from letter_groups where tenant = $1
order by fingerprint
