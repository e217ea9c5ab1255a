-- The schemas of generations of the projection $1 that have no row any more: those with its mark, $2, that are called as generations are, after
-- the live one's name, $3. A schema that somebody else has made, or renamed, has another name or no mark. What the role may not drop is left
-- to whoever may. Index: projections_pkey.
SELECT n.nspname::text
FROM pg_catalog.pg_namespace AS n
WHERE pg_catalog.obj_description(n.oid, 'pg_namespace') = $2
  AND pg_catalog.starts_with(n.nspname::text, $3 || '_g')
  AND pg_catalog.substr(n.nspname::text, pg_catalog.length($3) + 3) ~ '^[0-9]+$'
  AND NOT EXISTS (SELECT FROM {schema}.projections AS p
                  WHERE p.name = $1 AND NOT p.is_live AND n.nspname::text = $3 || '_g' || p.generation::text)
  AND pg_catalog.pg_has_role(n.nspowner, 'USAGE')
ORDER BY n.nspname
