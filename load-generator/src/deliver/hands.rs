//! Those who take events of a group and say that they are done: recorded.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use eventstore::{Delivery, ErrorKind, RecordedEvent, Worker};
use testutil::checker::{Action, Answer, Digest, Handed, Recorder};
use tokio_util::sync::CancellationToken;

use crate::error::RunError;
use crate::histogram::Latencies;

/// What all hands of a group share.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) group: String,
    pub(super) recorder: Arc<Recorder>,
    /// How many are said to be done, and how many there are in all.
    pub(super) done: AtomicU64,
    pub(super) in_all: u64,
    pub(super) failed: AtomicU64,
    /// All are done.
    pub(super) over: CancellationToken,
}

impl Desk {
    pub(super) fn new(group: &str, recorder: Arc<Recorder>, in_all: u64) -> Arc<Self> {
        let (done, failed, over) = (AtomicU64::new(0), AtomicU64::new(0), CancellationToken::new());
        Arc::new(Self { group: group.to_owned(), recorder, done, in_all, failed, over })
    }

    pub(super) fn is_handed(&self, client: u64, event: &RecordedEvent) -> Result<(), RunError> {
        let handed =
            Handed { group: self.group.clone(), position: event.position.get(), event: digest(event) };
        let pending = self.recorder.begin(client, Action::Handed(handed)).map_err(unrecorded)?;
        self.recorder.end(&pending, Answer::Done).map_err(unrecorded)
    }

    /// Says that it is done, and notes whether that was acknowledged.
    pub(super) async fn done(&self, client: u64, delivery: &Delivery) -> Result<(), RunError> {
        let action =
            Action::Settled { group: self.group.clone(), position: delivery.position.get(), is_done: true };
        let pending = self.recorder.begin(client, action).map_err(unrecorded)?;
        match delivery.done().await {
            Ok(()) => {
                self.recorder.end(&pending, Answer::Done).map_err(unrecorded)?;
                self.is_over();
            }
            // Somebody else does it again.
            Err(error) if error.kind() == ErrorKind::LeaseLost => {
                let (group, position) = (self.group.clone(), delivery.position.get());
                let refused = Action::Settled { group, position, is_done: false };
                let pending = self.recorder.begin(client, refused).map_err(unrecorded)?;
                self.recorder.end(&pending, Answer::Done).map_err(unrecorded)?;
            }
            Err(_) => {
                self.failed.fetch_add(1, Ordering::Relaxed);
                self.is_over();
            }
        }
        Ok(())
    }

    /// One more is done, or failed.
    fn is_over(&self) {
        if self.done.fetch_add(1, Ordering::Relaxed) + 1 == self.in_all {
            self.over.cancel();
        }
    }
}

/// How long events were waited for, and then the word that they are done.
#[derive(Debug)]
pub(super) struct Waits {
    pub(super) claims: Latencies,
    pub(super) answers: Latencies,
}

impl Waits {
    pub(super) fn new() -> Self {
        Self { claims: Latencies::new(), answers: Latencies::new() }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.claims.merge(&other.claims);
        self.answers.merge(&other.answers);
    }
}

/// Takes events one after the other until all are done.
pub(super) async fn take(worker: Arc<Worker>, desk: Arc<Desk>, client: u64) -> Result<Waits, RunError> {
    let mut waits = Waits::new();
    loop {
        let asked = Instant::now();
        let delivery = tokio::select! {
            biased;
            () = desk.over.cancelled() => return Ok(waits),
            delivery = worker.next() => delivery?,
        };
        waits.claims.record(asked.elapsed());
        desk.is_handed(client, &delivery)?;
        let handed = Instant::now();
        desk.done(client, &delivery).await?;
        waits.answers.record(handed.elapsed());
    }
}

pub(super) fn digest(event: &RecordedEvent) -> Digest {
    Digest::new(event.id.uuid(), event.event_type.as_str(), &event.payload, &event.metadata)
}

pub(super) fn unrecorded(error: std::io::Error) -> RunError {
    RunError::io("recording a history")(error)
}
