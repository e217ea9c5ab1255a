//! What a server is, as a store finds it.

use std::sync::Arc;

use tokio::time::Instant;
use tokio_postgres::types::Type;
use uuid::Uuid;

use crate::error::Error;
use crate::migration::catalogue::LATEST;
use crate::pool::{self, Pool};
use crate::schema::SchemaName;
use crate::sql;

/// What a server says of itself and of the log.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ServerState {
    pub(crate) standby: bool,
    /// The identity of the log, if it has been made.
    pub(crate) log: Option<Uuid>,
    pub(super) version: i32,
    works_with: i32,
}

impl ServerState {
    pub(crate) async fn ask(
        pool: &Arc<dyn Pool>,
        schema: &SchemaName,
        deadline: Instant,
    ) -> Result<Self, Error> {
        let rows = pool::read(pool, sql::SERVER_ROLE, &[(&schema.as_str(), Type::TEXT)], deadline).await?;
        let (standby, migrated) = rows.first().map_or((false, false), |row| (row.get(0), row.get(1)));
        if !migrated {
            return Ok(Self { standby, ..Self::default() });
        }
        let rows = pool::read(pool, &sql::for_schema(sql::LOG_VERSION, schema), &[], deadline).await?;
        let (version, works_with) = rows.first().map_or((0, 0), |row| (row.get(0), row.get(1)));
        if version == 0 {
            return Ok(Self { standby, ..Self::default() });
        }
        let rows = pool::read(pool, &sql::for_schema(sql::LOG_IDENTITY, schema), &[], deadline).await?;
        Ok(Self { standby, version, works_with, log: rows.first().map(|row| row.get(0)) })
    }

    /// Refuses a schema that needs a newer library.
    pub(crate) fn check_version(self, schema: &SchemaName) -> Result<(), Error> {
        if self.works_with > LATEST {
            return Err(Error::invalid(format!(
                "schema {schema} has version {} and needs a library that knows version {} at least; this one knows \
                 {LATEST}: upgrade it",
                self.version, self.works_with
            )));
        }
        Ok(())
    }
}
