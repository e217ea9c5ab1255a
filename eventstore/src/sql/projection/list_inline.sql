-- The inline projections, in the order in which they are called, each with the function that is called, or the one that should be and
-- can not. Indexes: inline_projections_pkey, pg_proc_oid_index.
SELECT i.name, coalesce(f.oid::regprocedure::text, i.function || '(bigint,bigint)'),
       f.oid IS NOT NULL AND EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgrelid = l.events AND t.tgname = 'call_inline'
                                     AND t.tgenabled IN ('O', 'A')),
       i.after, i.registered_at
FROM {schema}.inline_projections AS i
CROSS JOIN (SELECT e.oid AS events FROM pg_catalog.pg_class e JOIN pg_catalog.pg_class o ON o.relnamespace = e.relnamespace
            WHERE e.relname = 'events' AND o.oid = (SELECT r.tableoid FROM {schema}.inline_projections r LIMIT 1)) AS l
CROSS JOIN LATERAL (SELECT {schema}.inline_function_v1(i.function, i.function_oid) AS oid) AS f
ORDER BY i.name
