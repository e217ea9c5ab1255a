-- How much there is in the WAL's folder.
SELECT coalesce(sum(size), 0)::float8 AS wal_directory_bytes
  FROM pg_ls_waldir()
