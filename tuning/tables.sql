-- Storage parameters of the tables of the log in schema library: what its migrations can not know.
--
-- Printed by: eventstore tune --server tables --schema library
-- Use: psql -v ON_ERROR_STOP=1 -f tables.sql. Appends and reads go on meanwhile.

BEGIN;
-- Behind a vacuum that goes on; autovacuum gives way.
SET LOCAL lock_timeout = '10s';

-- Insert only. Vacuumed after each 100,000 events however many there are: 2 % of a hundred million would be two million. A
-- vacuum reads new pages only, so it costs the same in a large log. Statistics: after 50,000 events and 2 %, as ANALYZE reads
-- 30,000 pages each time.
ALTER TABLE "library".events SET (
    autovacuum_vacuum_insert_scale_factor = 0,
    autovacuum_vacuum_insert_threshold = 100000,
    autovacuum_freeze_min_age = 0,
    autovacuum_analyze_scale_factor = 0.02,
    autovacuum_analyze_threshold = 50000
);

-- Insert only, some five rows an event: at the same pace as the events.
-- Each part of it, where it is partitioned.
DO $parts$
DECLARE
    part regclass;
BEGIN
    FOR part IN
        SELECT coalesce(p.relid, t.oid) FROM (SELECT '"library".keys'::regclass) AS t (oid)
        LEFT JOIN pg_catalog.pg_partition_tree(t.oid) AS p ON p.isleaf
    LOOP
        EXECUTE pg_catalog.format('ALTER TABLE %s SET (
    autovacuum_vacuum_insert_scale_factor = 0,
    autovacuum_vacuum_insert_threshold = 500000,
    autovacuum_freeze_min_age = 0,
    autovacuum_analyze_scale_factor = 0.02,
    autovacuum_analyze_threshold = 250000
)', part);
    END LOOP;
END
$parts$;

-- Rows come, are changed in place and go. What the migrations say of fillfactor and thresholds stays; besides, a vacuum
-- of a few pages does not rest, leaves unfrozen what changes again, and does not give its empty pages back: for that it would
-- lock out everybody, on replicas too, and the pages are filled again within seconds.
ALTER TABLE "library".group_work SET (
    autovacuum_vacuum_cost_delay = 0,
    autovacuum_freeze_min_age = 50000000,
    vacuum_truncate = off
);

-- As group_work.
ALTER TABLE "library".process_work SET (
    autovacuum_vacuum_cost_delay = 0,
    autovacuum_freeze_min_age = 50000000,
    vacuum_truncate = off
);

-- As group_work.
ALTER TABLE "library".recompute_queue SET (
    autovacuum_vacuum_cost_delay = 0,
    autovacuum_freeze_min_age = 50000000,
    vacuum_truncate = off
);

-- A few rows that are changed every second, in place.
ALTER TABLE "library".subscriptions SET (
    autovacuum_vacuum_cost_delay = 0,
    autovacuum_freeze_min_age = 50000000,
    vacuum_truncate = off
);

-- A few rows that are changed every second, in place.
ALTER TABLE "library".consumer_groups SET (
    autovacuum_vacuum_cost_delay = 0,
    autovacuum_freeze_min_age = 50000000,
    vacuum_truncate = off
);

-- A few rows that are changed every second, in place.
ALTER TABLE "library".group_members SET (
    autovacuum_vacuum_cost_delay = 0,
    autovacuum_freeze_min_age = 50000000,
    vacuum_truncate = off
);

-- A state that is saved anew leaves the old one behind, mostly in TOAST, which has the same parameters.
ALTER TABLE "library".snapshots SET (
    autovacuum_vacuum_scale_factor = 0.05,
    autovacuum_freeze_min_age = 50000000
);

COMMIT;
