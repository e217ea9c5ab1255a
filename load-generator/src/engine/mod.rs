//! What is measured and checked: the store, and what it is compared with.
//!
//! Each engine has its log in a schema of its own on the same servers. A client of an engine has one operation under way
//! at a time. What an engine is asked is plain data, so that a history of it can be checked
//! ([`Audited`](crate::audit::Audited) is the hook): filters are those of the checker, and each engine says them in its
//! own words.

mod book;
mod cte;
mod eventstore;
mod insert;
mod null;
mod session;
mod tables;
mod view;
mod where_clause;

use std::fmt;
use std::sync::Arc;

use ::eventstore::Settings;
use async_trait::async_trait;
use clap::ValueEnum;
use prometheus::Registry;
use serde_json::{Value, json};
use testutil::checker::{Filter, LogEvent};
use uuid::Uuid;

use crate::connection;
use crate::servers::Servers;

pub(crate) use self::book::{BENCH_PATHS, Books, EVENT_TYPE, book_event};
pub(crate) use self::eventstore::{digest, in_words_of_the_store};
pub(crate) use self::tables::{in_form_of_the_store, log_event};
pub(crate) use self::view::{Snapshots, View, ViewState, Viewed};

/// Something that events can be appended to and read from.
#[async_trait]
pub(crate) trait Engine: Send + Sync {
    /// Makes the log if it is not there.
    async fn create(&self) -> Result<(), EngineError>;

    /// Makes the log anew, with so many events of the benchmarks' form in it, which are about these books.
    async fn fill(&self, events: u64, books: Books) -> Result<(), EngineError>;

    /// The store, where that is the engine.
    fn store(&self) -> Option<::eventstore::EventStore> {
        None
    }

    /// One more client, with its connection if it needs one of its own.
    async fn client(&self) -> Result<Box<dyn Client>, EngineError>;

    /// The highest position; 0 of an empty log.
    async fn head(&self) -> Result<u64, EngineError>;

    /// What one who read the whole log so many events ago knows.
    async fn point(&self, back: u64) -> Result<After, EngineError>;

    /// Hands the whole log over, oldest first, as the tables have it: not by way of what is checked. Nothing may be under way.
    async fn read(&self, each: &mut (dyn FnMut(LogEvent) + Send)) -> Result<(), EngineError>;

    /// Whether positions may leave numbers out.
    fn has_gaps(&self) -> bool;

    /// Sends what was left to send.
    async fn close(&self) -> Result<(), EngineError> {
        Ok(())
    }
}

/// One who reads and appends.
#[async_trait]
pub(crate) trait Client: Send {
    /// Appends events, all or none, unless the condition is broken. Returns when they are durable.
    async fn append(&mut self, append: Append) -> Result<Appended, EngineError>;

    /// The events that match, or a part of them, as the primary has them.
    async fn query_part(&mut self, filter: &Filter, part: Part) -> Result<Found, EngineError>;

    /// All events that match, oldest first, as the primary has them.
    async fn query(&mut self, filter: &Filter) -> Result<Found, EngineError> {
        self.query_part(filter, Part::default()).await
    }

    /// The events that match, or a part of them, which may be old: from a replica, where the engine has one to ask.
    async fn query_eventually(&mut self, filter: &Filter, part: Part) -> Result<Found, EngineError> {
        self.query_part(filter, part).await
    }

    /// A state folded from events, which may be old, with a snapshot on the way.
    ///
    /// An engine that has no snapshots of its own is given some that cost it nothing: in the memory of this process,
    /// shared by all its clients, and saved after every read. It reads from where they end, and so misses what becomes
    /// visible at a lower position later, as everybody does who reads on in a log that allows that.
    async fn fold_eventually(&mut self, view: &View) -> Result<Viewed, EngineError> {
        let snapshots = self.snapshots();
        let (mut state, after) =
            snapshots.as_ref().and_then(|snapshots| snapshots.load(view)).unwrap_or_default();
        let found = self.query_part(&view.filter, Part { after, ..Part::default() }).await?;
        for event in &found.events {
            (view.apply)(&mut state, &event.event_type, &event.payload);
        }
        if let Some(snapshots) = snapshots.filter(|_| !found.events.is_empty()) {
            snapshots.save(view, &state, found.after);
        }
        Ok(Viewed { state, complete_to: None })
    }

    /// Where the snapshots of an engine are that has none of its own; without them every event is read each time.
    fn snapshots(&self) -> Option<Arc<Snapshots>> {
        None
    }

    /// Whether events that are sent again are known by their ids.
    fn knows_ids(&self) -> bool {
        false
    }

    /// How many statements it has sent again by itself, as the server refused to serialize them.
    fn retries(&self) -> u64 {
        0
    }

    /// Whether its connection is gone for good, so that there must be a new client.
    fn is_closed(&self) -> bool {
        false
    }

    /// Whether the engine promises that a query finds all that was acknowledged before it, and says up to where it is complete.
    fn reads_strongly(&self) -> bool {
        false
    }
}

/// Events to be written.
#[derive(Debug, Clone)]
pub(crate) struct Append {
    pub(crate) events: Vec<Draft>,
    pub(crate) condition: Option<Condition>,
}

/// An event that has no position yet.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    /// Also the metadata's MessageID: the baselines have no other place for it.
    pub(crate) id: Uuid,
    pub(crate) event_type: &'static str,
    pub(crate) payload: Value,
    pub(crate) metadata: Value,
}

/// No event matches since what was read.
#[derive(Debug, Clone)]
pub(crate) struct Condition {
    pub(crate) filter: Filter,
    pub(crate) after: After,
}

/// What was read. The default is nothing, of an empty log.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct After {
    /// Up to where it is complete.
    pub(crate) position: u64,
    /// Where the newest event that was found stands; 0 for none.
    newest: u64,
    token: Option<::eventstore::Token>,
}

/// Which of the events that match. The default is all of them, oldest first.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Part {
    /// Only those that stand after it.
    pub(crate) after: After,
    pub(crate) newest_first: bool,
    /// So many at most.
    pub(crate) limit: Option<u64>,
}

/// How an append ended that was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Appended {
    /// Durable, from this position on.
    At(u64),
    /// Refused by its condition; with the position of an event that matches, if the engine says so.
    Conflict(Option<u64>),
}

/// The events that match.
#[derive(Debug)]
pub(crate) struct Found {
    /// With their positions.
    pub(crate) events: Vec<LogEvent>,
    pub(crate) after: After,
}

/// The position of the newest event of a part; of one that holds nothing, what was known before.
fn newest(events: &[LogEvent], part: Part) -> u64 {
    let newest = if part.newest_first { events.first() } else { events.last() };
    newest.map_or(part.after.newest, |event| event.position)
}

/// Which engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum EngineName {
    /// The event store
    Eventstore,
    /// The event store, with what decisions rest on read from a replica: the mistake that its `decide` does not allow
    ReplicaReads,
    /// The event store, with an inline projection that counts the loans of each book
    Inline,
    /// Plain INSERTs into tables of the same form, with a sequence, no condition and no lock
    Insert,
    /// A condition and an INSERT in one statement, with GIN indexes and bitmaps forced: not safe under concurrency
    Cte,
    /// The same tables, with plans as the planner chooses them
    Gin,
    /// The same statement at isolation level SERIALIZABLE, sent again where that refuses it
    Serializable,
    /// The same statement after a lock of its own for each append
    Lock,
    /// The same statement, which takes the lock itself: too late, and not safe under concurrency either
    LockInside,
    /// Nothing, and no server: what the load generator itself costs
    Null,
}

impl EngineName {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Eventstore => "eventstore",
            Self::ReplicaReads => "replica-reads",
            Self::Inline => "inline",
            Self::Insert => "insert",
            Self::Cte => "cte",
            Self::Gin => "gin",
            Self::Serializable => "serializable",
            Self::Lock => "lock",
            Self::LockInside => "lock-inside",
            Self::Null => "null",
        }
    }

    /// Whether each of its clients has a connection of its own.
    pub(crate) fn has_sessions(self) -> bool {
        !matches!(self, Self::Eventstore | Self::ReplicaReads | Self::Inline | Self::Null)
    }

    /// Connects to the log in a schema; [`Engine::create`] or [`Engine::fill`] makes it. `paths` are those that will be asked
    /// for, `settings` are of the store, and so are the metrics that are registered where they are wanted.
    pub(crate) async fn connect(
        self,
        servers: &Arc<Servers>,
        schema: &str,
        paths: &[&str],
        settings: Settings,
        registry: Option<&Registry>,
    ) -> Result<Arc<dyn Engine>, EngineError> {
        let store = || eventstore::Store::connect(servers, schema, paths, settings, registry);
        let guard = match self {
            Self::Eventstore => return Ok(Arc::new(store().await?)),
            Self::ReplicaReads => return Ok(Arc::new(store().await?.reading_replicas())),
            Self::Inline => return Ok(Arc::new(store().await?.counting_inline())),
            Self::Null => return Ok(Arc::new(null::Null::default())),
            Self::Insert => return Ok(Arc::new(insert::Insert::new(servers, schema, paths))),
            Self::Cte | Self::Gin => cte::Guard::None,
            Self::Serializable => cte::Guard::Serializable,
            Self::Lock => cte::Guard::LockBefore,
            Self::LockInside => cte::Guard::LockInside,
        };
        Ok(Arc::new(cte::Cte::new(servers, schema, guard, self == Self::Gin)))
    }
}

/// Why an engine did not do what it should.
#[derive(Debug, Clone)]
pub(crate) struct EngineError {
    message: String,
    /// What errors of this kind are counted as, in words.
    pub(crate) kind: String,
    /// PostgreSQL's code, where it was the server that said no.
    pub(crate) sqlstate: Option<String>,
    /// Whether something may be written all the same.
    pub(crate) is_unknown: bool,
    /// Whether it took too long.
    pub(crate) is_timeout: bool,
}

impl EngineError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        let (message, kind) = (message.into(), "failed".to_owned());
        Self { message, kind, sqlstate: None, is_unknown: false, is_timeout: false }
    }
}

impl EngineError {
    /// A condition was broken again and again.
    pub(crate) fn conflict() -> Self {
        Self { kind: "conflict".to_owned(), ..Self::new("every attempt met a conflict") }
    }
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<::eventstore::Error> for EngineError {
    fn from(error: ::eventstore::Error) -> Self {
        let is_unknown = error.kind() == ::eventstore::ErrorKind::Indeterminate;
        Self {
            message: error.to_string(),
            kind: error.kind().to_string(),
            sqlstate: error.sqlstate().map(str::to_owned),
            is_unknown,
            is_timeout: error.is_timeout(),
        }
    }
}

impl From<tokio_postgres::Error> for EngineError {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.as_db_error() {
            Some(refused) => Self {
                kind: "refused".to_owned(),
                sqlstate: Some(refused.code().code().to_owned()),
                ..Self::new(refused.message())
            },
            None => Self {
                kind: "connection lost".to_owned(),
                is_unknown: true,
                ..Self::new(connection::with_causes(&error))
            },
        }
    }
}

impl Draft {
    /// An event with an id of its own.
    pub(crate) fn new(event_type: &'static str, payload: Value) -> Self {
        let id = Uuid::now_v7();
        let other = || Uuid::new_v4().to_string();
        let metadata = json!({"MessageID": id, "CausationID": other(), "CorrelationID": other()});
        Self { id, event_type, payload, metadata }
    }
}
