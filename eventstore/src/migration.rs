//! Creating a log and bringing it up to date.
//!
//! Migrations are immutable and checksummed. Each runs in one transaction that holds two locks: that of migrations
//! of this schema, and the append lock if the log exists, so that no append sees half of a change. Both are tried
//! and not waited for, with a pause outside any transaction: a waiting session would hold a pooler's server
//! connection, and appends would queue behind it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::Client;
use tracing::{Instrument as _, info, info_span};

use crate::error::{Error, ErrorKind};
use crate::filter::Path;
use crate::pool::{Pool, PooledConnection};
use crate::schema::SchemaName;
use crate::sql::{self, migrate};
use crate::sqlstate;

/// How long another process's migration is waited for.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(10);
/// How long all of it may take: a server that has stopped says nothing. Migrations change the catalogue, not events.
const LONGEST: Duration = Duration::from_secs(180);

/// One step of the schema.
struct Migration {
    version: i32,
    name: &'static str,
    /// The oldest version of this library that works with the schema after this step.
    works_with: i32,
    objects: &'static [&'static str],
}

/// Never changed once released; only added to.
const MIGRATIONS: &[Migration] = &[Migration {
    version: 1,
    name: "events, keys, log, append_v1",
    works_with: 1,
    objects: &[
        include_str!("sql/migrations/0001/1_log.sql"),
        include_str!("sql/migrations/0001/2_indexed_paths.sql"),
        include_str!("sql/migrations/0001/3_events.sql"),
        include_str!("sql/migrations/0001/4_keys.sql"),
        include_str!("sql/migrations/0001/5_type_key_v1.sql"),
        include_str!("sql/migrations/0001/6_value_key_v1.sql"),
        include_str!("sql/migrations/0001/7_position_before_v1.sql"),
        include_str!("sql/migrations/0001/8_append_v1.sql"),
        include_str!("sql/migrations/0001/9_privileges.sql"),
    ],
}];

/// The version that this library's schema has.
const LATEST: i32 = MIGRATIONS[MIGRATIONS.len() - 1].version;

/// Which payload paths a new log has keys for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IndexedPaths {
    pub(crate) top_level: bool,
    pub(crate) paths: BTreeSet<Path>,
}

/// What a server says of itself and of the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ServerState {
    pub(crate) standby: bool,
    version: i32,
    works_with: i32,
}

/// Asks a server what it is.
pub(crate) async fn server_state(pool: &Arc<dyn Pool>, schema: &SchemaName) -> Result<ServerState, Error> {
    let connection = pool.acquire().await?;
    let state = async {
        let client = connection.client();
        let role = client.query_one(sql::SERVER_ROLE, &[&schema.as_str()]).await?;
        let (standby, migrated) = (role.try_get(0)?, role.try_get(1)?);
        let (version, works_with) = if migrated { version(client, schema).await? } else { (0, 0) };
        Ok(ServerState { standby, version, works_with })
    };
    state.await.map_err(|error| sqlstate::classify(&error, pool.server()))
}

async fn version(client: &Client, schema: &SchemaName) -> Result<(i32, i32), tokio_postgres::Error> {
    let row = client.query_one(&sql::for_schema(sql::LOG_VERSION, schema), &[]).await?;
    Ok((row.try_get(0)?, row.try_get(1)?))
}

impl ServerState {
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

/// Brings one log up to date.
pub(crate) struct Migrator<'a> {
    pool: &'a Arc<dyn Pool>,
    schema: &'a SchemaName,
    index: Option<&'a IndexedPaths>,
}

impl<'a> Migrator<'a> {
    pub(crate) fn new(
        pool: &'a Arc<dyn Pool>,
        schema: &'a SchemaName,
        index: Option<&'a IndexedPaths>,
    ) -> Self {
        Self { pool, schema, index }
    }

    pub(crate) async fn run(&self) -> Result<(), Error> {
        timeout(LONGEST, self.run_without_deadline()).await.unwrap_or_else(|_| {
            let message = format!("migration of schema {} did not end within {LONGEST:?}", self.schema);
            Err(Error::timeout(ErrorKind::Unavailable, message))
        })
    }

    async fn run_without_deadline(&self) -> Result<(), Error> {
        let state = server_state(self.pool, self.schema).await?;
        state.check_version(self.schema)?;
        if state.version < LATEST {
            let span =
                info_span!("migrate", schema = self.schema.as_str(), from = state.version, to = LATEST);
            self.apply_pending().instrument(span).await?;
        }
        self.verify().await
    }

    async fn apply_pending(&self) -> Result<(), Error> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let transaction = Transaction::begin(self.pool).await?;
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
        if !exists {
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
        let (done, _) = version(client, self.schema).await.map_err(fault)?;
        for migration in MIGRATIONS.iter().filter(|migration| migration.version > done) {
            let text = migration.objects.concat();
            client.batch_execute(&text).await.map_err(fault)?;
            let checksum = checksum(client, &text).await.map_err(fault)?;
            let values: [&(dyn tokio_postgres::types::ToSql + Sync); 4] =
                [&migration.version, &migration.name, &checksum, &migration.works_with];
            client.execute(migrate::RECORD, &values).await.map_err(fault)?;
            info!(version = migration.version, name = migration.name, "migration applied");
        }
        if done == 0 {
            self.set_up_log(client).await.map_err(fault)?;
        }
        Ok(())
    }

    async fn set_up_log(&self, client: &Client) -> Result<(), tokio_postgres::Error> {
        let top_level = self.index.is_none_or(|index| index.top_level);
        client.execute(migrate::SETTINGS, &[&top_level]).await?;
        for path in self.index.iter().flat_map(|index| &index.paths) {
            client
                .execute(migrate::PATH, &[&path.canonical(), &format!("{}[*]", path.to_jsonpath())])
                .await?;
        }
        Ok(())
    }

    /// Checks that what was applied is what this library would apply, and that the log indexes what is asked for.
    async fn verify(&self) -> Result<(), Error> {
        let connection = self.pool.acquire().await?;
        let fault = |error: tokio_postgres::Error| sqlstate::classify(&error, self.pool.server());
        let client = connection.client();
        let applied =
            client.query(&sql::for_schema(migrate::APPLIED, self.schema), &[]).await.map_err(fault)?;
        for row in applied {
            let (version, found) = (row.get::<_, i32>(0), row.get::<_, String>(1));
            let Some(migration) = MIGRATIONS.iter().find(|migration| migration.version == version) else {
                continue;
            };
            let expected = checksum(client, &migration.objects.concat()).await.map_err(fault)?;
            if found != expected {
                return Err(Error::invalid(format!(
                    "migration {version} of schema {} has the checksum {found}; expected {expected}: it was changed \
                     after it was applied, or applied by another build",
                    self.schema
                )));
            }
        }
        let Some(asked) = self.index else { return Ok(()) };
        let row =
            client.query_one(&sql::for_schema(migrate::INDEXED, self.schema), &[]).await.map_err(fault)?;
        let paths =
            row.get::<_, Vec<String>>(1).iter().map(|path| Path::parse(path)).collect::<Result<_, _>>()?;
        let found = IndexedPaths { top_level: row.get(0), paths };
        if found != *asked {
            return Err(Error::invalid(format!(
                "log in schema {} was made to index {}; the builder asks for {}",
                self.schema,
                found.describe(),
                asked.describe()
            )));
        }
        Ok(())
    }
}

impl IndexedPaths {
    fn describe(&self) -> String {
        let paths: Vec<_> = self.paths.iter().map(|path| format!("{:?}", path.canonical())).collect();
        let top_level = if self.top_level { "all top-level fields and " } else { "" };
        format!("{top_level}[{}]", paths.join(", "))
    }
}

async fn checksum(client: &Client, text: &str) -> Result<String, tokio_postgres::Error> {
    client.query_one(migrate::CHECKSUM, &[&text]).await?.try_get(0)
}

/// A transaction on a connection of its own, which is closed unless the transaction comes to its end.
struct Transaction {
    connection: Option<Box<dyn PooledConnection>>,
    server: String,
}

impl Transaction {
    async fn begin(pool: &Arc<dyn Pool>) -> Result<Self, Error> {
        let transaction = Self { connection: Some(pool.acquire().await?), server: pool.server().to_owned() };
        let begun = transaction.client().batch_execute(migrate::BEGIN).await;
        begun.map_err(|error| transaction.fault(&error)).map(|()| transaction)
    }

    async fn end(mut self, how: &str) -> Result<(), Error> {
        let ended = self.client().batch_execute(how).await;
        ended.map_err(|error| self.fault(&error))?;
        self.connection = None;
        Ok(())
    }

    fn client(&self) -> &Client {
        self.connection.as_deref().expect("a transaction has its connection until its end").client()
    }

    fn fault(&self, error: &tokio_postgres::Error) -> Error {
        sqlstate::classify(error, &self.server)
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.discard();
        }
    }
}
