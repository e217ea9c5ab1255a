//! Creating a log and bringing it up to date.
//!
//! Migrations are immutable and checksummed. Each runs in one transaction that holds two locks: that of migrations
//! of this schema, and the append lock if the log exists, so that no append sees half of a change. Both are tried
//! and not waited for, with a pause outside any transaction: a waiting session would hold a pooler's server
//! connection, and appends would queue behind it.
//!
//! A log has one owner, with whose rights its functions work. A later migration becomes that owner, or is refused; so is a schema
//! into which anybody else can put functions, and a log of somebody whom the migrator has no reason to trust: see [`owner`].

mod catalogue;
mod owner;
mod server_state;
mod status;
mod transaction;

use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::Client;
use tracing::{Instrument as _, info, info_span};

use crate::deadline;
use crate::error::{Error, ErrorKind};
use crate::keys::{IndexedPaths, WantedPaths};
use crate::migration::catalogue::{LATEST, STEPS};
use crate::migration::transaction::Transaction;
use crate::pool::{self, Pool};
use crate::schema::SchemaName;
use crate::sql::{self, migrate};
use crate::sqlstate;

pub(crate) use owner::refuse_foreign;
pub(crate) use server_state::ServerState;
pub use status::MigrationStatus;

/// How long another process's migration is waited for.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(10);
/// How long all of it may take: a server that has stopped says nothing. Migrations change the catalogue, not events.
const LONGEST: Duration = Duration::from_secs(180);

/// Brings one log up to date.
pub(crate) struct Migrator<'a> {
    pool: &'a Arc<dyn Pool>,
    schema: &'a SchemaName,
    wanted: Option<&'a WantedPaths>,
}

impl<'a> Migrator<'a> {
    pub(crate) fn new(
        pool: &'a Arc<dyn Pool>,
        schema: &'a SchemaName,
        wanted: Option<&'a WantedPaths>,
    ) -> Self {
        Self { pool, schema, wanted }
    }

    pub(crate) async fn run(&self) -> Result<(), Error> {
        timeout(LONGEST, self.run_without_deadline()).await.unwrap_or_else(|_| {
            let message = format!("migration of schema {} did not end within {LONGEST:?}", self.schema);
            Err(Error::timeout(ErrorKind::Unavailable, message))
        })
    }

    async fn run_without_deadline(&self) -> Result<(), Error> {
        // Before anything of the log is looked into.
        owner::refuse_foreign(self.pool, self.schema, deadline::after(LONGEST)).await?;
        let state = ServerState::ask(self.pool, self.schema, deadline::after(LONGEST)).await?;
        state.check_version(self.schema)?;
        if state.version < LATEST {
            let span =
                info_span!("migrate", schema = self.schema.as_str(), from = state.version, to = LATEST);
            self.apply_pending().instrument(span).await.map_err(|error| self.not_the_owner(error, state))?;
        }
        self.verify().await
    }

    /// Says what it is that the role may not do.
    fn not_the_owner(&self, error: Error, state: ServerState) -> Error {
        match error.sqlstate() {
            Some(sqlstate @ sqlstate::INSUFFICIENT_PRIVILEGE) => {
                let message = format!(
                    "schema {} has version {}, and only who owns the log can bring it to {LATEST}: {error}",
                    self.schema, state.version
                );
                Error::from_server(error.kind(), message, sqlstate)
            }
            _ => error,
        }
    }

    async fn apply_pending(&self) -> Result<(), Error> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let transaction = Transaction::begin(self.pool, deadline::after(LONGEST)).await?;
            if self.try_lock(&transaction).await? {
                let result = self.apply_under_lock(&transaction).await;
                return match result {
                    Ok(()) => transaction.end("COMMIT").await,
                    // Dropping the transaction closes its connection, which rolls back.
                    Err(error) => Err(error),
                };
            }
            transaction.end("ROLLBACK").await?;
            if Instant::now() + PAUSE > deadline {
                return Err(Error::unavailable(format!(
                    "schema {} is being migrated by another process, or its appends leave no room, for {PATIENCE:?}",
                    self.schema
                )));
            }
            sleep(PAUSE).await;
        }
    }

    async fn try_lock(&self, transaction: &Transaction) -> Result<bool, Error> {
        for lock in [migrate::LOCK, migrate::APPEND_LOCK] {
            let row = transaction.client().query_one(lock, &[&self.schema.as_str()]).await;
            let taken: bool =
                row.and_then(|row| row.try_get(0)).map_err(|error| transaction.fault(&error))?;
            if !taken {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn apply_under_lock(&self, transaction: &Transaction) -> Result<(), Error> {
        let fault = |error: tokio_postgres::Error| transaction.fault(&error);
        let client = transaction.client();
        // What another process has done meanwhile is visible now.
        let schemas =
            client.query_one(migrate::SCHEMA_STATE, &[&self.schema.as_str()]).await.map_err(fault)?;
        let (exists, migrated) = (schemas.get::<_, bool>(0), schemas.get::<_, bool>(1));
        if let Some(owner) = schemas.get::<_, Option<String>>(2) {
            if !schemas.get::<_, bool>(3) {
                return Err(owner::is_foreign(self.schema, &owner, "another role"));
            }
            client.execute(migrate::AS_OWNER, &[&owner]).await.map_err(fault)?;
        }
        if exists {
            self.check_strangers(client).await.map_err(fault)??;
        } else {
            client
                .batch_execute(&sql::for_schema(migrate::CREATE_SCHEMA, self.schema))
                .await
                .map_err(fault)?;
        }
        // pg_temp last: a temporary table must not stand before the log's own, in functions that keep this path.
        client.batch_execute(&sql::for_schema(migrate::SEARCH_PATH, self.schema)).await.map_err(fault)?;
        if !migrated {
            client.batch_execute(migrate::MIGRATIONS).await.map_err(fault)?;
        }
        let version =
            client.query_one(&sql::for_schema(sql::LOG_VERSION, self.schema), &[]).await.map_err(fault)?;
        let done: i32 = version.get(0);
        for step in STEPS.iter().filter(|step| step.version > done) {
            client.batch_execute(&step.sql()).await.map_err(fault)?;
            let values: [&(dyn tokio_postgres::types::ToSql + Sync); 4] =
                [&step.version, &step.name, &step.checksum(), &step.works_with];
            client.execute(migrate::RECORD, &values).await.map_err(fault)?;
            info!(version = step.version, name = step.name, "migration applied");
        }
        if done == 0 {
            self.set_up_log(client).await.map_err(fault)?;
        }
        Ok(())
    }

    /// Refuses a schema into which somebody else may put functions: those of the log would call them, with its owner's rights.
    async fn check_strangers(&self, client: &Client) -> Result<Result<(), Error>, tokio_postgres::Error> {
        let row = client.query_one(migrate::STRANGERS, &[&self.schema.as_str()]).await?;
        let Some(strangers) = row.get::<_, Option<String>>(0) else { return Ok(Ok(())) };
        let (schema, owner) = (self.schema, row.get::<_, String>(1));
        Ok(Err(Error::invalid(format!(
            "schema {schema} has to be its log's owner's alone, and {owner} would own the log, found: {strangers}; what is put there could run with \
             the owner's rights. Name a schema that is not there yet, or: ALTER SCHEMA {schema} OWNER TO the owner, REVOKE CREATE ON SCHEMA {schema} \
             FROM the others, and drop what is theirs"
        ))))
    }

    async fn set_up_log(&self, client: &Client) -> Result<(), tokio_postgres::Error> {
        let top_level = self.wanted.is_none_or(|wanted| wanted.top_level);
        client.execute(migrate::SETTINGS, &[&top_level]).await?;
        for path in self.wanted.iter().flat_map(|wanted| &wanted.paths) {
            client.execute(migrate::PATH, &[&path.canonical(), &path.to_extract()]).await?;
        }
        Ok(())
    }

    /// Checks that what was applied is what this library would apply, and that the log indexes what is asked for.
    async fn verify(&self) -> Result<(), Error> {
        for applied in self.applied().await? {
            let Some(step) = STEPS.iter().find(|step| step.version == applied.version) else { continue };
            let (version, found, expected) = (step.version, applied.checksum, step.checksum());
            if found != expected {
                return Err(Error::invalid(format!(
                    "migration {version} of schema {} has the checksum {found}; expected {expected}: it was changed \
                     after it was applied, or applied by another build",
                    self.schema
                )));
            }
        }
        let Some(wanted) = self.wanted else { return Ok(()) };
        wanted
            .check(&IndexedPaths::read(self.pool, self.schema, deadline::after(LONGEST)).await?, self.schema)
    }

    async fn applied(&self) -> Result<Vec<Applied>, Error> {
        let sql = sql::for_schema(migrate::APPLIED, self.schema);
        let rows = pool::read(self.pool, &sql, &[], deadline::after(LONGEST)).await?;
        let applied = |row: &tokio_postgres::Row| Applied {
            version: row.get(0),
            name: row.get(1),
            checksum: row.get(2),
            at: row.get(3),
        };
        Ok(rows.iter().map(applied).collect())
    }
}

/// A step that the log has.
struct Applied {
    version: i32,
    name: String,
    checksum: String,
    at: OffsetDateTime,
}
