//! A projection, and the store that it is run on.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::deadline;
use crate::error::{Error, ErrorKind};
use crate::projection::ProjectionStatus;
use crate::projection::calls::Calls;
use crate::projection::definition::{Projection, Views};
use crate::projection::run::ProjectorRun;
use crate::store::EventStore;
use crate::token::Token;
use crate::visibility::check_event;

const MAX_ATTEMPTS: u32 = 5;
/// How long whoever waits for a view lets pass until the checkpoint is looked at again, where another process applies events.
const PAUSES_MS: [u64; 6] = [1, 2, 5, 10, 20, 50];

impl EventStore {
    /// A projection of this log: run it with [`Projector::run`], or wait for what another process runs.
    ///
    /// ```no_run
    /// # use eventstore::{Error, EventStore, NewEvent, Projection};
    /// # use std::{future::IntoFuture as _, time::Duration};
    /// # async fn lend(store: EventStore, loans: impl Projection, lent: NewEvent) -> Result<(), Error> {
    /// let loans = store.projection(loans);
    /// tokio::spawn(loans.run().into_future());
    /// let receipt = store.append([lent]).await?;
    /// loans.wait_for(receipt.token(), Duration::from_secs(1)).await?;   // and now the view has it
    /// # Ok(())
    /// # }
    /// ```
    pub fn projection<P: Projection>(&self, projection: P) -> Projector<P> {
        Projector {
            store: self.clone(),
            projection: Arc::new(projection),
            max_attempts: MAX_ATTEMPTS,
            build_share: 0.5,
            moved: watch::channel(()).0,
        }
    }
}

/// A projection on a store. Cheap to clone; made by [`EventStore::projection`].
pub struct Projector<P> {
    pub(super) store: EventStore,
    pub(super) projection: Arc<P>,
    pub(super) max_attempts: u32,
    pub(super) build_share: f64,
    /// Told when a checkpoint has moved here.
    pub(super) moved: watch::Sender<()>,
}

impl<P: Projection> Projector<P> {
    /// How often events are applied before the projection stops at them; 5 unless said, and at least once.
    #[must_use]
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = attempts.max(1);
        self
    }

    /// Which share of the time a generation is worked at that is being built, from 0.01 to 1: a half unless said. It rests for the
    /// others, who are to be served meanwhile.
    #[must_use]
    pub fn build_share(mut self, share: f64) -> Self {
        self.build_share = if share.is_nan() { 0.5 } else { share.clamp(0.01, 1.0) };
        self
    }

    /// The schema in which readers find the tables, unquoted.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for a name that is not valid.
    pub fn view_schema(&self) -> Result<String, Error> {
        Ok(self.calls()?.views.live().to_owned())
    }

    /// Applies what is there, and what comes, when it is awaited.
    pub fn run(&self) -> ProjectorRun {
        ProjectorRun::new(self.clone())
    }

    /// Returns when the live view, as the primary has it, shows everything up to a token, whoever runs the projection: read your own
    /// writes in it then.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable) if it is not as far in time, or not there; [`Invalid`](crate::ErrorKind::Invalid) if it
    /// has stopped before; [`HistoryDiverged`](crate::ErrorKind::HistoryDiverged) if the log does not have the event of the token;
    /// [`Closed`](crate::ErrorKind::Closed).
    ///
    /// # Cancellation
    /// Safe.
    pub async fn wait_for(&self, token: Token, within: Duration) -> Result<(), Error> {
        let (calls, until) = (self.calls()?, deadline::after(within));
        check_event(&self.store, token, until).await?;
        let (mut moved, mut looks) = (self.moved.subscribe(), 0);
        loop {
            moved.mark_unchanged();
            let generations = self.store.projection_status(&calls.name).await?;
            let live = generations.iter().find(|generation| generation.is_live);
            if let Some(live) = live
                && self.is_shown(live, token).await?
            {
                return Ok(());
            }
            let pause = Duration::from_millis(PAUSES_MS[looks.min(PAUSES_MS.len() - 1)]);
            looks += 1;
            if Instant::now() + pause > until {
                let (name, wanted) = (&calls.name, token.position());
                let why = match live.map(|live| live.checkpoint.position()) {
                    Some(at) => format!(
                        "projection {name:?} is at position {at} and did not come to {wanted} within {within:?}"
                    ),
                    None => format!("there is no projection {name:?}, and none was begun within {within:?}"),
                };
                return Err(Error::timeout(ErrorKind::Unavailable, why));
            }
            tokio::select! {
                // This handle's own projector may have ended.
                Ok(()) = moved.changed() => {}
                () = sleep_until(Instant::now() + pause) => {}
            }
        }
    }

    /// Whether the view has everything up to a token that it is to have.
    async fn is_shown(&self, live: &ProjectionStatus, token: Token) -> Result<bool, Error> {
        if live.checkpoint.position() >= token.position() {
            return Ok(true);
        }
        // What does not match need not be waited for. What another version sees is not known here.
        if live.version == self.projection.version() {
            let missing = self.store.query(&self.projection.filter()).after(live.checkpoint);
            if missing.until(token.position()).limit(1).await?.is_empty() {
                return Ok(true);
            }
        }
        match &live.failure {
            None => Ok(false),
            Some(failure) => Err(Error::invalid(format!(
                "projection {:?} has stopped at position {}: {}",
                live.name, failure.position, failure.why
            ))),
        }
    }

    pub(super) fn calls(&self) -> Result<Calls, Error> {
        let name = self.projection.name();
        let views = Views::new(&self.store.inner().schema, name)?;
        Ok(Calls { store: self.store.clone(), name: name.to_owned(), views })
    }
}

impl<P> Clone for Projector<P> {
    fn clone(&self) -> Self {
        Self {
            store: self.store.clone(),
            projection: Arc::clone(&self.projection),
            max_attempts: self.max_attempts,
            build_share: self.build_share,
            moved: self.moved.clone(),
        }
    }
}

impl<P: Projection> fmt::Debug for Projector<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Projector")
            .field("name", &self.projection.name())
            .field("version", &self.projection.version())
            .finish_non_exhaustive()
    }
}
