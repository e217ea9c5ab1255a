-- What process managers have to do: commands, checks of what was started, and wake-ups; how long the first of them is due. Of each process
-- manager 100,000, commands first and then what is due first, and 100,000 that are parked: to count millions takes longer than a scrape
-- may. Indexes: process_work_due, process_work_parked.
WITH RECURSIVE waiting (process) AS (
    (SELECT w.process FROM {schema}.process_work w WHERE NOT w.is_parked ORDER BY w.process LIMIT 1)
    UNION ALL
    SELECT (SELECT w.process FROM {schema}.process_work w
             WHERE NOT w.is_parked AND w.process > p.process ORDER BY w.process LIMIT 1)
      FROM waiting p WHERE p.process IS NOT NULL
), parked (process) AS (
    (SELECT w.process FROM {schema}.process_work w WHERE w.is_parked ORDER BY w.process LIMIT 1)
    UNION ALL
    SELECT (SELECT w.process FROM {schema}.process_work w
             WHERE w.is_parked AND w.process > p.process ORDER BY w.process LIMIT 1)
      FROM parked p WHERE p.process IS NOT NULL
)
SELECT p.process,
       w.waiting::float8 AS log_process_waiting,
       (SELECT count(*) FROM (SELECT FROM {schema}.process_work k WHERE k.process = p.process AND k.is_parked
                               LIMIT 100000) k)::float8 AS log_process_parked,
       greatest(coalesce(extract(epoch FROM clock_timestamp() - w.due_at), 0), 0)::float8 AS log_process_overdue_seconds
  FROM (SELECT process FROM waiting UNION SELECT process FROM parked) p
 CROSS JOIN LATERAL (SELECT count(*) AS waiting,
                            min(f.due_at) FILTER (WHERE f.leased_until IS NULL OR f.leased_until <= clock_timestamp()) AS due_at
                       FROM (SELECT k.due_at, k.leased_until FROM {schema}.process_work k
                              WHERE k.process = p.process AND NOT k.is_parked
                              ORDER BY k.lane, k.due_at LIMIT 100000) f) w
 WHERE p.process IS NOT NULL AND NOT pg_is_in_recovery()
