//! The call that reads.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::time::Duration;

use time::OffsetDateTime;
use tracing::Instrument as _;

use crate::consistency::Consistency;
use crate::deadline;
use crate::error::{Error, ErrorKind};
use crate::event::{RecordedEvent, check_instant};
use crate::filter::Filter;
use crate::position::Position;
use crate::query::{EventStream, History, Page, PageRequest, Source, Times};
use crate::session::Seen;
use crate::sql::Direction;
use crate::store::EventStore;
use crate::telemetry::Operation;
use crate::token::Token;

/// A query that is being described; awaiting it gives a [`History`], [`stream`](Self::stream) gives events one by
/// one. Without more said it reads everything that matches, from the first position, on the primary.
///
/// # Errors
/// [`Invalid`](crate::ErrorKind::Invalid) for a filter or bounds that are not valid, or a path without an index;
/// [`Unavailable`](crate::ErrorKind::Unavailable) if no server that may answer did, in time;
/// [`HistoryDiverged`](crate::ErrorKind::HistoryDiverged) if the log does not have the event that a token names;
/// [`Closed`](crate::ErrorKind::Closed).
///
/// # Cancellation
/// Dropping it loses nothing but the answer.
#[derive(Debug, Clone)]
#[must_use = "a query does nothing until it is awaited"]
pub struct Query {
    store: EventStore,
    filter: Filter,
    /// None is that of the session, or strong.
    consistency: Option<Consistency>,
    after: Token,
    /// An event that whoever answers must have, besides.
    having: Token,
    until: Option<Position>,
    limit: Option<usize>,
    direction: Direction,
    times: Times,
    allow_scan: bool,
    timeout: Duration,
}

impl Query {
    pub(crate) fn new(store: &EventStore, filter: &Filter) -> Self {
        Self {
            store: store.clone(),
            filter: filter.clone(),
            consistency: None,
            after: Token::START,
            having: Token::START,
            until: None,
            limit: None,
            direction: Direction::Forwards,
            times: Times::default(),
            allow_scan: false,
            timeout: store.settings().query_timeout,
        }
    }

    /// Sets how new the answer must be; [`Consistency::Strong`] unless said, and of a [session](crate::Session)'s query
    /// [`Consistency::AtLeast`] what it has seen.
    pub fn consistency(mut self, consistency: Consistency) -> Self {
        self.consistency = Some(consistency);
        self
    }

    /// What is asked for, and what a session must have seen. When the first page is read, and not before: a query may lie about
    /// while its session goes on.
    fn resolve(&mut self) -> Option<Token> {
        let seen = self.store.seen().map(Seen::token);
        self.consistency.get_or_insert(seen.map_or(Consistency::Strong, Consistency::AtLeast));
        seen.filter(|token| !token.is_start())
    }

    /// Reads only events after this point (exclusive). A replica that has not come that far is passed over.
    pub fn after(mut self, token: Token) -> Self {
        self.after = token;
        self
    }

    /// Reads only events up to this position (inclusive).
    pub fn until(mut self, position: impl Into<Position>) -> Self {
        self.until = Some(position.into());
        self
    }

    /// Reads at most so many events, at least one. Reading forwards, the history is then complete up to the last of them;
    /// reading backwards, it is complete up to the head but for the older matches that were left out.
    pub fn limit(mut self, events: usize) -> Self {
        self.limit = Some(events);
        self
    }

    /// Reads the newest first: with a limit of 1, the last match.
    pub fn backwards(mut self) -> Self {
        self.direction = Direction::Backwards;
        self
    }

    /// Reads only events recorded at or after this instant. Cheap: it becomes a position.
    pub fn recorded_since(mut self, instant: OffsetDateTime) -> Self {
        self.times.recorded_since = Some(instant);
        self
    }

    /// Reads only events recorded at or before this instant. Cheap: it becomes a position.
    pub fn recorded_until(mut self, instant: OffsetDateTime) -> Self {
        self.times.recorded_until = Some(instant);
        self
    }

    /// Reads only events that occurred at or after this instant. There is no index for it: every event that
    /// otherwise matches is looked at.
    pub fn occurred_since(mut self, instant: OffsetDateTime) -> Self {
        self.times.occurred_since = Some(instant);
        self
    }

    /// Reads only events that occurred at or before this instant. There is no index for it: every event that
    /// otherwise matches is looked at.
    pub fn occurred_until(mut self, instant: OffsetDateTime) -> Self {
        self.times.occurred_until = Some(instant);
        self
    }

    /// Accepts that a filter on a path without an index reads all events in the bounds.
    pub fn allow_scan(mut self) -> Self {
        self.allow_scan = true;
        self
    }

    /// Sets how long each page may take, instead of [`Settings::query_timeout`](crate::Settings::query_timeout).
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The events one by one, with bounded memory.
    pub fn stream(self) -> EventStream {
        EventStream::new(async move { self.pages() })
    }

    /// The same, but its first event after a token, if that is further.
    pub(super) fn first_after(mut self, token: Token) -> Self {
        if token.position() > self.after.position() {
            self.after = token;
        }
        self.direction = Direction::Forwards;
        self.limit = Some(1);
        self
    }

    /// The same, from a server that has this event.
    pub(super) fn having(mut self, token: Token) -> Self {
        self.having = token;
        self
    }

    async fn collect(self) -> Result<History, Error> {
        let mut pages = self.pages()?;
        let mut events: Vec<RecordedEvent> = Vec::new();
        while let Some(page) = pages.next().await? {
            if events.is_empty() {
                events = page;
            } else {
                events.extend(page);
            }
        }
        let limited = pages.remaining == Some(0) && pages.request.direction == Direction::Forwards;
        let last = events.last().filter(|_| limited).map(RecordedEvent::token);
        Ok(History::new(events, last.unwrap_or(pages.complete)))
    }

    pub(crate) fn pages(self) -> Result<Pages, Error> {
        Pages::new(self)
    }

    fn check(&self) -> Result<(), Error> {
        if self.limit == Some(0) {
            return Err(Error::invalid("query has a limit of 0; expected at least 1"));
        }
        if self.until.is_some_and(|until| until < self.after.position()) {
            return Err(Error::invalid(format!(
                "query reads after position {} and until position {}: nothing can lie between",
                self.after.position(),
                self.until.unwrap_or_default()
            )));
        }
        let ordered =
            |since: Option<_>, until: Option<_>| since.is_none() || until.is_none() || since <= until;
        if !ordered(self.times.recorded_since, self.times.recorded_until)
            || !ordered(self.times.occurred_since, self.times.occurred_until)
        {
            return Err(Error::invalid("query has a time bound `since` that is later than its `until`"));
        }
        Ok(())
    }

    fn first_request(&self) -> Result<PageRequest, Error> {
        self.check()?;
        let until =
            |bound: Option<OffsetDateTime>| bound.map(|at| check_instant(at, "time bound")).transpose();
        // The next microsecond, where the instant lies between two: what the log keeps lies on them.
        let since = |bound: Option<OffsetDateTime>| {
            let up = |at: OffsetDateTime| at.checked_add(time::Duration::nanoseconds(999)).unwrap_or(at);
            until(bound.map(up))
        };
        Ok(PageRequest {
            source: Source::filter(self.filter.check()?),
            low: self.after.position(),
            high: self.until,
            times: Times {
                recorded_since: since(self.times.recorded_since)?,
                recorded_until: until(self.times.recorded_until)?,
                occurred_since: since(self.times.occurred_since)?,
                occurred_until: until(self.times.occurred_until)?,
            },
            limit: 0,
            max_bytes: self.store.settings().max_page_bytes,
            direction: self.direction,
            witnesses: [self.after, self.having].into_iter().filter(|token| !token.is_start()).collect(),
        })
    }
}

/// The pages of a query, one after the other.
pub(crate) struct Pages {
    query: Query,
    request: PageRequest,
    /// How many events may still come.
    remaining: Option<usize>,
    /// Up to where the first page looked: where all of them end.
    complete: Token,
    first: bool,
    done: bool,
}

impl Pages {
    fn new(mut query: Query) -> Result<Self, Error> {
        if query.store.writer().is_closed() {
            return Err(Error::closed());
        }
        let seen = query.resolve();
        let mut request = query.first_request()?;
        // Whatever server answers: what the session rests on must be there.
        if !matches!(query.consistency, Some(Consistency::AtLeast(token)) if Some(token) == seen) {
            request.witnesses.extend(seen);
        }
        Ok(Self { remaining: query.limit, query, request, complete: Token::START, first: true, done: false })
    }

    /// Up to where the query is complete when all pages have been read; known from the first page on.
    pub(crate) fn complete(&self) -> Token {
        self.complete
    }

    /// The next page; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<RecordedEvent>>, Error> {
        if self.done {
            return Ok(None);
        }
        let page_size = self.query.store.settings().page_size;
        self.request.limit = self.remaining.map_or(page_size, |remaining| remaining.min(page_size));
        let span = tracing::info_span!("query_page", after = self.request.low.get());
        let operation = Operation::query(self.query.store.metrics());
        let page = self.read().instrument(span).await;
        let page = page.map_err(|error| self.query.store.inner().known.explain(error));
        match &page {
            Ok(page) => operation.answered(page.target(), page.events.len()),
            Err(error) => operation.failed(error),
        }
        let page = page?;
        if self.first {
            self.first = false;
            // A bound on time may lie before `after`: up to there the caller's reading was complete already.
            let after = self.query.after;
            self.complete = if page.complete.position() < after.position() { after } else { page.complete };
            self.query.store.saw(self.complete);
            self.request.high = Some(self.complete.position());
            // Later pages may come from another server: it must have come as far as this one.
            self.request.witnesses.extend(Some(self.complete).filter(|token| !token.is_start()));
        }
        let count = page.events.len();
        self.remaining = self.remaining.map(|remaining| remaining.saturating_sub(count));
        self.done = !page.is_full || self.remaining == Some(0);
        if let Some(last) = page.events.last() {
            match self.request.direction {
                Direction::Forwards => self.request.low = last.position,
                Direction::Backwards => self.request.high = Some(Position::new(last.position.get() - 1)),
            }
        }
        Ok(Some(page.events))
    }

    async fn read(&mut self) -> Result<Page, Error> {
        let reader = self.query.store.reader();
        let deadline = deadline::after(self.query.timeout);
        match reader.page(&self.request, self.query.consistency.unwrap_or_default(), deadline).await {
            // The only thing that a scan mends; whatever else is invalid stays so.
            Err(error) if error.kind() == ErrorKind::Invalid && self.query.allow_scan => {
                let Source::Keys(filter) = &self.request.source else { return Err(error) };
                self.request.source = Source::Scan(filter.clone());
                reader.page(&self.request, self.query.consistency.unwrap_or_default(), deadline).await
            }
            result => result,
        }
    }
}

impl IntoFuture for Query {
    type Output = Result<History, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        let span = tracing::info_span!("query", consistency = ?self.consistency);
        Box::pin(self.collect().instrument(span))
    }
}
