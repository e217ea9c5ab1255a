-- One line an object of the schema $1: columns, constraints, indexes, triggers with when they fire, functions with what they are allowed.
SELECT line
FROM (
    SELECT format('column %s.%s %s%s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod),
                  CASE WHEN a.attnotnull THEN ' not null' ELSE '' END) AS line
    FROM pg_class c
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relnamespace = $1::text::regnamespace AND c.relkind = 'r'
    UNION ALL
    SELECT format('constraint %s.%s %s', c.relname, o.conname, o.contype)
    FROM pg_constraint o
    JOIN pg_class c ON c.oid = o.conrelid
    WHERE o.connamespace = $1::text::regnamespace AND o.contype <> 'n'
    UNION ALL
    SELECT format('index %s on %s (%s)', i.relname, t.relname,
                  (SELECT string_agg(a.attname, ', ' ORDER BY a.attnum) FROM pg_attribute a WHERE a.attrelid = i.oid))
    FROM pg_index x
    JOIN pg_class i ON i.oid = x.indexrelid
    JOIN pg_class t ON t.oid = x.indrelid
    WHERE i.relnamespace = $1::text::regnamespace
    UNION ALL
    SELECT format('trigger %s on %s %s', g.tgname, t.relname, g.tgenabled)
    FROM pg_trigger g
    JOIN pg_class t ON t.oid = g.tgrelid
    WHERE t.relnamespace = $1::text::regnamespace AND NOT g.tgisinternal
    UNION ALL
    SELECT format('function %s(%s) %s%s%s', p.proname, pg_get_function_identity_arguments(p.oid), p.provolatile,
                  CASE WHEN p.prosecdef THEN ' security definer' ELSE '' END,
                  CASE WHEN p.proacl IS NULL THEN ' public' ELSE '' END)
    FROM pg_proc p
    WHERE p.pronamespace = $1::text::regnamespace
) AS lines
ORDER BY line COLLATE "C"
