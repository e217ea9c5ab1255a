-- What a standby does: whether it receives WAL (NULL if it receives none, empty where a role without pg_monitor sees no more), whether replay stands still, and how old the last
-- transaction is that it has replayed.
SELECT (SELECT coalesce(r.status, '') FROM pg_stat_wal_receiver r) AS receiver,
       pg_catalog.pg_is_wal_replay_paused() AS is_paused,
       extract(epoch FROM pg_catalog.clock_timestamp() - pg_catalog.pg_last_xact_replay_timestamp())::float8 AS seconds
