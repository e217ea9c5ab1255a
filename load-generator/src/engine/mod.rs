//! What is measured: the store, and what it is compared with.
//!
//! Each engine has its log in a schema of its own on the same servers, filled with the same events. A client of an
//! engine does one append at a time: one event on the condition that there is none of its type with its key yet, as far
//! as the engine knows conditions.

mod cte;
mod eventstore;
mod insert;
mod session;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use clap::ValueEnum;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::servers::Servers;

/// Something that events can be appended to.
#[async_trait]
pub(crate) trait Engine: Send + Sync {
    /// Makes the log, with so many events in it.
    async fn fill(&self, events: u64) -> Result<(), EngineError>;

    /// One more client, with its connection if it needs one of its own.
    async fn client(&self) -> Result<Box<dyn Client>, EngineError>;
}

/// One who appends, one event after the other.
#[async_trait]
pub(crate) trait Client: Send {
    /// Appends an event whose key no other event has. Returns when it is durable.
    async fn append(&mut self, event: Event) -> Result<(), EngineError>;
}

/// Which engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum EngineName {
    /// The event store.
    Eventstore,
    /// Plain INSERTs into tables of the same form, with a sequence, no condition and no lock.
    Insert,
    /// A condition and an INSERT in one statement, with GIN indexes: not safe under concurrency.
    Cte,
}

impl EngineName {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Eventstore => "eventstore",
            Self::Insert => "insert",
            Self::Cte => "cte",
        }
    }

    pub(crate) async fn connect(self, servers: &Arc<Servers>) -> Result<Arc<dyn Engine>, EngineError> {
        Ok(match self {
            Self::Eventstore => Arc::new(eventstore::Store::connect(servers).await?),
            Self::Insert => Arc::new(insert::Insert::new(servers)),
            Self::Cte => Arc::new(cte::Cte::new(servers)),
        })
    }
}

/// Why an engine did not do what it should.
#[derive(Debug)]
pub(crate) struct EngineError(String);

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<::eventstore::Error> for EngineError {
    fn from(error: ::eventstore::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<tokio_postgres::Error> for EngineError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self(error.as_db_error().map_or_else(|| error.to_string(), |db| db.message().to_owned()))
    }
}

/// The type of every event that is appended.
pub(crate) const EVENT_TYPE: &str = "BookCopyLentToReader";
/// The payload paths that identify things, and so have keys.
pub(crate) const PATHS: [&str; 2] = ["BookID", "ReaderID"];

/// An event of some 390 bytes: a payload of three strings and a metadata of three ids.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) id: Uuid,
    pub(crate) book: String,
    pub(crate) payload: Value,
    pub(crate) metadata: Value,
}

impl Event {
    /// Lends a book that nobody has heard of to one of 14,000 readers.
    pub(crate) fn fresh(reader: u64) -> Self {
        let book = Uuid::new_v4().to_string();
        let payload = json!({
            "BookID": book,
            "ReaderID": format!("{:08x}-0000-4000-8000-000000000000", reader % 14_000),
            "OccurredAt": "2026-11-21T10:00:00.123456789Z",
        });
        let id = || Uuid::new_v4().to_string();
        let metadata = json!({"MessageID": id(), "CausationID": id(), "CorrelationID": id()});
        Self { id: Uuid::now_v7(), book, payload, metadata }
    }
}
