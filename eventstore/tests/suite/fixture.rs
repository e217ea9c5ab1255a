//! A migrated log of its own for each test.

use std::env;
use std::time::{Duration, Instant};

use eventstore::{EventStore, EventStoreBuilder, PoolBackend, Settings};
use testutil::TestSchema;

/// A log in its own schema, and a handle on it.
pub(crate) struct Log {
    pub(crate) store: EventStore,
    pub(crate) schema: TestSchema,
}

impl Log {
    pub(crate) async fn new() -> Self {
        Self::with(|builder| builder).await
    }

    /// With more said about the handle that makes the log.
    pub(crate) async fn with(more: impl FnOnce(EventStoreBuilder) -> EventStoreBuilder) -> Self {
        let schema = TestSchema::new();
        let store = more(builder(&schema)).connect().await.unwrap();
        store.migrate().await.unwrap();
        Self { store, schema }
    }

    /// Another handle on the same log.
    pub(crate) async fn handle(&self) -> EventStore {
        builder(&self.schema).connect().await.unwrap()
    }

    /// Waits until the replica has everything.
    pub(crate) async fn replayed(&self) {
        testutil::replayed(self.schema.primary(), self.schema.replica()).await.unwrap();
    }

    /// Loses the end of the log, as a failover may.
    pub(crate) async fn lose_after(&self, position: i64) {
        self.delete_events(&format!("position > {position}")).await;
    }

    /// Deletes events that came after one position, up to another, as whoever archives them does.
    pub(crate) async fn archive(&self, after: i64, to: i64) {
        let name = self.schema.name();
        let newest = format!("(SELECT max(position) FROM {name}.events)");
        self.delete_events(&format!("position > {after} AND position <= {to} AND position < {newest}")).await;
    }

    /// The events refuse that unless their owner insists.
    async fn delete_events(&self, which: &str) {
        let name = self.schema.name();
        let delete = format!(
            "BEGIN; ALTER TABLE {name}.events DISABLE TRIGGER refuse_change, DISABLE TRIGGER refuse_change_of_row;
             DELETE FROM {name}.keys WHERE {which}; DELETE FROM {name}.events WHERE {which};
             ALTER TABLE {name}.events ENABLE ALWAYS TRIGGER refuse_change, ENABLE ALWAYS TRIGGER refuse_change_of_row; COMMIT"
        );
        self.sql().await.batch_execute(&delete).await.unwrap();
    }

    /// A plain connection to the primary.
    pub(crate) async fn sql(&self) -> tokio_postgres::Client {
        testutil::connect(self.schema.primary()).await.unwrap()
    }
}

/// How often replicas are looked at where a test waits for what the watch finds.
pub(crate) const SOON: Duration = Duration::from_millis(10);

/// Returns when reads go to a replica, or do not go there any more.
pub(crate) async fn await_rotation(store: &EventStore, port: u16, in_rotation: bool) {
    let began = Instant::now();
    loop {
        let health = store.health().await;
        let replica = health.replicas.iter().find(|replica| replica.server.ends_with(&format!(":{port}")));
        if replica.unwrap().in_rotation == in_rotation {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "expected {in_rotation}: {health:?}");
        tokio::task::yield_now().await;
    }
}

/// The append lock of a log, held by a session of the test.
pub(crate) struct HeldLock {
    session: tokio_postgres::Client,
    events: String,
}

impl Log {
    /// Takes the append lock, so that appends wait.
    pub(crate) async fn hold_lock(&self) -> HeldLock {
        let session = self.sql().await;
        let events = format!("'{}.events'::regclass::oid", self.schema.name());
        let lock = format!("SELECT pg_advisory_lock(1163284301, {events}::integer)");
        session.execute(&lock, &[]).await.unwrap();
        HeldLock { session, events }
    }
}

impl HeldLock {
    /// Returns when a session waits for the lock; its process id.
    pub(crate) async fn is_waited_for(&self) -> i32 {
        self.waiting(1).await[0]
    }

    /// Returns when so many sessions wait for the lock; their process ids, the one that has waited longest first.
    pub(crate) async fn waiting(&self, sessions: usize) -> Vec<i32> {
        let waiting = format!(
            "SELECT pid FROM pg_locks
             WHERE locktype = 'advisory' AND NOT granted AND classid = 1163284301 AND objid = {} AND waitstart IS NOT NULL
             ORDER BY waitstart",
            self.events
        );
        let began = Instant::now();
        loop {
            assert!(began.elapsed() < Duration::from_secs(20), "no append waits for the log's lock");
            let rows = self.session.query(&waiting, &[]).await.unwrap();
            if rows.len() >= sessions {
                return rows.iter().map(|row| row.get(0)).collect();
            }
        }
    }

    /// Ends a session from the server's side.
    pub(crate) async fn terminate(&self, pid: i32) {
        self.session.execute("SELECT pg_terminate_backend($1, 5000)", &[&pid]).await.unwrap();
    }

    pub(crate) async fn release(self) {
        self.session.execute("SELECT pg_advisory_unlock_all()", &[]).await.unwrap();
    }
}

/// What makes a log as an earlier version of this library did.
pub(crate) fn made_by_version(schema: &str, version: u32) -> String {
    let script = EventStore::migration_script(schema).unwrap();
    let last_step = script.find(&format!("VALUES ({version},"));
    let end = last_step.and_then(|at| Some(at + script[at..].find(';')? + 1)).unwrap();
    format!("{}\nINSERT INTO log (index_top_level) VALUES (true); COMMIT", &script[..end])
}

pub(crate) fn builder(schema: &TestSchema) -> EventStoreBuilder {
    store().primary(schema.primary()).replica(schema.replica()).schema(schema.name())
}

/// What every store of these tests is made of. The whole suite runs on each pool and each way of sending statements:
/// `EVENTSTORE_TEST_POOL=bb8`, `EVENTSTORE_TEST_STATEMENTS=unprepared`.
pub(crate) fn store() -> EventStoreBuilder {
    let builder = EventStore::builder().settings(settings());
    match env::var("EVENTSTORE_TEST_POOL").as_deref() {
        Ok("bb8") => builder.pool_backend(bb8()),
        Ok("deadpool") | Err(_) => builder,
        Ok(other) => panic!("EVENTSTORE_TEST_POOL is {other}; expected bb8 or deadpool"),
    }
}

/// Settings to change; [`store`] has them unchanged.
pub(crate) fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.prepared_statements = match env::var("EVENTSTORE_TEST_STATEMENTS").as_deref() {
        Ok("unprepared") => false,
        Ok("prepared") | Err(_) => true,
        Ok(other) => panic!("EVENTSTORE_TEST_STATEMENTS is {other}; expected prepared or unprepared"),
    };
    settings
}

#[cfg(feature = "bb8")]
fn bb8() -> PoolBackend {
    PoolBackend::Bb8
}

#[cfg(not(feature = "bb8"))]
fn bb8() -> PoolBackend {
    panic!("EVENTSTORE_TEST_POOL=bb8 needs the feature bb8")
}
