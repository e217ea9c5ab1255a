//! Of *Event store*: what PostgreSQL says of itself.

use crate::dashboards::dashboard::{Row, folded, row};
use crate::dashboards::panel::Panel;

const NO_TABLE: &str = "no log, or its primary does not answer";
const NO_RIGHT: &str = "the exporter's role needs pg_monitor";

pub(super) fn rows() -> Vec<Row> {
    vec![
        row("WAL and checkpoints", wal()),
        row("Vacuum and sizes", tables()),
        row("Sessions", sessions()),
        folded("Reads and writes", blocks()),
        folded("The exporter", exporter()),
    ]
}

/// A rate of a server's counter.
fn rate(metric: &str) -> String {
    format!("rate({metric}{{server=~\"$server\"}}[$__rate_interval])")
}

/// How often a primary had a checkpoint.
fn checkpoints(metric: &str) -> String {
    format!(
        "round(increase({metric}{{server=~\"$server\"}}[5m])) and on (instance, server) postgresql_in_recovery == 0"
    )
}

/// A figure of a table of the log.
fn table(metric: &str) -> String {
    format!("{metric}{{schema=~\"$schema\",server=~\"$server\",table=~\"events|keys\"}}")
}

fn wal() -> Vec<Panel> {
    vec![
        Panel::lines("WAL written", "Bps", "Bytes of WAL a second. Just after a checkpoint there is more, as pages are written in full.")
            .query("postgresql:wal_bytes:rate1m{server=~\"$server\"}", "{{server}}")
            .query("clamp_min(deriv(postgresql_wal_position_bytes{server=~\"$server\"}[$__rate_interval]), 0)", "{{server}}, by position")
            .empty(NO_TABLE),
        Panel::lines("Records and full pages", "ops", "Records of WAL, and images of whole pages, which follow each checkpoint.")
            .many()
            .query(rate("postgresql_wal_records_total"), "records, {{server}}")
            .query(rate("postgresql_wal_full_page_images_total"), "full pages, {{server}}")
            .query(rate("postgresql_wal_buffers_full_total"), "wal_buffers were full, {{server}}"),
        Panel::lines("Checkpoints", "short", "Checkpoints of primaries in the last five minutes. Requested ones were not due by time: max_wal_size was reached (raise it, if that is the rule), or somebody asked for them. Standbys are left out: they count restartpoints that they skip.")
            .query(checkpoints("postgresql_checkpoints_timed_total"), "timed, {{server}}")
            .query(checkpoints("postgresql_checkpoints_requested_total"), "requested, {{server}}"),
        Panel::lines("Time in checkpoints", "s", "For how long the checkpoints that ended in the last five minutes wrote (spread out on purpose), and waited for the disk (which holds up others).")
            .many()
            .query("increase(postgresql_checkpoint_write_seconds_total{server=~\"$server\"}[5m])", "write, {{server}}")
            .query("increase(postgresql_checkpoint_sync_seconds_total{server=~\"$server\"}[5m])", "sync, {{server}}"),
        Panel::lines("Buffers written", "wps", "Buffers that checkpoints and the background writer wrote. The background writer stops where it has done as much in a round as it may.")
            .many()
            .query(rate("postgresql_checkpoint_buffers_total"), "checkpoints, {{server}}")
            .query(rate("postgresql_background_writer_buffers_total"), "background writer, {{server}}")
            .query(rate("postgresql_background_writer_stops_total"), "it stopped, {{server}}"),
        Panel::lines("WAL on disk", "bytes", "How much there is in the WAL's folder: up to max_wal_size, and what slots and standbys need.")
            .query("postgresql_wal_directory_bytes{server=~\"$server\"}", "{{server}}")
            .empty(NO_RIGHT),
        Panel::number("Since the last checkpoint", "s", "How long ago the last completed checkpoint began: that much WAL has to be replayed after a crash.")
            .query("time() - postgresql_last_checkpoint_timestamp_seconds{server=~\"$server\"}", "{{server}}")
            .sized(24, 4),
    ]
}

fn tables() -> Vec<Panel> {
    vec![
        Panel::lines("Size of the log", "bytes", "Rows, indexes and TOAST of the tables events and keys. The keys are the larger part.")
            .many()
            .query(table("postgresql_table_bytes"), "{{table}}")
            .query(table("postgresql_table_indexes_bytes"), "indexes of {{table}}")
            .query(table("postgresql_table_toast_bytes"), "TOAST of {{table}}")
            .stacked()
            .empty(NO_TABLE),
        Panel::lines("Size of the database", "bytes", "All of the database that the log is in.")
            .query("postgresql_database_bytes{server=~\"$server\"}", "{{server}}"),
        Panel::lines("Rows inserted since vacuum", "short", "What insert-driven autovacuum waits for: each run freezes pages once, and makes index-only scans cheap. It should be a saw.")
            .query(table("postgresql_table_inserted_since_vacuum_rows"), "{{table}}")
            .empty(NO_TABLE),
        Panel::lines("Rows written since ANALYZE", "short", "What autoanalyze waits for. The more there are, the less plans know.")
            .query(table("postgresql_table_modified_since_analyze_rows"), "{{table}}")
            .empty(NO_TABLE),
        Panel::lines("Rows", "short", "Live rows, an estimate, and dead ones: the log has none but where an append was given up.")
            .tall()
            .many()
            .query(table("postgresql_table_live_rows"), "{{table}}, live")
            .query(table("postgresql_table_dead_rows"), "{{table}}, dead")
            .empty(NO_TABLE),
        Panel::lines("Vacuum and ANALYZE", "short", "Runs in the last five minutes, by autovacuum and by hand, and workers that run.")
            .tall()
            .many()
            .query(format!("round(sum by (table) (increase({}[5m])))", table("postgresql_table_autovacuums_total")), "autovacuum of {{table}}")
            .query(format!("round(sum by (table) (increase({}[5m])))", table("postgresql_table_autoanalyzes_total")), "autoanalyze of {{table}}")
            .query(format!("round(sum by (table) (increase({}[5m])))", table("postgresql_table_vacuums_total")), "VACUUM of {{table}}")
            .query(format!("round(sum by (table) (increase({}[5m])))", table("postgresql_table_analyzes_total")), "ANALYZE of {{table}}")
            .query("postgresql_autovacuum_workers{server=~\"$server\"}", "workers on {{server}}")
            .empty(NO_TABLE),
        Panel::lines("Since vacuum and ANALYZE", "s", "How long ago each table was last vacuumed and analyzed, by whomever. Not there: never.")
            .tall()
            .query(format!("time() - {}", table("postgresql_table_last_vacuum_timestamp_seconds")), "vacuum of {{table}}")
            .query(format!("time() - {}", table("postgresql_table_last_analyze_timestamp_seconds")), "ANALYZE of {{table}}")
            .empty("never"),
        Panel::lines("Age", "short", "How many transactions, and multixacts, the oldest row is behind. At 2 billion writes stop.")
            .tall()
            .many()
            .query("postgresql_database_age_transactions{server=~\"$server\"}", "transactions, {{server}}")
            .query("postgresql_database_age_multixacts{server=~\"$server\"}", "multixacts, {{server}}")
            .query(table("postgresql_table_age_transactions"), "{{table}}")
            .threshold(5e8, "red"),
        Panel::lines("Age up to autovacuum_freeze_max_age", "percentunit", "Which share of it the oldest transaction has. From 100 % on tables are vacuumed in any case: far more means that vacuum does not freeze.")
            .query("postgresql_database_age_transactions{server=~\"$server\"} / (postgresql_freeze_max_age_transactions{server=~\"$server\"} > 0)", "{{server}}"),
        Panel::lines("Scans of whole tables", "ops", "There should be none of events and keys but by ANALYZE-like work, exports and whoever allows a scan.")
            .query(format!("rate({}[$__rate_interval])", table("postgresql_table_sequential_scans_total")), "{{table}}")
            .empty(NO_TABLE),
    ]
}

fn sessions() -> Vec<Panel> {
    vec![
        Panel::lines("Connections", "short", "Sessions of clients by state. Many that are idle in a transaction keep vacuum back. How near to max_connections they are stands beside.")
            .tall()
            .many()
            .query("sum by (server, state) (postgresql_connections{server=~\"$server\"})", "{{server}}, {{state}}")
            .empty(NO_RIGHT),
        Panel::lines("Connections in use", "percentunit", "Which share of max_connections is taken.")
            .tall()
            .query("postgresql:connections:ratio{server=~\"$server\"}", "{{server}}")
            .threshold(0.8, "red")
            .max(1.0)
            .empty(NO_RIGHT),
        Panel::lines("Transactions", "ops", "Committed and rolled back in the log's database.")
            .tall()
            .query(rate("postgresql_commits_total"), "committed, {{server}}")
            .query(rate("postgresql_rollbacks_total"), "rolled back, {{server}}"),
        Panel::lines("Busy sessions", "short", "How many sessions executed a statement at once, in the mean.")
            .tall()
            .query(rate("postgresql_active_seconds_total"), "{{server}}"),
        Panel::lines("Waiting for locks", "short", "Sessions that wait for a lock. Appends of several handles wait for the log's.")
            .query("postgresql_blocked_backends{server=~\"$server\"}", "{{server}}")
            .empty(NO_RIGHT),
        Panel::lines("Longest transaction", "s", "For how long the oldest transaction of a client is open. Vacuum removes and freezes nothing that it may still see.")
            .query("postgresql_longest_transaction_seconds{server=~\"$server\"}", "{{server}}")
            .threshold(300.0, "red")
            .empty(NO_RIGHT),
        Panel::lines("Oldest snapshot", "short", "How many transactions ago the oldest snapshot was taken, that of a standby with hot_standby_feedback apart.")
            .query("postgresql_oldest_xmin_age_transactions{server=~\"$server\"}", "{{server}}")
            .empty(NO_RIGHT),
        Panel::lines("Deadlocks", "ops", "There should be none.")
            .query(rate("postgresql_deadlocks_total"), "{{server}}"),
        Panel::number("Up since", "s", "How long ago each server was started.")
            .query("time() - postgresql_start_time_seconds{server=~\"$server\"}", "{{server}}")
            .sized(24, 4),
    ]
}

fn blocks() -> Vec<Panel> {
    vec![
        Panel::lines("Cache hits", "percentunit", "Which share of blocks was in shared_buffers.")
            .query("postgresql:blocks_hit:ratio1m{server=~\"$server\"}", "{{server}}")
            .max(1.0),
        Panel::lines("Blocks", "ops", "Blocks that were in shared_buffers, and that had to be asked of the system; and buffers that were taken for another block.")
            .many()
            .query(rate("postgresql_blocks_hit_total"), "hit, {{server}}")
            .query(rate("postgresql_blocks_read_total"), "read, {{server}}")
            .query(rate("postgresql_buffers_allocated_total"), "taken, {{server}}"),
        Panel::lines("Rows written", "wps", "Rows inserted, updated and deleted in the log's database.")
            .many()
            .query(rate("postgresql_rows_inserted_total"), "inserted, {{server}}")
            .query(rate("postgresql_rows_updated_total"), "updated, {{server}}")
            .query(rate("postgresql_rows_deleted_total"), "deleted, {{server}}"),
        Panel::lines("Rows read", "rps", "Rows and index entries that scans returned, and rows that index scans fetched.")
            .many()
            .query(rate("postgresql_rows_scanned_total"), "scanned, {{server}}")
            .query(rate("postgresql_rows_fetched_total"), "fetched, {{server}}"),
        Panel::lines("Temporary files", "Bps", "What sorts and hashes wrote to disk as work_mem was too small.")
            .query(rate("postgresql_temporary_files_bytes_total"), "{{server}}"),
        Panel::lines("Reads and writes by kind of process", "iops", "Of tables and indexes, from PostgreSQL 16 on. Clients should not have to write.")
            .many()
            .query(rate("postgresql_io_reads_total"), "reads, {{backend}}, {{server}}")
            .query(rate("postgresql_io_writes_total"), "writes, {{backend}}, {{server}}")
            .query(rate("postgresql_io_extends_total"), "extends, {{backend}}, {{server}}")
            .empty("from PostgreSQL 16 on"),
    ]
}

fn exporter() -> Vec<Panel> {
    vec![
        Panel::lines("Time to ask", "s", "How long all queries of the exporter took on each server.")
            .query("postgresql_scrape_seconds{server=~\"$server\"}", "{{server}}"),
        Panel::lines(
            "Figures that were not given",
            "short",
            "Queries that a server refused, mostly for want of a right, or did not answer in time.",
        )
        .query("postgresql_failed_queries{server=~\"$server\"}", "{{server}}"),
    ]
}
