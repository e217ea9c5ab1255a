-- The inline projections, in the order in which they are called, each with the function that is called, or the one that should be and
-- can not. Indexes: inline_projections_pkey, pg_proc_oid_index.
SELECT i.name, coalesce(f.oid::regprocedure::text, i.function || '(bigint,bigint)'), f.oid IS NOT NULL, i.after, i.registered_at
FROM {schema}.inline_projections AS i
CROSS JOIN LATERAL (SELECT {schema}.inline_function_v1(i.function, i.function_oid) AS oid) AS f
ORDER BY i.name
