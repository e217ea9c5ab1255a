-- Whether the trigger is there that calls inline projections, on the events of schema $1, whenever it fires.
SELECT EXISTS (SELECT FROM pg_catalog.pg_trigger t
                 JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
                 JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                WHERE n.nspname = $1 AND c.relname = 'events' AND t.tgname = 'call_inline') AS is_there
