//! Whose log it is, and who may work on it.
//!
//! A log runs what its owner wrote: functions, triggers, views. Whoever may create schemas can have made the schema that is named here, with a log of
//! their own in it, before the log was. So whoever administers a database works on no log of somebody else's, unless it is the database's
//! owner's or a superuser's, or the session says whose it is by being that role.

use std::sync::Arc;

use tokio::time::Instant;
use tokio_postgres::types::Type;

use crate::error::{Error, ErrorKind};
use crate::pool::{self, Pool};
use crate::schema::SchemaName;
use crate::sql::migrate;
use crate::sqlstate;

/// Refuses a log of somebody else's, where this session administers the database.
pub(crate) async fn refuse_foreign(
    pool: &Arc<dyn Pool>,
    schema: &SchemaName,
    deadline: Instant,
) -> Result<(), Error> {
    let rows = pool::read(pool, migrate::FOREIGN_OWNER, &[(&schema.as_str(), Type::TEXT)], deadline).await?;
    match rows.first() {
        Some(row) => {
            let found = row.try_get(0).and_then(|owner| Ok((owner, row.try_get(1)?)));
            let (owner, role): (&str, &str) =
                found.map_err(|error| sqlstate::classify(&error, pool.server()))?;
            Err(is_foreign(schema, owner, role))
        }
        None => Ok(()),
    }
}

/// Of 42501: what is missing is the right to be that role without saying so.
pub(super) fn is_foreign(schema: &SchemaName, owner: &str, role: &str) -> Error {
    let message = format!(
        "the log in schema {schema} belongs to {owner}, and this session is {role}'s; expected a log of its own, of the database's owner or of a \
         superuser, as a log runs what its owner wrote. If it is the right one, be that role: options='-c role={owner}' in the connection string"
    );
    Error::from_server(ErrorKind::Invalid, message, sqlstate::INSUFFICIENT_PRIVILEGE)
}
