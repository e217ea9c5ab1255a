-- What the archiver did since its counters began, and how many segments wait for it: none where nothing is archived, as on a standby
-- unless archive_mode is always.
SELECT a.archived_count::float8 AS archived_segments_total,
       a.failed_count::float8 AS archive_failures_total,
       (CASE WHEN current_setting('archive_mode') = 'always' OR current_setting('archive_mode') = 'on' AND NOT pg_is_in_recovery()
             THEN (SELECT count(*) FROM pg_ls_archive_statusdir() f WHERE f.name LIKE '%.ready') ELSE 0 END)::float8
           AS archive_waiting_segments
  FROM pg_stat_archiver a
