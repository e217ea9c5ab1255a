//! Which migrations a log has, and which it lacks.

use time::OffsetDateTime;
use tokio::time::Instant;

use crate::deadline;
use crate::error::Error;
use crate::migration::catalogue::{STEPS, script};
use crate::migration::{LONGEST, Migrator, ServerState};
use crate::schema::SchemaName;

/// A migration, and whether the log has it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MigrationStatus {
    /// Its number; the log has the version of the last one applied.
    pub version: u32,
    /// What it is about.
    pub name: String,
    /// When it was applied; `None` if [`migrate`](crate::EventStore::migrate) would.
    pub applied_at: Option<OffsetDateTime>,
    /// Whether this library knows it; a newer one has applied it if not.
    pub is_known: bool,
}

impl Migrator<'_> {
    pub(crate) async fn status(&self) -> Result<Vec<MigrationStatus>, Error> {
        let deadline: Instant = deadline::after(LONGEST);
        let is_made = ServerState::ask(self.pool, self.schema, deadline).await?.version > 0;
        let applied = if is_made { self.applied().await? } else { Vec::new() };
        let missing =
            STEPS.iter().filter(|step| applied.iter().all(|applied| applied.version != step.version));
        let missing = missing.map(|step| MigrationStatus {
            version: step.version.unsigned_abs(),
            name: step.name.to_owned(),
            applied_at: None,
            is_known: true,
        });
        let applied = applied.iter().map(|applied| MigrationStatus {
            version: applied.version.unsigned_abs(),
            name: applied.name.clone(),
            applied_at: Some(applied.at),
            is_known: STEPS.iter().any(|step| step.version == applied.version),
        });
        let mut status: Vec<_> = applied.chain(missing).collect();
        status.sort_by_key(|migration| migration.version);
        Ok(status)
    }

    pub(crate) fn script(schema: &SchemaName) -> String {
        script(schema)
    }
}
