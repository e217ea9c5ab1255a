//! The handle that applications hold.

use std::sync::Arc;

use tokio::time::Instant;

use crate::append::{Append, Writer};
use crate::builder::EventStoreBuilder;
use crate::deadline;
use crate::error::Error;
use crate::event::{EventId, NewEvent, RecordedEvent};
use crate::filter::Filter;
use crate::migration::{IndexedPaths, Migrator};
use crate::position::Position;
use crate::query::{PageRequest, Query, Reader, Source};
use crate::routing::Servers;
use crate::schema::SchemaName;
use crate::settings::Settings;
use crate::token::Token;

/// One log, on a primary and any number of replicas. Cheap to clone; all clones share one writer and one pool.
#[derive(Debug, Clone)]
pub struct EventStore(Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) schema: SchemaName,
    pub(crate) index: Option<IndexedPaths>,
    pub(crate) settings: Settings,
    pub(crate) servers: Arc<Servers>,
    pub(crate) reader: Reader,
    pub(crate) writer: Writer,
}

impl EventStore {
    /// Describes a store: its servers, its schema, its settings.
    #[must_use]
    pub fn builder() -> EventStoreBuilder {
        EventStoreBuilder::default()
    }

    pub(crate) fn new(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    /// Creates the log in its schema, or brings it to the version of this library. Many processes may call it at
    /// once, also through a connection pooler and beside running appends; a log that is up to date is left alone.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) if the schema was made by a newer library that this one does not work
    /// with, if an applied migration was changed, or if the log indexes other paths than the builder names;
    /// [`Unavailable`](crate::ErrorKind::Unavailable) if the primary can not be reached, or another migration does
    /// not end.
    ///
    /// # Cancellation
    /// Safe: a migration is applied whole, in one transaction, or not at all.
    pub async fn migrate(&self) -> Result<(), Error> {
        self.check_open()?;
        Migrator::new(self.0.servers.primary(), &self.0.schema, self.0.index.as_ref()).run().await
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

    /// The end of the log, as the primary has it now: [`Token::START`] if it is empty.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable), [`Closed`](crate::ErrorKind::Closed), or
    /// [`Invalid`](crate::ErrorKind::Invalid) if the schema was never migrated.
    pub async fn head(&self) -> Result<Token, Error> {
        self.check_open()?;
        let page =
            self.0.reader.primary_page(&PageRequest::new(Source::Nothing), self.read_deadline()).await?;
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
        Ok(self.0.reader.primary_page(&request, self.read_deadline()).await?.events.pop())
    }

    /// The event with an id, if it is in the log. Reads the primary.
    ///
    /// # Errors
    /// As [`head`](Self::head).
    pub async fn event_by_id(&self, id: EventId) -> Result<Option<RecordedEvent>, Error> {
        self.check_open()?;
        let request = PageRequest::new(Source::Id(id));
        Ok(self.0.reader.primary_page(&request, self.read_deadline()).await?.events.pop())
    }

    /// Closes the store: new calls are refused, accepted appends are sent and answered, then connections are
    /// closed. An append whose condition has to be searched by a read by then is refused as closed, and not written.
    /// Further calls to `close` wait for the same end.
    ///
    /// # Errors
    /// [`Internal`](crate::ErrorKind::Internal) if the writer had died.
    pub async fn close(&self) -> Result<(), Error> {
        let result = self.0.writer.close().await;
        self.0.servers.close();
        result
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.0.settings
    }

    pub(crate) fn reader(&self) -> &Reader {
        &self.0.reader
    }

    pub(crate) fn writer(&self) -> &Writer {
        &self.0.writer
    }

    fn check_open(&self) -> Result<(), Error> {
        if self.0.writer.is_closed() { Err(Error::closed()) } else { Ok(()) }
    }

    fn read_deadline(&self) -> Instant {
        deadline::after(self.0.settings.query_timeout)
    }
}
