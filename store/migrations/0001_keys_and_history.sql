-- API keys and the history of ended jobs. One text for SQLite and PostgreSQL: times are Unix milliseconds, hashes are hex.
create table api_keys (
    id           text primary key,
    name         text not null,
    role         text not null check (role in ('operator', 'tenant')),
    tenant       text,
    hash         text not null,
    created_at   bigint not null,
    revoked_at   bigint,
    last_used_at bigint,
    check ((role = 'tenant') = (tenant is not null))
);

create table history (
    id          text primary key,
    tenant      text not null,
    queue       text not null,
    kind        text not null,
    client      text,
    state       text not null,
    reason      text,
    fingerprint text,
    created_at  bigint not null,
    ended_at    bigint not null,
    job         text not null
);
create index history_by_tenant on history (tenant, ended_at);
create index history_by_kind on history (kind, ended_at);
