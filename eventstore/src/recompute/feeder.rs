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

use crate::error::{Error, ErrorKind};
use crate::event::RecordedEvent;
use crate::lent::{Lent, in_time, in_time_of};
use crate::panic;
use crate::patience::patiently;
use crate::recompute::calls::{Calls, Changes};
use crate::recompute::definition::Recomputed;
use crate::recompute::recomputer::{Recomputer, check_key};
use crate::subscription::{Batch, Start, Subscribe, Subscription};

/// How many keys one statement notes.
const PIECE: usize = 10_000;
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
                    self.calls.requeue_all().await?;
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
            if !changes.is_empty() {
                self.recomputer.news.send_replace(());
            }
        }
        Ok(())
    }

    /// Each key once, with the last event that changes it; in pieces, none of which takes long.
    fn changes(&self, batch: &Batch) -> Result<Vec<Changes>, Error> {
        let mut last: HashMap<String, &RecordedEvent> = HashMap::new();
        for event in batch.iter() {
            for key in self.keys(event)? {
                last.insert(key, event);
            }
        }
        // In the order in which rows are locked.
        let mut last: Vec<_> = last.into_iter().collect();
        last.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        let mut changes = Vec::new();
        for piece in last.chunks(PIECE) {
            changes.push(Changes {
                keys: piece.iter().map(|(key, _)| key.clone()).collect(),
                positions: piece.iter().map(|(_, event)| event.position.to_sql()).collect(),
                ids: piece.iter().map(|(_, event)| event.id.uuid()).collect(),
            });
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
        match keys.iter().find_map(|key| check_key(key).err()) {
            None => Ok(keys),
            Some(error) => Err(refused(error.to_string())),
        }
    }

    /// Notes a batch, and moves the checkpoint. It may be done again: what was noted stays as it is.
    async fn note(&self, batch: &Batch, changes: &[Changes]) -> Result<(), Error> {
        if changes.is_empty() {
            return batch.commit().await;
        }
        let borrower = self.calls.borrower();
        let mut lent = Lent::of(borrower).await?;
        let transaction = in_time(borrower, lent.client().transaction()).await?;
        for piece in changes {
            in_time(borrower, self.calls.queue(&transaction, piece)).await?;
        }
        in_time_of(borrower, batch.commit_in(&transaction)).await?;
        in_time(borrower, transaction.commit()).await?;
        lent.has_ended();
        batch.is_committed(batch.token());
        Ok(())
    }
}
