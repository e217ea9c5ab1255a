-- Triggers of schema $1 that do not fire.
SELECT t.tgname::text AS name, c.relname::text AS "table"
  FROM pg_trigger t
  JOIN pg_class c ON c.oid = t.tgrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = $1 AND NOT t.tgisinternal AND t.tgenabled IN ('D', 'R')
 ORDER BY 2, 1
