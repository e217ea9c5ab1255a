//! A process, and the store that it is run on.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::error::Error;
use crate::filter::FieldValue;
use crate::group::Backoff;
use crate::position::Position;
use crate::process::definition::Process;
use crate::process::profile::Profile;
use crate::process::run::ProcessRun;
use crate::store::EventStore;
use crate::subscription::Start;

/// What comes before the name of a process in that of its group and its snapshots.
const PREFIX: &str = "process/";
/// With room for the version of its snapshots.
const MAX_NAME_BYTES: usize = 236;
const LEASE: Duration = Duration::from_secs(30);
const SHORTEST_LEASE: Duration = Duration::from_millis(100);
/// What ends later than in a day was leased before the clock was set back.
const LONGEST_LEASE: Duration = Duration::from_secs(12 * 60 * 60);
const LONGEST_WAIT: Duration = Duration::from_secs(30 * 24 * 60 * 60);
const TIME_LIMIT: Duration = Duration::from_secs(300);
const MAX_ATTEMPTS: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

impl EventStore {
    /// A process on this log: run it with [`ProcessManager::run`], in as many operating system processes as you like.
    ///
    /// ```no_run
    /// # use eventstore::{Error, EventStore, Process, Profile};
    /// # async fn remind(store: EventStore, reminders: impl Process) -> Result<(), Error> {
    /// let until = async { tokio::signal::ctrl_c().await.unwrap_or_default() };
    /// store.process_manager(reminders).profile(Profile::balanced()).run().until(until).await
    /// # }
    /// ```
    pub fn process_manager<P: Process>(&self, process: P) -> ProcessManager<P> {
        ProcessManager {
            store: self.clone(),
            process: Arc::new(process),
            profile: Profile::default(),
            start: Start::Beginning,
            lease: LEASE,
            time_limit: TIME_LIMIT,
            max_attempts: MAX_ATTEMPTS,
            backoff: Backoff { first: FIRST_PAUSE, longest: LONGEST_PAUSE },
            news: watch::channel(()).0,
        }
    }
}

/// A process on a store. Cheap to clone; made by [`EventStore::process_manager`].
pub struct ProcessManager<P> {
    pub(super) store: EventStore,
    pub(super) process: Arc<P>,
    pub(super) profile: Profile,
    pub(super) start: Start,
    pub(super) lease: Duration,
    pub(super) time_limit: Duration,
    pub(super) max_attempts: u32,
    pub(super) backoff: Backoff,
    /// Told when there is something new to be done.
    pub(super) news: watch::Sender<()>,
}

impl<P: Process> ProcessManager<P> {
    /// How much it does at once; [`Profile::balanced`] unless said.
    #[must_use]
    pub fn profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }

    /// Where a process that is new begins: with the first event unless said. One that has been there goes on from where it is.
    #[must_use]
    pub fn start(mut self, start: Start) -> Self {
        self.start = start;
        self
    }

    /// For how long work belongs to whoever has claimed it, if no sign of life comes: 30 seconds unless said, 12 hours at most. While the
    /// process lives leases are made to last longer.
    #[must_use]
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// How long one attempt may take: 5 minutes unless said. Then it is given up, and counts as failed.
    #[must_use]
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// How often a command is tried, a wake-up or an event reacted to, before it has failed: 5 times unless said. Asking after what was
    /// started counts anew each time that there is an answer.
    #[must_use]
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = attempts;
        self
    }

    /// How long to wait before the second attempt, and at most: each pause is twice the last one, give or take a tenth. From one
    /// second to five minutes unless said.
    #[must_use]
    pub fn backoff(mut self, first: Duration, longest: Duration) -> Self {
        self.backoff = Backoff { first, longest };
        self
    }

    /// Reacts to events and dispatches what follows, when it is awaited.
    pub fn run(&self) -> ProcessRun {
        ProcessRun::new(self.clone())
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        let name = self.process.name();
        if name.is_empty() || name.len() > MAX_NAME_BYTES || name.contains('\0') {
            return Err(Error::invalid(format!(
                "process name has {} bytes; expected 1 to {MAX_NAME_BYTES}, without NUL",
                name.len()
            )));
        }
        if self.max_attempts == 0 {
            return Err(Error::invalid("process has 0 attempts; expected at least 1"));
        }
        if self.lease < SHORTEST_LEASE || self.lease > LONGEST_LEASE {
            return Err(Error::invalid(format!(
                "process has leases of {:?}; expected {SHORTEST_LEASE:?} to {LONGEST_LEASE:?}",
                self.lease
            )));
        }
        let times = [("time limit", self.time_limit), ("poll interval", self.profile.poll_every)];
        if let Some((what, _)) = times.iter().find(|(_, time)| time.is_zero()) {
            return Err(Error::invalid(format!("process has a {what} of 0; nothing can be done in no time")));
        }
        let pauses = [self.profile.poll_every, self.backoff.first, self.backoff.longest];
        if pauses.iter().any(|pause| *pause > LONGEST_WAIT) || self.backoff.first > self.backoff.longest {
            return Err(Error::invalid(format!(
                "process has pauses of {pauses:?}: to the next look, the first and the longest before another attempt; expected at most \
                 {LONGEST_WAIT:?}, and the first no longer than the longest"
            )));
        }
        let sizes = [
            ("batch", self.profile.batch),
            ("dispatches", self.profile.dispatches),
            ("status_checks", self.profile.status_checks),
        ];
        match sizes.iter().find(|(_, size)| *size == 0) {
            Some((what, _)) => Err(Error::invalid(format!("profile has {what} 0; expected at least 1"))),
            None => Ok(()),
        }
    }

    /// The name of its group.
    pub(super) fn reserved_name(&self) -> String {
        format!("{PREFIX}{}", self.process.name())
    }

    /// What is known of an instance, up to an event, or as the log is now.
    pub(super) async fn state(&self, key: FieldValue, until: Option<Position>) -> Result<P::State, Error> {
        let filter = self.process.filter().and_all([(self.process.correlated_by(), key)]);
        let apply = |state: &mut P::State, event: &_| self.process.apply(state, event);
        let snapshots = format!("{}@{}", self.reserved_name(), self.process.version());
        let mut fold = self.store.fold(snapshots, &filter, P::State::default(), apply);
        fold = match until {
            Some(position) => fold.until(position),
            // Events that are still to be reacted to could not use a snapshot of now.
            None => fold.save_every(usize::MAX),
        };
        Ok(fold.await?.state)
    }
}

impl<P> Clone for ProcessManager<P> {
    fn clone(&self) -> Self {
        Self {
            store: self.store.clone(),
            process: Arc::clone(&self.process),
            profile: self.profile.clone(),
            start: self.start,
            lease: self.lease,
            time_limit: self.time_limit,
            max_attempts: self.max_attempts,
            backoff: self.backoff,
            news: self.news.clone(),
        }
    }
}

impl<P: Process> fmt::Debug for ProcessManager<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessManager")
            .field("name", &self.process.name())
            .field("profile", &self.profile)
            .finish_non_exhaustive()
    }
}
