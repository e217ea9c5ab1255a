-- How large the database of the log is on disk.
SELECT pg_database_size(current_database())::float8 AS database_bytes
