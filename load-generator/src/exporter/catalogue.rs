//! What every server is asked.

use crate::exporter::query::Asks::Server;
use crate::exporter::query::Query;

/// As `server_version_num` has it.
const PG_16: i32 = 160_000;
const PG_17: i32 = 170_000;

const CHECKPOINTS: &[(&str, &str)] = &[
    (
        "checkpoints_timed_total",
        "Checkpoints, on a standby restartpoints, that were due by time, skipped ones included.",
    ),
    (
        "checkpoints_requested_total",
        "Checkpoints that were asked for by somebody, or as max_wal_size was reached.",
    ),
    ("checkpoint_write_seconds_total", "How long checkpoints wrote, spread out in time."),
    ("checkpoint_sync_seconds_total", "How long checkpoints waited for the disk."),
    ("checkpoint_buffers_total", "Buffers that checkpoints wrote."),
];

/// Of the server and of the database that the log is in.
pub(super) const SERVER: &[Query] = &[
    Query::of(
        Server,
        include_str!("sql/version.sql"),
        &["version"],
        &[("info", "The version of the server, as a label. Always 1.")],
    ),
    Query::of(
        Server,
        include_str!("sql/server.sql"),
        &[],
        &[
            ("in_recovery", "Whether the server is a standby: 1 or 0."),
            ("start_time_seconds", "When the server was started, since 1970."),
            ("max_connections", "The setting max_connections."),
            (
                "freeze_max_age_transactions",
                "The setting autovacuum_freeze_max_age: older tables are vacuumed in any case.",
            ),
        ],
    ),
    Query::of(
        Server,
        include_str!("sql/connections.sql"),
        &["state"],
        &[("connections", "Sessions of clients by state.")],
    ),
    Query::of(
        Server,
        include_str!("sql/activity.sql"),
        &[],
        &[
            ("longest_transaction_seconds", "For how long the oldest transaction of a client has been open."),
            (
                "oldest_xmin_age_transactions",
                "How many transactions ago the oldest snapshot was taken: vacuum keeps what is younger.",
            ),
            ("blocked_backends", "Sessions that wait for a lock, appends that wait for the log's included."),
            ("autovacuum_workers", "Autovacuum workers that run."),
        ],
    ),
    Query::of(
        Server,
        include_str!("sql/database.sql"),
        &[],
        &[
            ("commits_total", "Transactions that were committed."),
            ("rollbacks_total", "Transactions that were rolled back."),
            ("blocks_hit_total", "Blocks that were in shared_buffers."),
            ("blocks_read_total", "Blocks that were not, but may have been in the system's cache."),
            ("rows_scanned_total", "Rows and index entries that scans returned."),
            ("rows_fetched_total", "Rows that index scans fetched."),
            ("rows_inserted_total", "Rows inserted."),
            ("rows_updated_total", "Rows updated."),
            ("rows_deleted_total", "Rows deleted."),
            ("deadlocks_total", "Deadlocks."),
            ("temporary_files_bytes_total", "Bytes written to temporary files, as work_mem was too small."),
            ("recovery_conflicts_total", "Statements of a standby that were ended as they kept replay back."),
            ("active_seconds_total", "How long sessions executed statements, all together."),
        ],
    ),
    Query::of(
        Server,
        include_str!("sql/database_size.sql"),
        &[],
        &[("database_bytes", "How large the database is on disk.")],
    ),
    Query::of(
        Server,
        include_str!("sql/ages.sql"),
        &[],
        &[
            (
                "database_age_transactions",
                "How many transactions the oldest row of any database is behind; at 2^31 writes stop.",
            ),
            (
                "database_age_multixacts",
                "How many multixacts the oldest row of any database is behind; at 2^31 writes stop.",
            ),
        ],
    ),
    Query::of(
        Server,
        include_str!("sql/wal.sql"),
        &[],
        &[
            ("wal_bytes_total", "WAL written."),
            ("wal_records_total", "Records of WAL written."),
            (
                "wal_full_page_images_total",
                "Whole pages written to the WAL, the first time after a checkpoint.",
            ),
            (
                "wal_buffers_full_total",
                "How often a session had to write WAL itself as wal_buffers were full.",
            ),
        ],
    ),
    Query::of(
        Server,
        include_str!("sql/wal_directory.sql"),
        &[],
        &[("wal_directory_bytes", "How much there is in the WAL's folder.")],
    ),
    Query::of(
        Server,
        include_str!("sql/archiver.sql"),
        &[],
        &[
            ("archived_segments_total", "Segments of WAL that were archived."),
            ("archive_failures_total", "Attempts to archive a segment of WAL that failed."),
            ("archive_waiting_segments", "Segments of WAL that are to be archived, and can not be removed."),
        ],
    ),
    Query::of(Server, include_str!("sql/checkpoints_15.sql"), &[], CHECKPOINTS).below(PG_17),
    Query::of(Server, include_str!("sql/checkpoints_17.sql"), &[], CHECKPOINTS).from(PG_17),
    Query::of(
        Server,
        include_str!("sql/last_checkpoint.sql"),
        &[],
        &[("last_checkpoint_timestamp_seconds", "When the last completed checkpoint began, since 1970.")],
    ),
    Query::of(
        Server,
        include_str!("sql/background_writer.sql"),
        &[],
        &[
            ("background_writer_buffers_total", "Buffers that the background writer wrote."),
            (
                "background_writer_stops_total",
                "How often the background writer had written as much in a round as it may.",
            ),
            ("buffers_allocated_total", "Buffers that were taken for another block."),
        ],
    ),
    Query::of(
        Server,
        include_str!("sql/io_16.sql"),
        &["backend"],
        &[
            ("io_reads_total", "Reads of tables and indexes by kind of process, from PostgreSQL 16 on."),
            ("io_writes_total", "Writes of tables and indexes by kind of process, from PostgreSQL 16 on."),
            (
                "io_extends_total",
                "Extensions of tables and indexes by kind of process, from PostgreSQL 16 on.",
            ),
        ],
    )
    .from(PG_16),
    Query::of(
        Server,
        include_str!("sql/replication.sql"),
        &["standby"],
        &[
            (
                "replication_streaming",
                "Whether a standby receives what is written: 1 or 0, by its application_name.",
            ),
            ("replication_lag_bytes", "How much WAL the standby has not replayed, as it told this server."),
            (
                "replication_lag_seconds",
                "How long the standby took last to replay something; 0 if it has everything.",
            ),
        ],
    ),
    Query::of(
        Server,
        include_str!("sql/standbys.sql"),
        &[],
        &[(
            "streaming_standbys",
            "How many standbys receive what this server writes, without backups and logical subscribers.",
        )],
    ),
    Query::of(
        Server,
        include_str!("sql/standby.sql"),
        &[],
        &[
            (
                "wal_receiver_streaming",
                "Whether this standby receives what is written elsewhere: 1 or 0. One that waits for another timeline does not.",
            ),
            ("replay_lag_bytes", "How much WAL this standby has received and not replayed."),
            (
                "replay_lag_seconds",
                "How old the last transaction is that this standby replayed; 0 if it has replayed all it received.",
            ),
        ],
    ),
    Query::of(
        Server,
        include_str!("sql/slots.sql"),
        &["slot"],
        &[
            ("slot_active", "Whether somebody reads from the replication slot: 1 or 0."),
            ("slot_retained_bytes", "How much WAL the replication slot holds back."),
            (
                "slot_safe_bytes",
                "How much WAL may be written before the slot loses what it needs; only with max_slot_wal_keep_size.",
            ),
        ],
    ),
    Query::of(
        Server,
        include_str!("sql/slot_status.sql"),
        &["slot", "status"],
        &[(
            "slot_wal_status",
            "1 for what has become of the WAL that the slot needs, 0 for the other states.",
        )],
    ),
];
