-- Where the migration's objects go, and the path that its functions keep. pg_temp last: a temporary table of a
-- writer must not stand before the log's own tables in a SECURITY DEFINER function.
SET LOCAL search_path = {schema}, pg_temp
