-- One line a right of the role $2 on an object of the schema $1: what it may do with each table, sequence and function, and with the schema.
SELECT line
FROM (
    SELECT format('%s %s', r.may, c.relname) AS line
    FROM pg_class c, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) AS r(may)
    WHERE c.relnamespace = $1::text::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm') AND has_table_privilege($2::text, c.oid, r.may)
    UNION ALL
    SELECT format('%s %s', r.may, c.relname)
    FROM pg_class c, unnest(ARRAY['SELECT', 'UPDATE', 'USAGE']) AS r(may)
    WHERE c.relnamespace = $1::text::regnamespace AND c.relkind = 'S' AND has_sequence_privilege($2::text, c.oid, r.may)
    UNION ALL
    SELECT format('EXECUTE %s', p.proname)
    FROM pg_proc p
    WHERE p.pronamespace = $1::text::regnamespace AND has_function_privilege($2::text, p.oid, 'EXECUTE')
    UNION ALL
    SELECT format('%s of the schema', r.may)
    FROM unnest(ARRAY['USAGE', 'CREATE']) AS r(may) WHERE has_schema_privilege($2::text, $1::text::regnamespace::oid, r.may)
) AS rights
ORDER BY line COLLATE "C"
