-- Triggers of schema $1 that do not fire as they should. Those that guard events fire always, from the migration on that made their function; any other
-- one that is disabled, or fires for replication only, does not fire here.
WITH guard AS (
    SELECT g.name, c.oid AS "table", f.oid AS function
      FROM (VALUES ('refuse_change'), ('refuse_change_of_row')) AS g (name)
      JOIN pg_namespace n ON n.nspname = $1
      JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = 'events'
      JOIN pg_proc f ON f.pronamespace = n.oid AND f.proname = 'refuse_change_v1'
)
SELECT g.name, 'events' AS "table", t.oid IS NULL AS is_missing, coalesce(t.tgenabled = 'O', false) AS is_evaded
  FROM guard g
  LEFT JOIN pg_trigger t ON t.tgrelid = g."table" AND t.tgname = g.name AND t.tgfoid = g.function
 WHERE t.tgenabled IS DISTINCT FROM 'A'
UNION ALL
SELECT t.tgname::text, c.relname::text, false, false
  FROM pg_trigger t
  JOIN pg_class c ON c.oid = t.tgrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = $1 AND NOT t.tgisinternal AND t.tgenabled IN ('D', 'R')
   AND NOT EXISTS (SELECT FROM guard g WHERE g."table" = t.tgrelid AND g.name = t.tgname)
 ORDER BY 2, 1
