-- What people say about groups of dead letters: a note, and that they know of it. `tenant` is '' for what operators say.
create table letter_groups (
    tenant          text not null,
    fingerprint     text not null,
    note            text,
    noted_by        text,
    noted_at        bigint,
    acknowledged_by text,
    acknowledged_at bigint,
    primary key (tenant, fingerprint)
);
