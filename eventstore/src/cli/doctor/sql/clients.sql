-- How many clients there are; seen without any right, as one's existence is not hidden.
SELECT count(*) FILTER (WHERE backend_type = 'client backend' OR backend_type IS NULL) AS clients FROM pg_stat_activity
