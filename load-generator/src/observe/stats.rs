//! The counters of one server at one moment.

use serde::{Deserialize, Serialize};
use testutil::Session;
use tokio_postgres::Error;
use tokio_postgres::types::{ToSql, Type};

use crate::observe::figures::Figures;
use crate::observe::version::Version;

/// Counted since the server's counters began, but for rows, pages and sizes, which are as they are now. `None` where the
/// server's version, its role or our rights do not give a figure.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ServerStats {
    pub(crate) role: Role,
    /// On a standby before PostgreSQL 17, these are restartpoints. Those that found nothing to write count too.
    pub(crate) checkpoints_timed: Option<u64>,
    /// Asked for by somebody, or by `max_wal_size`.
    pub(crate) checkpoints_requested: Option<u64>,
    /// Completed ones, from PostgreSQL 17 on.
    pub(crate) restartpoints: Option<u64>,
    pub(crate) checkpoint_write_ms: Option<f64>,
    pub(crate) buffers_checkpoint: Option<u64>,
    /// A standby writes none.
    pub(crate) wal_bytes: Option<u64>,
    pub(crate) wal_records: Option<u64>,
    /// Images of full pages.
    pub(crate) wal_fpi: Option<u64>,
    /// Of the schema's tables, as the three that follow. Not on a standby, where autovacuum does not run.
    pub(crate) autovacuum_runs: Option<u64>,
    pub(crate) autoanalyze_runs: Option<u64>,
    pub(crate) dead_tuples: Option<u64>,
    pub(crate) live_tuples: Option<u64>,
    /// Of the database, as what follows. Blocks that were in `shared_buffers`.
    pub(crate) blocks_hit: Option<u64>,
    /// Blocks that were not, but may have been in the system's cache.
    pub(crate) blocks_read: Option<u64>,
    /// How long sessions executed statements, all together.
    pub(crate) active_time_ms: Option<f64>,
    pub(crate) commits: Option<u64>,
    pub(crate) rollbacks: Option<u64>,
    pub(crate) deadlocks: Option<u64>,
    pub(crate) temp_bytes: Option<u64>,
    /// Statements that a standby ended because they kept replay back.
    pub(crate) recovery_conflicts: Option<u64>,
    /// Of the schema's GIN indexes. Only where an extension that can read them is installed.
    pub(crate) pending_list_pages: Option<u64>,
    pub(crate) database_bytes: Option<u64>,
    /// The schema's tables with their indexes.
    pub(crate) schema_bytes: Option<u64>,
}

/// What a server is at the moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Role {
    #[default]
    Primary,
    Standby,
}

/// Asks a server. A group of figures that it refuses is `None`.
///
/// # Errors
/// If the connection is lost.
pub(crate) async fn stats(session: &Session, schema: &str) -> Result<ServerStats, Error> {
    let recovering = session.query_typed_one("SELECT pg_is_in_recovery()", &[]).await?;
    let role = if recovering.try_get::<_, bool>(0)? { Role::Standby } else { Role::Primary };
    let version = Version::of(session).await?;
    let in_schema: [(&(dyn ToSql + Sync), Type); 1] = [(&schema, Type::TEXT)];

    let checkpoints = Figures::of(session, version.checkpoints(), &[]).await?;
    let wal = Figures::of(session, include_str!("sql/wal.sql"), &[]).await?;
    let tables = Figures::of(session, include_str!("sql/tables.sql"), &in_schema).await?;
    let database = Figures::of(session, include_str!("sql/database.sql"), &[]).await?;
    let database_size = "SELECT pg_database_size(current_database()) AS bytes";
    let database_size = Figures::of(session, database_size, &[]).await?;
    let schema_size = Figures::of(session, include_str!("sql/schema_bytes.sql"), &in_schema).await?;
    let pending_reader = Figures::of(session, include_str!("sql/pending_reader.sql"), &[]).await?;
    let pending_list_pages = match pending_reader.text("expression") {
        Some(reader) => {
            let statement = include_str!("sql/pending_pages.sql").replace("{pending_pages}", &reader);
            Figures::of(session, &statement, &in_schema).await?.count("pages")
        }
        None => None,
    };

    Ok(ServerStats {
        role,
        checkpoints_timed: checkpoints.count("timed"),
        checkpoints_requested: checkpoints.count("requested"),
        restartpoints: checkpoints.count("restartpoints"),
        checkpoint_write_ms: checkpoints.number("write_ms"),
        buffers_checkpoint: checkpoints.count("buffers"),
        wal_bytes: wal.count("bytes"),
        wal_records: wal.count("records"),
        wal_fpi: wal.count("full_pages"),
        autovacuum_runs: tables.count("autovacuums"),
        autoanalyze_runs: tables.count("autoanalyzes"),
        dead_tuples: tables.count("dead"),
        live_tuples: tables.count("live"),
        blocks_hit: database.count("blks_hit"),
        blocks_read: database.count("blks_read"),
        active_time_ms: database.number("active_time"),
        commits: database.count("xact_commit"),
        rollbacks: database.count("xact_rollback"),
        deadlocks: database.count("deadlocks"),
        temp_bytes: database.count("temp_bytes"),
        recovery_conflicts: database.count("conflicts"),
        pending_list_pages,
        database_bytes: database_size.count("bytes"),
        schema_bytes: schema_size.count("bytes"),
    })
}
