//! A migrated log of its own for each test.

use eventstore::{EventStore, EventStoreBuilder};
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

    /// A plain connection to the primary.
    pub(crate) async fn sql(&self) -> tokio_postgres::Client {
        testutil::connect(self.schema.primary()).await.unwrap()
    }
}

pub(crate) fn builder(schema: &TestSchema) -> EventStoreBuilder {
    EventStore::builder().primary(schema.primary()).replica(schema.replica()).schema(schema.name())
}
