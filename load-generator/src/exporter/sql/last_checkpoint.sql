-- When the last checkpoint began that was completed.
SELECT extract(epoch FROM checkpoint_time)::float8 AS last_checkpoint_timestamp_seconds
  FROM pg_control_checkpoint()
