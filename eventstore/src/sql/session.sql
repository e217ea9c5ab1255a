-- What each session is set to. Its statements are prepared once and hold by their form, so that planning them anew for each set of values only
-- costs; compiling them costs a hundred times their run time. Strings in JSON paths are written for standard strings.
--
-- Functions and operators are looked for in pg_catalog alone. By default PostgreSQL looks in the schema that is named like the role too, which whoever may
-- create schemas can make, and takes from there what fits the arguments of a call better than its own. The role's own path is noted first
-- (reset before, as a pooler may hand on a session of ours):
-- what applications do in transactions of ours has it, see projection/begin_apply.sql and own_path.sql.
RESET search_path;
SELECT pg_catalog.set_config('eventstore.search_path', pg_catalog.current_setting('search_path'), false);
SET search_path = pg_catalog, pg_temp;
SET plan_cache_mode = force_generic_plan;
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SET jit = off;
SET standard_conforming_strings = on
