//! The feeder: notes which keys the events of the log change. One process at a time does; the others stand by.
//!
//! It is one future of the run, without a task or an inbox of its own: what it has not noted yet is in the log, after its checkpoint. When
//! it dies, another one goes on from there.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tracing::warn;
use uuid::Uuid;

use crate::error::{Error, ErrorKind};
use crate::event::RecordedEvent;
use crate::lent::{Lent, in_time};
use crate::panic;
use crate::patience::patiently;
use crate::recompute::calls::{Calls, Changes};
use crate::recompute::definition::Recomputed;
use crate::recompute::recomputer::Recomputer;
use crate::subscription::{Batch, Start, Subscribe, Subscription};

const MAX_KEY_BYTES: usize = 1_000;
const FIRST_PAUSE: Duration = Duration::from_millis(50);

pub(super) struct Feeder<R> {
    recomputer: Recomputer<R>,
    calls: Arc<Calls>,
}

impl<R: Recomputed> Feeder<R> {
    pub(super) fn new(recomputer: Recomputer<R>, calls: Arc<Calls>) -> Self {
        Self { recomputer, calls }
    }

    /// Has no end but an error.
    pub(super) async fn run(&self) -> Result<(), Error> {
        loop {
            let subscription = self.stand_by().await?;
            match self.follow(subscription).await {
                // Another process goes on with it.
                Err(error) if error.kind() == ErrorKind::LeaseLost => {}
                // The notes and the checkpoint lie in the same database, and have lost the same. What is shown may have been read before.
                Err(error) if error.kind() == ErrorKind::HistoryDiverged => {
                    warn!(%error, projection = self.calls.name, "going on from the checkpoint; all keys are recomputed");
                    patiently(|| self.calls.requeue(None)).await?;
                    self.recomputer.news.send_replace(());
                    sleep(FIRST_PAUSE).await;
                }
                ended => return ended,
            }
        }
    }

    /// Waits until nobody else does it.
    async fn stand_by(&self) -> Result<Subscription, Error> {
        let (store, filter) = (&self.recomputer.store, self.recomputer.projection.filter());
        let pause = store.settings().heartbeat_every / 2;
        loop {
            let subscription = Subscribe::of_projection(store, self.calls.subscription()).filter(&filter);
            match subscription.start(Start::Beginning).await {
                Err(error) if error.kind() == ErrorKind::Unavailable => sleep(pause).await,
                started => return started,
            }
        }
    }

    async fn follow(&self, mut subscription: Subscription) -> Result<(), Error> {
        while let Some(batch) = subscription.next().await {
            let batch = batch?;
            let changes = self.changes(&batch)?;
            patiently(|| self.note(&batch, &changes)).await?;
            if !changes.keys.is_empty() {
                self.recomputer.news.send_replace(());
            }
        }
        Ok(())
    }

    /// Each key once, with the last event that changes it.
    fn changes(&self, batch: &Batch) -> Result<Changes, Error> {
        let mut last: HashMap<String, &RecordedEvent> = HashMap::new();
        for event in batch.iter() {
            for key in self.keys(event)? {
                last.insert(key, event);
            }
        }
        let mut changes = Changes::default();
        for (key, event) in last {
            let id: Uuid = event.id.uuid();
            changes.keys.push(key);
            changes.positions.push(event.position.to_sql());
            changes.ids.push(id);
        }
        Ok(changes)
    }

    fn keys(&self, event: &RecordedEvent) -> Result<Vec<String>, Error> {
        let refused = |why: String| {
            let (name, position, event_type) = (&self.calls.name, event.position, &event.event_type);
            Error::invalid(format!(
                "recomputed projection {name:?} at position {position} ({event_type}): {why}"
            ))
        };
        let keys = catch_unwind(AssertUnwindSafe(|| self.recomputer.projection.keys(event)))
            .map_err(|panicked| refused(format!("its keys panicked: {}", panic::text(&*panicked))))?;
        let is_bad = |key: &&String| key.is_empty() || key.len() > MAX_KEY_BYTES || key.contains('\0');
        match keys.iter().find(is_bad).map(String::len) {
            None => Ok(keys),
            Some(bytes) => {
                Err(refused(format!("a key has {bytes} bytes; expected 1 to {MAX_KEY_BYTES}, without NUL")))
            }
        }
    }

    /// Notes a batch, and moves the checkpoint. It may be done again: what was noted stays as it is.
    async fn note(&self, batch: &Batch, changes: &Changes) -> Result<(), Error> {
        if changes.keys.is_empty() {
            return batch.commit().await;
        }
        let borrower = self.calls.borrower();
        let mut lent = Lent::of(borrower).await?;
        let transaction = in_time(borrower, lent.client().transaction()).await?;
        in_time(borrower, self.calls.queue(&transaction, changes)).await?;
        batch.commit_in(&transaction).await?;
        in_time(borrower, transaction.commit()).await?;
        lent.has_ended();
        batch.is_committed(batch.token());
        Ok(())
    }
}
