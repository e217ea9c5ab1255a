//! The call that appends.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::time::Duration;

use tracing::Instrument as _;

use crate::append::Receipt;
use crate::append::condition::Condition;
use crate::append::request::{Outcome, Request};
use crate::condition::AppendCondition;
use crate::deadline;
use crate::error::Error;
use crate::event::{NewEvent, check_events};
use crate::filter::Filter;
use crate::session::Seen;
use crate::store::EventStore;
use crate::telemetry::Operation;
use crate::token::Token;

/// An append that is being described; awaiting it carries it out.
///
/// All events are written, at contiguous positions, or none. A returned [`Receipt`] means that they are durable,
/// as the server's `synchronous_commit` has it, and visible to every later strong read.
///
/// # Errors
/// [`Conflict`](crate::ErrorKind::Conflict) if a condition does not hold, [`Invalid`](crate::ErrorKind::Invalid) for a
/// draft that is not valid, [`HistoryDiverged`](crate::ErrorKind::HistoryDiverged) if the log does not have the event
/// that a condition's `after` names, [`Unavailable`](crate::ErrorKind::Unavailable) if nothing was written,
/// [`Indeterminate`](crate::ErrorKind::Indeterminate) if that is unknown, [`Closed`](crate::ErrorKind::Closed).
///
/// # Cancellation
/// Dropped before it was sent, nothing is written; later, all of it or nothing. Other appends lose nothing.
///
/// # Retries
/// The store sends an append again by itself while its time lasts. To go on trying after
/// [`Unavailable`](crate::ErrorKind::Unavailable) or [`Indeterminate`](crate::ErrorKind::Indeterminate), append *the
/// same* events again: keep a clone of them, so that they have the same ids and are written once.
#[derive(Debug)]
#[must_use = "an append does nothing until it is awaited"]
pub struct Append {
    store: EventStore,
    events: Vec<NewEvent>,
    conditions: Vec<AppendCondition>,
    misplaced_after: bool,
    timeout: Duration,
}

impl Append {
    pub(crate) fn new(store: &EventStore, events: Vec<NewEvent>) -> Self {
        let timeout = store.settings().append_timeout;
        Self { store: store.clone(), events, conditions: Vec::new(), misplaced_after: false, timeout }
    }

    /// Refuses the append if an event matches the filter; [`after`](Self::after) says since when.
    pub fn fail_if_matches(self, filter: &Filter) -> Self {
        self.condition(AppendCondition::fail_if_matches(filter))
    }

    /// Makes the last condition look only at events after this point (exclusive).
    pub fn after(mut self, token: Token) -> Self {
        match self.conditions.pop() {
            Some(condition) => self.conditions.push(condition.after(token)),
            None => self.misplaced_after = true,
        }
        self
    }

    /// Adds a condition. All of them must hold.
    pub fn condition(mut self, condition: AppendCondition) -> Self {
        self.conditions.push(condition);
        self
    }

    /// Sets how long it may take in all, instead of [`Settings::append_timeout`](crate::Settings::append_timeout).
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    async fn carry_out(self) -> Result<Receipt, Error> {
        let (store, operation) = (self.store.clone(), Operation::append(self.store.metrics()));
        let known = store.inner().known.now();
        let result = self.send().await.map_err(|error| store.inner().known.explain(error));
        match &result {
            Ok(receipt) if receipt.is_repeated() => operation.repeated(),
            Ok(receipt) => operation.accepted(receipt.positions().count()),
            Err(error) => operation.failed(error),
        }
        result.inspect(|receipt| {
            store.inner().heads.saw(receipt.last_position());
            store.inner().known.saw(receipt.token(), &known);
            store.saw(receipt.token());
        })
    }

    async fn send(self) -> Result<Receipt, Error> {
        if self.store.writer().is_closed() {
            return Err(Error::closed());
        }
        if self.misplaced_after {
            return Err(Error::invalid("append says `after` without a condition before it"));
        }
        let deadline = deadline::after(self.timeout);
        let mut events = check_events(self.events, self.store.settings())?;
        let checked = self.conditions.iter().map(AppendCondition::check).collect::<Result<Vec<_>, _>>()?;
        // What a session has seen must be there, or it would go on in another history without a word.
        let seen = self.store.seen().map(Seen::token).filter(|token| !token.is_start());
        let mut conditions: Vec<_> =
            checked.into_iter().map(Condition::new).chain(seen.map(Condition::of_history)).collect();
        loop {
            let (request, ticket) = Request::new(events, conditions, deadline);
            request.check_size(self.store.settings())?;
            match self.store.writer().append(request, ticket).await? {
                Outcome::Appended(receipt) => return Ok(receipt),
                Outcome::Unsettled(same_events, unsettled) => (events, conditions) = (same_events, unsettled),
            }
            for condition in &mut conditions {
                condition.settle(self.store.reader(), deadline).await?;
            }
        }
    }
}

impl IntoFuture for Append {
    type Output = Result<Receipt, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        let span =
            tracing::info_span!("append", events = self.events.len(), conditions = self.conditions.len());
        Box::pin(self.carry_out().instrument(span))
    }
}
