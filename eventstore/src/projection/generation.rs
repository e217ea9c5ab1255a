//! One generation, as it is applied.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use crate::error::{Error, ErrorKind};
use crate::event::RecordedEvent;
use crate::lent::Fault;
use crate::patience::patiently;
use crate::projection::Projector;
use crate::projection::applying::{self, Applied};
use crate::projection::calls::{Calls, Swap};
use crate::projection::definition::Projection;
use crate::subscription::{Batch, Start, Subscribe, Subscription};
use crate::token::Token;

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How often one that is paused looks whether it still is.
const PAUSED_FOR: Duration = Duration::from_millis(250);
/// So close to the head of the log a generation that is built may be as far as the live one.
const CLOSE: u64 = 2_000;

pub(super) struct Generation<P> {
    projector: Projector<P>,
    calls: Calls,
    number: i32,
    is_live: bool,
    /// Whether tables of what was replaced may still be there: also those that another process has replaced, and left.
    is_untidy: bool,
}

impl<P: Projection> Generation<P> {
    pub(super) fn new(projector: Projector<P>, calls: Calls, number: i32) -> Self {
        Self { projector, calls, number, is_live: false, is_untidy: true }
    }

    /// Until it is replaced, or can not go on.
    pub(super) async fn run(mut self) -> Result<(), Error> {
        loop {
            self.is_live = match self.status().await? {
                Some(is_live) => is_live,
                None => return Ok(()),
            };
            let Some(subscription) = self.stand_by().await? else { return Ok(()) };
            match self.follow(subscription).await {
                // Another projector goes on with it, or it was replaced.
                Err(error) if error.kind() == ErrorKind::LeaseLost => {}
                // Tables and checkpoint lie in the same database, and have lost the same.
                Err(error) if error.kind() == ErrorKind::HistoryDiverged => {
                    warn!(%error, projection = self.calls.name, "going on from the checkpoint");
                    sleep(FIRST_PAUSE).await;
                }
                ended => return ended,
            }
        }
    }

    /// Whether it is live; `None` if it is not there any more.
    async fn status(&self) -> Result<Option<bool>, Error> {
        let all = patiently(|| self.calls.store.projection_status(&self.calls.name)).await?;
        let own = all.into_iter().find(|status| i32::try_from(status.generation) == Ok(self.number));
        Ok(own.map(|status| status.is_live))
    }

    /// Waits until nobody else runs it, and makes what is not there. `None` if it is gone.
    async fn stand_by(&self) -> Result<Option<Subscription>, Error> {
        let pause = (self.calls.store.settings().heartbeat_every / 2).min(LONGEST_PAUSE);
        let name = format!("projection/{}#{}", self.calls.name, self.number);
        let mut attempts = 0;
        loop {
            match applying::make(&self.calls, &*self.projector.projection, self.number, self.is_live).await {
                Ok(true) => {}
                Ok(false) => return Ok(None),
                Err(Fault::Store(error)) if error.is_passing() => {
                    warn!(%error, projection = self.calls.name, "its tables can not be made now");
                    sleep(pause).await;
                    continue;
                }
                Err(Fault::Store(error)) => return Err(error),
                Err(Fault::Application(why)) => {
                    attempts += 1;
                    if attempts >= self.projector.max_attempts {
                        let name = &self.calls.name;
                        return Err(Error::invalid(format!(
                            "the tables of projection {name:?} can not be made: {why}"
                        )));
                    }
                    sleep(FIRST_PAUSE).await;
                    continue;
                }
            }
            let subscription = Subscribe::of_projection(&self.calls.store, name.clone());
            let subscription = subscription.filter(&self.projector.projection.filter());
            match subscription.start(Start::Beginning).await {
                Ok(subscription) => {
                    patiently(|| self.calls.resume(self.number)).await?;
                    return Ok(Some(subscription));
                }
                Err(error) if error.kind() == ErrorKind::Unavailable => sleep(pause).await,
                Err(error) => return Err(error),
            }
            if self.status().await?.is_none() {
                return Ok(None);
            }
        }
    }

    async fn follow(&mut self, mut subscription: Subscription) -> Result<(), Error> {
        let look_every = self.calls.store.settings().heartbeat_every.min(LONGEST_PAUSE);
        if self.is_live {
            self.tidy_up().await;
        }
        loop {
            let began = Instant::now();
            let batch = tokio::select! {
                batch = subscription.next() => batch,
                () = sleep(look_every), if !self.is_live || self.is_untidy => {
                    match self.is_live {
                        true => self.tidy_up().await,
                        false => self.take_over().await?,
                    }
                    continue;
                }
            };
            let Some(batch) = batch.transpose()? else { return Ok(()) };
            let worked_since = Instant::now();
            self.apply(&batch).await?;
            self.projector.moved.send_replace(());
            if !self.is_live {
                // The last stretch is a race with the live one.
                let is_close = self.is_close(batch.token()).await?;
                if is_close {
                    self.take_over().await?;
                } else {
                    let worked = worked_since.elapsed();
                    let rest = worked.mul_f64(1.0 / self.projector.build_share - 1.0);
                    // Waiting for events was a rest, too.
                    sleep(rest.saturating_sub(worked_since - began)).await;
                }
            }
        }
    }

    /// All of a batch; where that fails for good, event by event, up to the bad one.
    async fn apply(&self, batch: &Batch) -> Result<(), Error> {
        let events: Vec<&RecordedEvent> = batch.iter().collect();
        let Err(why) = self.attempt(batch, (&events, batch.token()), self.projector.max_attempts).await?
        else {
            return Ok(());
        };
        let [first, .., last] = events.as_slice() else { return Err(self.stop(events[0], &why).await) };
        warn!(
            projection = self.calls.name,
            why, "events {} to {} could not be applied together", first.position, last.position
        );
        for event in &events {
            let up_to = Token::new(event.position, event.id);
            let one = std::slice::from_ref(event);
            if let Err(why) = self.attempt(batch, (one, up_to), self.projector.max_attempts).await? {
                return Err(self.stop(event, &why).await);
            }
        }
        // What lies behind the last one matches nothing.
        match self.attempt(batch, (&[], batch.token()), 1).await? {
            Ok(()) => Ok(()),
            Err(why) => Err(self.stop(last, &why).await),
        }
    }

    /// Applied, or why not after so many attempts.
    async fn attempt(
        &self,
        batch: &Batch,
        (events, up_to): (&[&RecordedEvent], Token),
        attempts: u32,
    ) -> Result<Result<(), String>, Error> {
        let (mut failed, mut pause) = (0, FIRST_PAUSE);
        loop {
            match applying::apply(
                &self.calls,
                &*self.projector.projection,
                self.number,
                batch,
                (events, up_to),
            )
            .await
            {
                Ok(Applied::Committed) => return Ok(Ok(())),
                Ok(Applied::Paused) => {
                    sleep(PAUSED_FOR).await;
                    continue;
                }
                Ok(Applied::Gone) => return Err(self.was_replaced()),
                Err(Fault::Store(error)) if error.is_passing() => {
                    warn!(%error, projection = self.calls.name, "events can not be applied now");
                }
                Err(Fault::Store(error)) => return Err(error),
                Err(Fault::Application(why)) => {
                    failed += 1;
                    if failed >= attempts {
                        return Ok(Err(why));
                    }
                    warn!(why, projection = self.calls.name, attempt = failed, "events were not applied");
                }
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Notes where it stops, and why.
    async fn stop(&self, event: &RecordedEvent, why: &str) -> Error {
        let name = &self.calls.name;
        if let Err(error) = self.calls.fail(self.number, event.position, why).await {
            warn!(%error, projection = name, "that it has stopped could not be noted");
        }
        let (position, event_type) = (event.position, &event.event_type);
        Error::invalid(format!(
            "projection {name:?} has stopped at position {position} ({event_type}): {why}"
        ))
    }

    /// Whether it may be as far as the live one.
    async fn is_close(&self, reached: Token) -> Result<bool, Error> {
        let head = patiently(|| self.calls.store.head()).await?;
        Ok(head.position().get() <= reached.position().get() + CLOSE)
    }

    /// Takes the place of the live one, if it is as far.
    async fn take_over(&mut self) -> Result<(), Error> {
        let generations = patiently(|| self.calls.store.projection_status(&self.calls.name)).await?;
        let own = generations.iter().find(|status| i32::try_from(status.generation) == Ok(self.number));
        let own = own.map(|status| status.checkpoint).ok_or_else(|| self.was_replaced())?;
        let filter = self.projector.projection.filter();
        match patiently(|| applying::swap(&self.calls, self.number, (&filter, own))).await? {
            Swap::Behind(_) => {}
            Swap::Gone => return Err(self.was_replaced()),
            // It was swapped when the connection died.
            Swap::IsLive => {
                self.is_live = true;
                self.tidy_up().await;
            }
            Swap::Swapped => {
                self.is_live = true;
                info!(projection = self.calls.name, generation = self.number, "is live");
                self.tidy_up().await;
            }
        }
        Ok(())
    }

    /// Drops what was replaced, unless somebody still reads it: then at another time.
    async fn tidy_up(&mut self) {
        match applying::drop_orphans(&self.calls, self.number).await {
            Ok(()) => self.is_untidy = false,
            Err(error) => {
                warn!(%error, projection = self.calls.name, "what was replaced is still there");
            }
        }
    }

    fn was_replaced(&self) -> Error {
        Error::new(ErrorKind::LeaseLost, format!("projection {:?} was replaced, or deleted", self.calls.name))
    }
}
