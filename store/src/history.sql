-- name: upsert
insert into history (id, tenant, queue, kind, client, state, reason, fingerprint, created_at, ended_at, job)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
on conflict (id) do update set state = excluded.state, reason = excluded.reason, fingerprint = excluded.fingerprint,
    ended_at = excluded.ended_at, job = excluded.job

-- name: find
-- $2 null: every tenant's.
select job from history where id = $1 and (cast($2 as text) is null or tenant = $2)
