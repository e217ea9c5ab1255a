//! An event that is handed over.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio_postgres::GenericClient;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::error::{Error, ErrorKind};
use crate::event::RecordedEvent;
use crate::group::book::{Answer, Claimed, Outcome};
use crate::group::calls::{Calls, SettleArguments, positions};
use crate::group::command::Command;
use crate::group::membership::Backoff;
use crate::sqlstate;

/// How much of a reason is kept.
const MAX_REASON_CHARS: usize = 1_000;

/// An event of a consumer group, leased to whoever has this. It reads as the event. Say what came of it: [`done`](Self::done),
/// [`failed`](Self::failed) or [`park`](Self::park); whatever is dropped without a word, all clones of it, is handed back.
/// What [`Worker::run`](crate::Worker::run) hands to a handler is answered for it.
#[derive(Clone)]
pub struct Delivery(Arc<Inner>);

struct Inner {
    claimed: Claimed,
    lost: CancellationToken,
    /// Whether somebody has seen it.
    is_taken: AtomicBool,
    is_answered: AtomicBool,
    /// It was done in a transaction of somebody else's, who says so when that is committed.
    is_done_elsewhere: AtomicBool,
    /// It was, or somebody else has it.
    may_be_done_elsewhere: AtomicBool,
    task: mpsc::UnboundedSender<Command>,
    calls: Arc<Calls>,
    backoff: Backoff,
    max_attempts: i32,
}

impl Delivery {
    pub(super) fn new(
        claimed: Claimed,
        lost: CancellationToken,
        task: mpsc::UnboundedSender<Command>,
        calls: Arc<Calls>,
        (backoff, max_attempts): (Backoff, i32),
    ) -> Self {
        let [is_taken, is_answered, is_done_elsewhere, may_be_done_elsewhere] =
            [(); 4].map(|()| AtomicBool::new(false));
        Self(Arc::new(Inner {
            claimed,
            lost,
            is_taken,
            is_answered,
            is_done_elsewhere,
            may_be_done_elsewhere,
            task,
            calls,
            backoff,
            max_attempts,
        }))
    }

    pub(super) fn is_taken(&self) {
        self.0.is_taken.store(true, Ordering::Relaxed);
    }

    /// The event.
    #[must_use]
    pub fn event(&self) -> &RecordedEvent {
        &self.0.claimed.event
    }

    /// Which attempt this is, from 1. An attempt that ended without a word (a crash, say) counts.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.0.claimed.attempt.unsigned_abs()
    }

    /// Returns when it is known that the lease was lost, or the worker ends: what is being done is done elsewhere, or will be.
    pub async fn lost(&self) {
        self.0.lost.cancelled().await;
    }

    /// Says that it is done. Returns when that is durable.
    ///
    /// # Errors
    /// [`LeaseLost`](crate::ErrorKind::LeaseLost) if somebody else has claimed it since: it will be done again;
    /// [`Indeterminate`](crate::ErrorKind::Indeterminate) if the connection died and it may be either;
    /// [`Invalid`](crate::ErrorKind::Invalid) if it was answered already; [`Closed`](crate::ErrorKind::Closed);
    /// [`Unavailable`](crate::ErrorKind::Unavailable) if the primary did not answer for as long as the lease, or somebody keeps its row
    /// locked, in a transaction that has said there that it is done: then it is claimed again when its lease has run out, if it is not done.
    ///
    /// # Cancellation
    /// Said all the same.
    pub async fn done(&self) -> Result<(), Error> {
        let inner = &*self.0;
        let is_done_elsewhere = inner.is_done_elsewhere.load(Ordering::Relaxed);
        let outcome = if is_done_elsewhere { Outcome::DoneElsewhere } else { Outcome::Done };
        match self.say(outcome).await {
            // The row is gone, as it should be. Had the lease been lost, the transaction would have failed.
            Err(error)
                if error.kind() == ErrorKind::LeaseLost
                    && (is_done_elsewhere || inner.may_be_done_elsewhere.load(Ordering::Relaxed)) =>
            {
                Ok(())
            }
            said => said,
        }
    }

    /// Says that it is done, in a transaction of the caller's on the log's database: what was done for the event and this are
    /// committed together or not at all, and not at all if somebody else has claimed it since. Afterwards say [`done`](Self::done),
    /// or let the handler return.
    ///
    /// # Errors
    /// [`LeaseLost`](crate::ErrorKind::LeaseLost): roll back; [`Unavailable`](crate::ErrorKind::Unavailable).
    pub async fn done_in<C: GenericClient + Sync>(&self, client: &C) -> Result<(), Error> {
        let claimed = &self.0.claimed;
        let (position, lease, attempt) = (claimed.event.position, claimed.lease, claimed.attempt);
        let answer = Answer { position, lease, attempt, outcome: Outcome::Done };
        let arguments = SettleArguments::new(self.0.calls.group, &[answer]);
        let rows = client.query_typed(&self.0.calls.settle, &arguments.as_params()).await;
        let held = rows.and_then(|rows| positions(&rows));
        if held.map_err(|error| sqlstate::classify(&error, "the caller's transaction"))?.is_empty() {
            return Err(self.lease_lost());
        }
        self.is_done_elsewhere();
        Ok(())
    }

    /// Says that it failed, and why: another attempt follows after a pause, or it is parked if there were so many.
    ///
    /// # Errors, cancellation
    /// As [`done`](Self::done).
    pub fn failed(&self, why: impl fmt::Display) -> impl Future<Output = Result<(), Error>> + Send {
        self.say(self.0.failure(&why))
    }

    /// Parks it at once: another attempt would come to the same.
    ///
    /// # Errors, cancellation
    /// As [`done`](Self::done).
    pub fn park(&self, why: impl fmt::Display) -> impl Future<Output = Result<(), Error>> + Send {
        self.say(Outcome::Parked { why: reason(&why) })
    }

    /// Hands it back, as if it had not been handed over: somebody may have it at once.
    ///
    /// # Errors, cancellation
    /// As [`done`](Self::done).
    pub async fn hand_back(&self) -> Result<(), Error> {
        self.say(Outcome::Untouched { pause: Duration::ZERO }).await
    }

    async fn say(&self, outcome: Outcome) -> Result<(), Error> {
        let inner = &*self.0;
        if inner.is_answered.swap(true, Ordering::Relaxed) {
            return Err(Error::invalid(format!(
                "the event at position {} of this group was answered already",
                inner.claimed.event.position
            )));
        }
        let (reply, settled) = oneshot::channel();
        inner.answer(outcome, Some(reply));
        settled.await.unwrap_or_else(|_| Err(Error::closed()))
    }

    /// Which group it is of, and under which lease: for whoever settles it in a statement of their own.
    pub(crate) fn lease(&self) -> (i32, Uuid) {
        (self.0.calls.group, self.0.claimed.lease)
    }

    /// It is done, in a statement of somebody else's: there is nothing left to be said.
    pub(crate) fn is_done_elsewhere(&self) {
        self.0.is_done_elsewhere.store(true, Ordering::Relaxed);
    }

    /// It may be done, in a statement of somebody else's: then there is nothing left to be said.
    pub(crate) fn may_be_done_elsewhere(&self) {
        self.0.may_be_done_elsewhere.store(true, Ordering::Relaxed);
    }

    fn lease_lost(&self) -> Error {
        lease_lost(self.0.claimed.event.position)
    }
}

/// Whoever else has it now settles it.
pub(super) fn lease_lost(position: crate::position::Position) -> Error {
    Error::new(
        ErrorKind::LeaseLost,
        format!("the lease of the event at position {position} has run out; it is, or was, done elsewhere"),
    )
}

impl Inner {
    fn answer(&self, outcome: Outcome, reply: Option<oneshot::Sender<Result<(), Error>>>) {
        let (position, lease) = (self.claimed.event.position, self.claimed.lease);
        // A task that has ended has handed everything back.
        let _ = self.task.send(Command::Answer { position, lease, outcome, reply });
    }

    fn failure(&self, why: &dyn fmt::Display) -> Outcome {
        let why = reason(why);
        match self.claimed.attempt >= self.max_attempts {
            true => Outcome::Parked { why },
            false => Outcome::Failed { pause: self.backoff.after(self.claimed.attempt), why },
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if *self.is_answered.get_mut() {
            return;
        }
        let outcome = match (std::thread::panicking(), *self.is_taken.get_mut()) {
            (true, _) => self.failure(&"whoever had it panicked"),
            // After a pause: a program that drops everything would be given it over and over.
            (false, true) => Outcome::Untouched { pause: self.backoff.first },
            (false, false) => Outcome::Untouched { pause: Duration::ZERO },
        };
        self.answer(outcome, None);
    }
}

/// As it is stored: PostgreSQL takes no NUL.
fn reason(why: &dyn fmt::Display) -> String {
    why.to_string().chars().filter(|char| *char != '\0').take(MAX_REASON_CHARS).collect()
}

impl Deref for Delivery {
    type Target = RecordedEvent;

    fn deref(&self) -> &RecordedEvent {
        self.event()
    }
}

impl fmt::Debug for Delivery {
    /// Without the event.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("position", &self.position)
            .field("attempt", &self.attempt())
            .finish_non_exhaustive()
    }
}
