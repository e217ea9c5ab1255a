//! The call that appends.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::time::Duration;

use tokio::time::Instant;
use tracing::Instrument as _;

use crate::append::Receipt;
use crate::append::request::{Condition, Request};
use crate::condition::{AppendCondition, CheckedCondition};
use crate::deadline;
use crate::error::Error;
use crate::event::{NewEvent, check_events};
use crate::filter::{CheckedItem, Filter};
use crate::position::Position;
use crate::query::{PageRequest, Source};
use crate::store::EventStore;
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
#[derive(Debug)]
#[must_use = "an append does nothing until it is awaited"]
pub struct Append<'a> {
    store: &'a EventStore,
    events: Vec<NewEvent>,
    conditions: Vec<AppendCondition>,
    misplaced_after: bool,
    timeout: Duration,
}

impl<'a> Append<'a> {
    pub(crate) fn new(store: &'a EventStore, events: Vec<NewEvent>) -> Self {
        let timeout = store.settings().append_timeout;
        Self { store, events, conditions: Vec::new(), misplaced_after: false, timeout }
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
        if self.store.writer().is_closed() {
            return Err(Error::closed());
        }
        if self.misplaced_after {
            return Err(Error::invalid("append says `after` without a condition before it"));
        }
        let deadline = deadline::after(self.timeout);
        let events = check_events(self.events, self.store.settings())?;
        let checked = self.conditions.iter().map(AppendCondition::check).collect::<Result<Vec<_>, _>>()?;
        let mut conditions = Vec::with_capacity(checked.len());
        for condition in checked {
            conditions.push(settle(self.store, condition, deadline).await?);
        }
        let (request, ticket) = Request::new(events, conditions, deadline);
        let receipt = self.store.writer().append(request, ticket).await?;
        self.store.reader().saw(receipt.last_position());
        Ok(receipt)
    }
}

/// Checks a condition as a read first, where checking it under the log's lock could take long: when the search for
/// its keys may pass over many events that do not match, and `after` lies far back. What is found is no verdict, but
/// where the check under the lock may begin.
async fn settle(
    store: &EventStore,
    checked: CheckedCondition,
    deadline: Instant,
) -> Result<Condition, Error> {
    let after = checked.after.position();
    let filter = &checked.filter;
    let searches = !filter.is_all() && !filter.items().iter().all(CheckedItem::has_one_constraint);
    let far = store
        .reader()
        .distance_to_head(after)
        .is_none_or(|distance| distance > store.settings().recheck_distance);
    if !(searches && far) {
        return Ok(Condition { checked, settled: Position::START, witness: None });
    }
    let request = PageRequest { low: after, limit: 1, ..PageRequest::new(Source::filter(filter.clone())) };
    let page = store.reader().primary_page(&request, deadline).await?;
    let (settled, witness) = match page.events.first() {
        // The check under the lock will find it too. Ids come before conditions, so that this is no refusal yet.
        Some(event) => (Position::new(event.position.get() - 1), Some(event.token())),
        None => (page.complete.position(), Some(page.complete).filter(|token| !token.is_start())),
    };
    Ok(Condition { checked, settled, witness })
}

impl<'a> IntoFuture for Append<'a> {
    type Output = Result<Receipt, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        let span =
            tracing::info_span!("append", events = self.events.len(), conditions = self.conditions.len());
        Box::pin(self.carry_out().instrument(span))
    }
}
