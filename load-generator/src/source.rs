//! Where workers have their requests from.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::queue::{QueueEntry, QueueReceiver};
use crate::schedule::Requests;
use crate::tally::Tally;

/// A queue that a schedule fills, or a closed loop.
pub(crate) enum Source {
    Queue(QueueReceiver),
    ClosedLoop(Box<ClosedLoop>),
}

/// Requests that are due as soon as somebody has time for them.
pub(crate) struct ClosedLoop {
    pub(crate) requests: Mutex<Requests>,
    pub(crate) measured_from: Instant,
    pub(crate) end: Instant,
    pub(crate) stop: CancellationToken,
    pub(crate) tally: Arc<Tally>,
}

impl Source {
    /// The next request; `None` at the end. Cancel safe.
    pub(crate) async fn next(&self) -> Option<QueueEntry> {
        // Where an engine answers without waiting, a worker would keep its thread to itself: nobody counted, and no signal
        // were heard.
        tokio::task::coop::consume_budget().await;
        match self {
            Self::Queue(queue) => queue.next().await,
            Self::ClosedLoop(closed) => closed.next(),
        }
    }

    /// Whether its requests waited in a queue.
    pub(crate) fn is_queue(&self) -> bool {
        matches!(self, Self::Queue(_))
    }
}

impl ClosedLoop {
    fn next(&self) -> Option<QueueEntry> {
        let now = Instant::now();
        if now >= self.end || self.stop.is_cancelled() {
            return None;
        }
        let (operation, choice) = self.requests.lock().expect("drawing does not panic").draw();
        let measured = now >= self.measured_from;
        let second = now.saturating_duration_since(self.measured_from).as_secs();
        let second = measured.then(|| usize::try_from(second).unwrap_or(usize::MAX));
        self.tally.offered(second, false, Duration::ZERO);
        Some(QueueEntry { due: now, measured, operation, choice })
    }
}
