-- contents: rows and a hash of each table that pg_dump takes, a line of JSON for each; for psql, inside a transaction.
SELECT format('SELECT json_build_object(''name'', %L, ''rows'', count(*), ''hash'', coalesce(sum((''x'' || left(encode(sha256(convert_to((x.*)::text, ''UTF8'')), ''hex''), 16))::bit(64)::bigint::numeric), 0)::text) FROM ONLY %I.%I AS x', n.nspname || '.' || c.relname, n.nspname, c.relname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY n.nspname, c.relname
\gexec
SELECT json_build_object('name', 'large objects', 'rows', count(*), 'hash', sum(('x' || left(encode(sha256(lo_get(m.oid)), 'hex'), 16))::bit(64)::bigint::numeric)::text)
FROM pg_largeobject_metadata m HAVING count(*) > 0;
