//! The queue between schedule and workers.

use std::time::Instant;

use crate::scenario::Operation;

/// A request that is due.
#[derive(Debug, Clone, Copy)]
pub(crate) struct QueueEntry {
    pub(crate) due: Instant,
    /// Whether it counts: not in the warm-up.
    pub(crate) measured: bool,
    pub(crate) operation: Operation,
    /// What its random choices are made from.
    pub(crate) choice: u64,
}

/// What became of an offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offer {
    Queued,
    /// The queue was full: backpressure.
    Rejected,
}

/// The schedule's end.
#[derive(Debug, Clone)]
pub(crate) struct QueueSender(async_channel::Sender<QueueEntry>);

/// A worker's end.
#[derive(Debug, Clone)]
pub(crate) struct QueueReceiver(async_channel::Receiver<QueueEntry>);

/// A queue with so many places.
pub(crate) fn bounded(places: usize) -> (QueueSender, QueueReceiver) {
    let (sender, receiver) = async_channel::bounded(places);
    (QueueSender(sender), QueueReceiver(receiver))
}

/// A queue that is never full.
pub(crate) fn unbounded() -> (QueueSender, QueueReceiver) {
    let (sender, receiver) = async_channel::unbounded();
    (QueueSender(sender), QueueReceiver(receiver))
}

impl QueueSender {
    /// Never waits.
    pub(crate) fn offer(&self, entry: QueueEntry) -> Offer {
        match self.0.try_send(entry) {
            Ok(()) => Offer::Queued,
            Err(_) => Offer::Rejected,
        }
    }

    /// Lets the workers end when they have emptied the queue.
    pub(crate) fn close(&self) {
        self.0.close();
    }
}

impl QueueReceiver {
    /// The next request; `None` at the end. Cancel safe.
    pub(crate) async fn next(&self) -> Option<QueueEntry> {
        self.0.recv().await.ok()
    }

    /// One that waits, before a worker takes it.
    pub(crate) fn take_back(&self) -> Option<QueueEntry> {
        self.0.try_recv().ok()
    }
}
