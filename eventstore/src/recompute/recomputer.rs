//! A recomputed projection, and the store that it is run on.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::deadline;
use crate::error::{Error, ErrorKind};
use crate::recompute::calls::{Calls, KeyState};
use crate::recompute::definition::Recomputed;
use crate::recompute::run::RecomputeRun;
use crate::store::EventStore;
use crate::token::Token;
use crate::visibility::check_event;

/// What the system had that this was learnt from: counters of a busy conversation that were right within 20 seconds were right enough, and
/// a computation of up to 85 seconds then ran back to back with itself at most.
const EVERY: Duration = Duration::from_secs(20);
const LONGEST_EVERY: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Of the ten connections that a handle has, most are for those who make requests.
const AT_ONCE: usize = 2;
const LEASE: Duration = Duration::from_secs(30);
const SHORTEST_LEASE: Duration = Duration::from_millis(100);
/// What ends later than in a day was leased before the clock was set back.
const LONGEST_LEASE: Duration = Duration::from_secs(12 * 60 * 60);
const MAX_NAME_BYTES: usize = 245;
const MAX_KEY_BYTES: usize = 1_000;
/// How long whoever waits for a key lets pass until it is looked at again, where another process saves it.
/// Longer ones at last, as a key may rest for a while.
const PAUSES_MS: [u64; 9] = [1, 2, 5, 10, 20, 50, 100, 200, 500];

impl EventStore {
    /// A recomputed projection of this log: run it with [`Recomputer::run`], in as many processes as you like, or wait for what
    /// another process runs.
    ///
    /// ```no_run
    /// # use eventstore::{Error, EventStore, NewEvent, Recomputed};
    /// # use std::{future::IntoFuture as _, time::Duration};
    /// # async fn vote(store: EventStore, votes: impl Recomputed, vote: NewEvent) -> Result<(), Error> {
    /// let votes = store.recomputed(votes).every(Duration::from_secs(20)).at_once(4);
    /// tokio::spawn(votes.run().into_future());
    /// let receipt = store.append([vote]).await?;
    /// votes.wait_for("c-17", receipt.token(), Duration::from_secs(60)).await?;   // and now the view has it
    /// # Ok(())
    /// # }
    /// ```
    pub fn recomputed<R: Recomputed>(&self, projection: R) -> Recomputer<R> {
        Recomputer {
            store: self.clone(),
            projection: Arc::new(projection),
            every: EVERY,
            at_once: AT_ONCE,
            lease: LEASE,
            news: watch::channel(()).0,
            saved: watch::channel(()).0,
        }
    }
}

/// A recomputed projection on a store. Cheap to clone; made by [`EventStore::recomputed`].
pub struct Recomputer<R> {
    pub(super) store: EventStore,
    pub(super) projection: Arc<R>,
    pub(super) every: Duration,
    pub(super) at_once: usize,
    pub(super) lease: Duration,
    /// Told when keys were noted here.
    pub(super) news: watch::Sender<()>,
    /// Told when a key was saved here.
    pub(super) saved: watch::Sender<()>,
}

impl<R: Recomputed> Recomputer<R> {
    /// How far apart two recomputes of a key begin at least, whoever does them and whatever came of them; 20 seconds unless said. Zero
    /// recomputes a busy key all the time.
    #[must_use]
    pub fn every(mut self, interval: Duration) -> Self {
        self.every = interval;
        self
    }

    /// How many keys are recomputed at once in this process; 2 unless said, as each one reads much.
    #[must_use]
    pub fn at_once(mut self, keys: usize) -> Self {
        self.at_once = keys;
        self
    }

    /// For how long a key belongs to whoever recomputes it, if no sign of life comes: 30 seconds unless said, 12 hours at most. While the process
    /// lives leases are made to last longer, so that a computation may take as long as it likes.
    #[must_use]
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// Follows the log, and recomputes what is due, when it is awaited.
    pub fn run(&self) -> RecomputeRun {
        RecomputeRun::new(self.clone())
    }

    /// Returns when what is saved of a key, as the primary has it, has everything up to a token, whoever runs the projection. What does not
    /// change the key is not waited for.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) if it is not as far in time, with why if its computation fails;
    /// [`HistoryDiverged`](crate::ErrorKind::HistoryDiverged) if the log does not have the event of the token;
    /// [`Invalid`](crate::ErrorKind::Invalid), [`Closed`](crate::ErrorKind::Closed).
    ///
    /// # Cancellation
    /// Safe.
    pub async fn wait_for(&self, key: &str, token: Token, within: Duration) -> Result<(), Error> {
        self.check()?;
        check_key(key)?;
        let (calls, until) = (Calls::new(&self.store, self.projection.name()), deadline::after(within));
        check_event(&self.store, token, until).await?;
        let (mut saved, mut looks) = (self.saved.subscribe(), 0);
        loop {
            saved.mark_unchanged();
            let state = calls.key(key).await?;
            if let Some(state) = &state
                && self.is_saved(state, token).await?
            {
                return Ok(());
            }
            let pause = Duration::from_millis(PAUSES_MS[looks.min(PAUSES_MS.len() - 1)]);
            looks += 1;
            if Instant::now() + pause > until {
                return Err(self.too_late(key, state.as_ref(), (token, within)));
            }
            tokio::select! {
                Ok(()) = saved.changed() => {}
                () = sleep_until(Instant::now() + pause) => {}
            }
        }
    }

    async fn is_saved(&self, state: &KeyState, token: Token) -> Result<bool, Error> {
        if state.done.is_some_and(|done| done >= token.position()) {
            return Ok(true);
        }
        // Of what was noted something is not saved. It may be something later, but then that is saved before long.
        if state.wanted > state.done {
            return Ok(false);
        }
        if state.checkpoint.position() >= token.position() {
            return Ok(true);
        }
        // What does not match need not be waited for.
        let missing = self.store.query(&self.projection.filter()).after(state.checkpoint);
        Ok(missing.until(token.position()).limit(1).await?.is_empty())
    }

    fn too_late(&self, key: &str, state: Option<&KeyState>, (token, within): (Token, Duration)) -> Error {
        let (name, wanted) = (self.projection.name(), token.position());
        let mut why = match state {
            None => format!("nobody has run the recomputed projection {name:?} yet"),
            Some(KeyState { done: Some(done), .. }) => {
                format!("key {key:?} of projection {name:?} is saved up to position {done}")
            }
            Some(_) => format!("key {key:?} of projection {name:?} was not saved yet"),
        };
        why += &format!(", and did not come to {wanted} within {within:?}");
        if let Some(failure) = state.and_then(|state| state.failure.as_ref()) {
            why += &format!("; it was tried, and failed: {failure}");
        }
        Error::timeout(ErrorKind::Unavailable, why)
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        let name = self.projection.name();
        if name.is_empty() || name.len() > MAX_NAME_BYTES || name.contains('\0') {
            return Err(Error::invalid(format!(
                "name of a recomputed projection has {} bytes; expected 1 to {MAX_NAME_BYTES}, without NUL",
                name.len()
            )));
        }
        if self.at_once == 0 {
            return Err(Error::invalid("0 keys are to be recomputed at once; expected at least 1"));
        }
        if self.lease < SHORTEST_LEASE || self.lease > LONGEST_LEASE {
            return Err(Error::invalid(format!(
                "recomputed projection has leases of {:?}; expected {SHORTEST_LEASE:?} to {LONGEST_LEASE:?}",
                self.lease
            )));
        }
        if self.every > LONGEST_EVERY {
            return Err(Error::invalid(format!(
                "keys are to be recomputed every {:?}; expected at most {LONGEST_EVERY:?}",
                self.every
            )));
        }
        Ok(())
    }
}

/// Refuses keys that can not be stored.
pub(super) fn check_key(key: &str) -> Result<(), Error> {
    if key.is_empty() || key.len() > MAX_KEY_BYTES || key.contains('\0') {
        let bytes = key.len();
        return Err(Error::invalid(format!(
            "a key has {bytes} bytes; expected 1 to {MAX_KEY_BYTES}, without NUL"
        )));
    }
    Ok(())
}

impl<R> Clone for Recomputer<R> {
    fn clone(&self) -> Self {
        Self {
            store: self.store.clone(),
            projection: Arc::clone(&self.projection),
            every: self.every,
            at_once: self.at_once,
            lease: self.lease,
            news: self.news.clone(),
            saved: self.saved.clone(),
        }
    }
}

impl<R: Recomputed> fmt::Debug for Recomputer<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recomputer")
            .field("name", &self.projection.name())
            .field("every", &self.every)
            .field("at_once", &self.at_once)
            .finish_non_exhaustive()
    }
}
