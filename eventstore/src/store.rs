//! The handle that applications hold.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::append::{Append, Bulk, Writer};
use crate::builder::EventStoreBuilder;
use crate::deadline;
use crate::decide::Decide;
use crate::error::Error;
use crate::event::{EventId, NewEvent, RecordedEvent};
use crate::filter::Filter;
use crate::keys::{IndexBuild, IndexedPaths, WantedPaths};
use crate::known_history::KnownHistory;
use crate::migration::{MigrationStatus, Migrator};
use crate::notifier::{Announcer, Tip};
use crate::position::Position;
use crate::query::{History, PageRequest, Query, Reader, Source};
use crate::routing::{Servers, Watch};
use crate::schema::SchemaName;
use crate::session::{Seen, Session};
use crate::settings::Settings;
use crate::snapshot::{Fold, SnapshotKey};
use crate::subscription::Heart;
use crate::tail::Tails;
use crate::telemetry::{HeadClock, Metrics, Registration};
use crate::token::Token;
use crate::transfer::{Export, Import};

/// One log, on a primary and any number of replicas. Cheap to clone; all clones share one writer and one pool.
#[derive(Debug, Clone)]
pub struct EventStore {
    inner: Arc<Inner>,
    /// What a session has seen, if this is one's.
    seen: Option<Arc<Seen>>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) schema: SchemaName,
    pub(crate) wanted_paths: Option<WantedPaths>,
    pub(crate) settings: Settings,
    pub(crate) servers: Arc<Servers>,
    pub(crate) watch: Watch,
    pub(crate) reader: Arc<Reader>,
    pub(crate) writer: Writer,
    pub(crate) bulk: Arc<Bulk>,
    pub(crate) announcer: Arc<Announcer>,
    pub(crate) tip: Arc<Tip>,
    pub(crate) tails: Tails,
    pub(crate) heart: Heart,
    /// The tasks of those who take part in groups, and of caches.
    pub(crate) members: TaskTracker,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) heads: Arc<HeadClock>,
    pub(crate) known: Arc<KnownHistory>,
    pub(crate) _registration: Option<Registration>,
}

impl EventStore {
    /// Describes a store: its servers, its schema, its settings.
    #[must_use]
    pub fn builder() -> EventStoreBuilder {
        EventStoreBuilder::default()
    }

    pub(crate) fn new(inner: Inner) -> Self {
        Self { inner: Arc::new(inner), seen: None }
    }

    /// Creates the log in its schema, or brings it to the version of this library. Many processes may call it at
    /// once, also through a connection pooler and beside running appends; a log that is up to date is left alone. Whoever
    /// brings it up to date becomes, or needs the rights of, the log's owner; who finds it up to date need only be a reader.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) if the schema was made by a newer library that this one does not work
    /// with, if an applied migration was changed, if the log does not index a path that the builder names, if it is to be
    /// brought up to date by somebody who has not its owner's rights, or if it belongs to a role that an administrator of the
    /// database would have to become, or trust, without having named it (see `docs/security.md`);
    /// [`Unavailable`](crate::ErrorKind::Unavailable) if the primary can not be reached, or another migration does
    /// not end.
    ///
    /// # Cancellation
    /// Safe: a migration is applied whole, in one transaction, or not at all.
    pub async fn migrate(&self) -> Result<(), Error> {
        self.check_open()?;
        self.migrator().run().await
    }

    /// Which migrations the log has, and which [`migrate`](Self::migrate) would apply.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable), [`Closed`](crate::ErrorKind::Closed).
    pub async fn migration_status(&self) -> Result<Vec<MigrationStatus>, Error> {
        self.check_open()?;
        self.migrator().status().await
    }

    /// Everything that [`migrate`](Self::migrate) would do to a new schema, as a script for `psql`: for databases in
    /// which applications may not create anything. It indexes all top-level fields.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for a schema name that is not valid.
    pub fn migration_script(schema: &str) -> Result<String, Error> {
        Ok(Migrator::script(&SchemaName::new(schema)?))
    }

    /// Appends events: at once, all or none. Add conditions, then await it.
    pub fn append(&self, events: impl IntoIterator<Item = NewEvent>) -> Append {
        Append::new(self, events.into_iter().collect())
    }

    /// Queries the events that match a filter. Say how, then await it or take its
    /// [`stream`](crate::Query::stream).
    pub fn query(&self, filter: &Filter) -> Query {
        Query::new(self, filter)
    }

    /// Reads what a decision depends on, decides, and appends on the condition that nothing of the kind has been
    /// written since. On conflict it reads what is new and decides again, a bounded number of times.
    ///
    /// `decide` is given every event that matches the filter, and returns the events to append: none to leave
    /// everything as it is. It may be called several times, and should do nothing but decide.
    ///
    /// ```no_run
    /// # use eventstore::{Error, EventStore, Filter, History, NewEvent};
    /// # use serde_json::json;
    /// #[derive(Debug)]
    /// enum ClaimError {
    ///     Taken,
    ///     Store(Error),
    /// }
    ///
    /// impl From<Error> for ClaimError {
    ///     fn from(error: Error) -> Self {
    ///         Self::Store(error)
    ///     }
    /// }
    ///
    /// async fn claim(store: &EventStore, name: &str) -> Result<(), ClaimError> {
    ///     let claims = Filter::event_types(["NameClaimed"]).and_all([("Name", name)]);
    ///     let decide = |history: &History| match history.is_empty() {
    ///         true => Ok(vec![NewEvent::new("NameClaimed", json!({"Name": name}))]),
    ///         false => Err(ClaimError::Taken),
    ///     };
    ///     store.decide(&claims, decide).await?;
    ///     Ok(())
    /// }
    /// ```
    pub fn decide<'f, F, E>(&self, filter: &Filter, decide: F) -> Decide<'f, E>
    where
        F: FnMut(&History) -> Result<Vec<NewEvent>, E> + Send + 'f,
        E: From<Error>,
    {
        Decide::new(self, filter, Box::new(decide))
    }

    /// The snapshots of a name and a filter: states folded from the events that match.
    pub fn snapshot(&self, name: impl Into<String>, filter: &Filter) -> SnapshotKey {
        SnapshotKey::new(self, name.into(), filter)
    }

    /// Folds the events that match a filter into a state. It begins with the last snapshot of that name and filter, if
    /// there is one, reads what came since, and saves a snapshot again when that was much.
    ///
    /// ```no_run
    /// # use eventstore::{Error, EventStore, Filter, RecordedEvent};
    /// async fn loans(store: &EventStore, reader: &str) -> Result<u32, Error> {
    ///     let filter = Filter::event_types(["BookLent", "BookReturned"]).and_all([("ReaderID", reader)]);
    ///     let count = |loans: &mut u32, event: &RecordedEvent| match event.event_type.as_str() {
    ///         "BookLent" => *loans += 1,
    ///         _ => *loans = loans.saturating_sub(1),
    ///     };
    ///     let folded = store.fold("loans", &filter, 0, count).await?;
    ///     Ok(folded.state)
    /// }
    /// ```
    pub fn fold<'f, S, A>(
        &self,
        name: impl Into<String>,
        filter: &Filter,
        initial: S,
        apply: A,
    ) -> Fold<'f, S>
    where
        S: Serialize + DeserializeOwned + Send + Sync + 'f,
        A: FnMut(&mut S, &RecordedEvent) + Send + 'f,
    {
        Fold::new(self.snapshot(name, filter), filter, initial, Box::new(apply))
    }

    /// Gives a payload path (`customer.id`) keys, so that filters may use it. The log may be in use: appends give their
    /// events the keys from now on, and earlier events are given theirs beside them, step by step. Returns when that is
    /// done; until then filters on the path are refused. Called again, here or in another process, it goes on where it
    /// ended. Needs the rights of the log's owner.
    pub fn index_path(&self, path: impl Into<String>) -> IndexBuild {
        IndexBuild::index(self, path.into())
    }

    /// Drops a declared path and its keys, beside running appends. Filters that use it are refused at once.
    pub fn drop_path(&self, path: impl Into<String>) -> IndexBuild {
        IndexBuild::drop(self, path.into())
    }

    /// Which paths the log has keys for, as the primary has it now.
    ///
    /// # Errors
    /// As [`head`](Self::head).
    pub async fn indexed_paths(&self) -> Result<IndexedPaths, Error> {
        self.check_open()?;
        IndexedPaths::read(self.inner.servers.primary(), &self.inner.schema, self.read_deadline()).await
    }

    /// Writes events to a file or another sink as lines of JSON, in position order.
    pub fn export(&self) -> Export {
        Export::new(self)
    }

    /// Appends the events of an export, with their ids and in their order. Those that are there already are left alone.
    pub fn import(&self) -> Import {
        Import::new(self)
    }

    /// A session: reads that never go back in time, whichever server they come from.
    #[must_use]
    pub fn session(&self) -> Session {
        Session::new(self)
    }

    /// The end of the log, as the primary has it now: [`Token::START`] if it is empty.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable), [`Closed`](crate::ErrorKind::Closed), or
    /// [`Invalid`](crate::ErrorKind::Invalid) if the schema was never migrated.
    pub async fn head(&self) -> Result<Token, Error> {
        self.check_open()?;
        let page =
            self.inner.reader.primary_page(&PageRequest::new(Source::Nothing), self.read_deadline()).await?;
        Ok(page.head)
    }

    /// The event at a position, if the log reaches that far. Reads the primary.
    ///
    /// # Errors
    /// As [`head`](Self::head).
    pub async fn event_at(&self, position: Position) -> Result<Option<RecordedEvent>, Error> {
        self.check_open()?;
        let Some(before) = position.get().checked_sub(1) else { return Ok(None) };
        let request = PageRequest {
            low: Position::new(before),
            high: Some(position),
            ..PageRequest::new(Source::filter(Filter::all().check()?))
        };
        Ok(self.inner.reader.primary_page(&request, self.read_deadline()).await?.events.pop())
    }

    /// The event with an id, if it is in the log. Reads the primary.
    ///
    /// # Errors
    /// As [`head`](Self::head).
    pub async fn event_by_id(&self, id: EventId) -> Result<Option<RecordedEvent>, Error> {
        self.check_open()?;
        let request = PageRequest::new(Source::Id(id));
        Ok(self.inner.reader.primary_page(&request, self.read_deadline()).await?.events.pop())
    }

    /// Closes the store: new calls are refused, accepted appends are sent and answered, then connections are
    /// closed. An append whose condition has to be searched by a read by then is refused as closed, and not written. An import
    /// ends with the chunks that are under way. Subscriptions end, and are free for the next to start; workers hand back what is not
    /// answered.
    /// Further calls to `close` wait for the same end.
    ///
    /// # Errors
    /// [`Internal`](crate::ErrorKind::Internal) if the writer had died.
    ///
    /// # Cancellation
    /// New calls are refused from its first moment on, and accepted appends are sent and answered all the same. What it had not come
    /// to is left to the next call, or to the end of the last clone.
    pub async fn close(&self) -> Result<(), Error> {
        let result = self.inner.writer.close().await;
        self.inner.bulk.close().await;
        self.inner.tails.close();
        self.inner.members.close();
        self.inner.members.wait().await;
        self.inner.heart.close().await;
        self.inner.announcer.close().await;
        self.inner.watch.end();
        self.inner.servers.close();
        result
    }

    /// A handle on the same log that notes what it sees.
    pub(crate) fn with_seen(&self, seen: Arc<Seen>) -> Self {
        Self { inner: Arc::clone(&self.inner), seen: Some(seen) }
    }

    pub(crate) fn seen(&self) -> Option<&Seen> {
        self.seen.as_deref()
    }

    pub(crate) fn saw(&self, token: Token) {
        if let Some(seen) = &self.seen {
            seen.saw(token);
        }
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.inner
    }

    pub(crate) fn metrics(&self) -> &Arc<Metrics> {
        &self.inner.metrics
    }

    fn migrator(&self) -> Migrator<'_> {
        Migrator::new(self.inner.servers.primary(), &self.inner.schema, self.inner.wanted_paths.as_ref())
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    pub(crate) fn reader(&self) -> &Reader {
        &self.inner.reader
    }

    pub(crate) fn writer(&self) -> &Writer {
        &self.inner.writer
    }

    pub(crate) fn check_open(&self) -> Result<(), Error> {
        if self.inner.writer.is_closed() { Err(Error::closed()) } else { Ok(()) }
    }

    pub(crate) fn read_deadline(&self) -> Instant {
        deadline::after(self.inner.settings.query_timeout)
    }
}
