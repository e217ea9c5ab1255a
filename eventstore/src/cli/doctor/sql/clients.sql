-- How many clients there are. Of others' sessions a role without pg_monitor sees no more than that they have a user and a database.
SELECT count(*) FILTER (WHERE backend_type = 'client backend'
                           OR backend_type IS NULL AND usesysid IS NOT NULL AND datid IS NOT NULL) AS clients
  FROM pg_stat_activity
