//! The store itself: all clients share one handle.

use ::eventstore::{EventStore, Filter, NewEvent};
use async_trait::async_trait;
use futures_util::future::try_join_all;

use crate::engine::{Client, EVENT_TYPE, Engine, EngineError, Event, PATHS};
use crate::servers::Servers;

const SCHEMA: &str = "bench_eventstore";
/// Events in one append while the log is filled, and how many such appends are made at once.
const CHUNK: u64 = 1_000;
const AT_ONCE: usize = 4;

pub(super) struct Store {
    store: EventStore,
    primary: String,
}

impl Store {
    pub(super) async fn connect(servers: &Servers) -> Result<Self, EngineError> {
        let admin = testutil::connect(&servers.primary).await?;
        admin.batch_execute(&format!("DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")).await?;
        let mut builder = EventStore::builder().primary(&servers.primary).schema(SCHEMA).index_only(PATHS);
        for replica in &servers.replicas {
            builder = builder.replica(replica);
        }
        Ok(Self { store: builder.connect().await?, primary: servers.primary.clone() })
    }
}

#[async_trait]
impl Engine for Store {
    async fn fill(&self, events: u64) -> Result<(), EngineError> {
        self.store.migrate().await?;
        let chunks: Vec<u64> = (0..events).step_by(CHUNK as usize).collect();
        for chunks in chunks.chunks(AT_ONCE) {
            let appends = chunks.iter().map(|first| {
                let numbers = *first..events.min(first + CHUNK);
                self.store.append(numbers.map(|number| new_event(Event::fresh(number)))).into_future()
            });
            try_join_all(appends).await?;
        }
        // What autovacuum would do in time.
        let session = testutil::connect(&self.primary).await?;
        session.batch_execute("VACUUM (ANALYZE)").await?;
        Ok(())
    }

    async fn client(&self) -> Result<Box<dyn Client>, EngineError> {
        Ok(Box::new(StoreClient { store: self.store.clone() }))
    }
}

struct StoreClient {
    store: EventStore,
}

#[async_trait]
impl Client for StoreClient {
    async fn append(&mut self, event: Event) -> Result<(), EngineError> {
        let nobody_has_it = Filter::event_types([EVENT_TYPE]).and_all([("BookID", &event.book)]);
        self.store.append([new_event(event)]).fail_if_matches(&nobody_has_it).await?;
        Ok(())
    }
}

fn new_event(event: Event) -> NewEvent {
    NewEvent::new(EVENT_TYPE, event.payload).id(event.id).metadata(event.metadata)
}
