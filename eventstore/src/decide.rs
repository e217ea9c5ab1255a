//! Read, decide, append, and again on conflict.
//!
//! A conflict means that something was written meanwhile which the decision depends on. Events never change, so that
//! only what came after the last reading has to be read before it is decided again. The pause before doubles each time
//! and is jittered: two that met would otherwise meet again.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};
use tracing::{Instrument as _, debug};

use crate::append::Receipt;
use crate::condition::AppendCondition;
use crate::consistency::Consistency;
use crate::deadline;
use crate::error::{Error, ErrorKind};
use crate::event::NewEvent;
use crate::filter::Filter;
use crate::query::History;
use crate::store::EventStore;
use crate::token::Token;

const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

type DecideFn<'f, E> = dyn FnMut(&History) -> Result<Vec<NewEvent>, E> + Send + 'f;

/// A decision that is being described; awaiting it carries it out. See [`EventStore::decide`].
///
/// It gives the receipt of what was appended, or `None` if nothing was decided.
///
/// # Errors
/// Whatever the deciding function returns, as it is. An [`Error`] of the store, turned into that type:
/// [`Conflict`](crate::ErrorKind::Conflict) if every attempt met one, else as for [`Query`](crate::Query) and
/// [`Append`](crate::Append).
///
/// # Cancellation
/// As for [`Append`](crate::Append): dropped, all events of one attempt are appended, or none.
#[must_use = "nothing is decided until it is awaited"]
pub struct Decide<'f, E> {
    boundary: Boundary,
    decide: Box<DecideFn<'f, E>>,
    attempts: usize,
    timeout: Option<Duration>,
}

/// What a decision depends on, and how it is read and kept.
#[derive(Debug)]
struct Boundary {
    store: EventStore,
    filter: Filter,
    conditions: Vec<AppendCondition>,
    deadline: Option<Instant>,
}

impl<'f, E: From<Error>> Decide<'f, E> {
    pub(crate) fn new(store: &EventStore, filter: &Filter, decide: Box<DecideFn<'f, E>>) -> Self {
        let attempts = store.settings().decide_attempts;
        let (store, filter) = (store.clone(), filter.clone());
        let boundary = Boundary { store, filter, conditions: Vec::new(), deadline: None };
        Self { boundary, decide, attempts, timeout: None }
    }

    /// Adds a condition besides that on the filter. A conflict with it is tried again too, with the same condition.
    pub fn condition(mut self, condition: AppendCondition) -> Self {
        self.boundary.conditions.push(condition);
        self
    }

    /// Sets how often it may decide, at least once, instead of
    /// [`Settings::decide_attempts`](crate::Settings::decide_attempts).
    pub fn attempts(mut self, attempts: usize) -> Self {
        self.attempts = attempts.max(1);
        self
    }

    /// Sets how long it may take in all. Unless said, each reading and each append has the time that the settings give
    /// it.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    async fn carry_out(self) -> Result<Option<Receipt>, E> {
        let (mut boundary, mut decide) = (self.boundary, self.decide);
        boundary.deadline = self.timeout.map(deadline::after);
        let mut history = boundary.read(None).await?;
        let mut pause = FIRST_PAUSE;
        for attempt in 1.. {
            let events = decide(&history)?;
            if events.is_empty() {
                return Ok(None);
            }
            let error = match boundary.append(events, &history).await {
                Ok(receipt) => return Ok(Some(receipt)),
                Err(error) => error,
            };
            let is_settled = !matches!(error.kind(), ErrorKind::Conflict | ErrorKind::HistoryDiverged);
            if is_settled || attempt >= self.attempts {
                return Err(error.into());
            }
            debug!(attempt, %error, "decided on a history that is not the last one, deciding again");
            let pause_now = pause.mul_f64(0.5 + fastrand::f64());
            if boundary.time_left().is_some_and(|left| left <= pause_now) {
                return Err(error.into());
            }
            sleep(pause_now).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            history = boundary.read_on(history).await?;
        }
        unreachable!("the last attempt returns")
    }
}

impl Boundary {
    async fn read_on(&self, history: History) -> Result<History, Error> {
        match self.read(Some(history.token())).await {
            Ok(newer) => Ok(history.extended(newer)),
            // The end of what was read is lost: so may be what was decided on.
            Err(error) if error.kind() == ErrorKind::HistoryDiverged => self.read(None).await,
            Err(error) => Err(error),
        }
    }

    async fn read(&self, after: Option<Token>) -> Result<History, Error> {
        let mut query = self.store.query(&self.filter).consistency(Consistency::Strong);
        if let Some(token) = after {
            query = query.after(token);
        }
        let Some(deadline) = self.deadline else { return query.await };
        // All pages together.
        timeout_at(deadline, query.into_future()).await.unwrap_or_else(|_| {
            Err(Error::timeout(
                ErrorKind::Unavailable,
                "decision timed out while it was read what it depends on",
            ))
        })
    }

    async fn append(&self, events: Vec<NewEvent>, history: &History) -> Result<Receipt, Error> {
        let mut append = self.store.append(events).fail_if_matches(&self.filter).after(history.token());
        for condition in &self.conditions {
            append = append.condition(condition.clone());
        }
        if let Some(left) = self.time_left() {
            append = append.timeout(left);
        }
        append.await
    }

    fn time_left(&self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }
}

impl<'f, E: From<Error> + 'f> IntoFuture for Decide<'f, E> {
    type Output = Result<Option<Receipt>, E>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'f>>;

    fn into_future(self) -> Self::IntoFuture {
        let span = tracing::info_span!("decide", attempts = self.attempts);
        Box::pin(self.carry_out().instrument(span))
    }
}

impl<E> fmt::Debug for Decide<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decide")
            .field("filter", &self.boundary.filter)
            .field("attempts", &self.attempts)
            .finish_non_exhaustive()
    }
}
