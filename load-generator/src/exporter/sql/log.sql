-- The head of the log, which is the number of its events, as positions have no gaps, and how old its newest event is by the database's
-- clock. Index: events_pkey.
SELECT coalesce(max(e.position), 0)::float8 AS log_head_position,
       extract(epoch FROM clock_timestamp() - max(e.recorded_at))::float8 AS log_last_event_age_seconds
  FROM (SELECT position, recorded_at FROM {schema}.events ORDER BY position DESC LIMIT 1) e
