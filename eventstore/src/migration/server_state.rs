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
use crate::sqlstate;

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
        let fault = |error: tokio_postgres::Error| sqlstate::classify(&error, pool.server());
        let told = rows.first().map(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
        let (standby, migrated): (bool, bool) = told.transpose().map_err(fault)?.unwrap_or_default();
        if !migrated {
            return Ok(Self { standby, ..Self::default() });
        }
        let rows = pool::read(pool, &sql::for_schema(sql::LOG_VERSION, schema), &[], deadline).await?;
        let told = rows.first().map(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
        let (version, works_with): (i32, i32) = told.transpose().map_err(fault)?.unwrap_or_default();
        if version == 0 {
            return Ok(Self { standby, ..Self::default() });
        }
        let rows = pool::read(pool, &sql::for_schema(sql::LOG_IDENTITY, schema), &[], deadline).await?;
        let log = rows.first().map(|row| row.try_get(0)).transpose().map_err(fault)?;
        Ok(Self { standby, version, works_with, log })
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
