-- How the pending list of a GIN index `c` can be read by the extensions that are here, as an expression; no row if it can not.
SELECT CASE x.extname
       WHEN 'pgstattuple' THEN format('(%I.pgstatginindex(c.oid::regclass)).pending_pages', n.nspname)
       ELSE format('(%1$I.gin_metapage_info(%1$I.get_raw_page(c.oid::regclass::text, 0))).n_pending_pages', n.nspname)
       END AS expression
  FROM pg_extension x
  JOIN pg_namespace n ON n.oid = x.extnamespace
  JOIN pg_roles me ON me.rolname = current_user
 WHERE (x.extname = 'pgstattuple' AND (me.rolsuper OR pg_has_role('pg_stat_scan_tables', 'USAGE')))
    OR (x.extname = 'pageinspect' AND me.rolsuper)
 ORDER BY x.extname DESC
 LIMIT 1
