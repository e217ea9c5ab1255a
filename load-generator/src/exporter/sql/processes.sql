-- What process managers have to do: commands, checks of what was started, and wake-ups; how long the first of them is due. Reads all of
-- it, which is little, as what is done is deleted.
SELECT w.process,
       (count(*) FILTER (WHERE NOT w.is_parked))::float8 AS log_process_waiting,
       (count(*) FILTER (WHERE w.is_parked))::float8 AS log_process_parked,
       greatest(coalesce(extract(epoch FROM clock_timestamp() - min(w.due_at) FILTER (
           WHERE NOT w.is_parked AND (w.leased_until IS NULL OR w.leased_until <= clock_timestamp()))), 0), 0)::float8
           AS log_process_overdue_seconds
  FROM {schema}.process_work w
 WHERE NOT pg_is_in_recovery()
 GROUP BY w.process
