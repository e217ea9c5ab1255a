//! How many appends wait, told as they come and as they are taken.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::telemetry::Metrics;

/// The gauge of waiting appends. The writer's task tells it what is left at each batch; a call may hang for long after that, so callers
/// tell it as well.
#[derive(Debug)]
pub(super) struct Depth {
    metrics: Arc<Metrics>,
    /// What the task has received and not sent, when it last told.
    received: AtomicUsize,
}

impl Depth {
    pub(super) fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics, received: AtomicUsize::new(0) }
    }

    /// A request is about to be put into an inbox that has so many, and room for so many. To be told before it is put there: the task,
    /// which tells after it has taken it, has the last word.
    pub(super) fn comes(&self, in_inbox: usize, room: usize) {
        self.show(self.received.load(Ordering::Relaxed) + (in_inbox + 1).min(room));
    }

    /// What waits in the task and in its inbox.
    pub(super) fn is(&self, received: usize, in_inbox: usize) {
        self.received.store(received, Ordering::Relaxed);
        self.show(received + in_inbox);
    }

    fn show(&self, waiting: usize) {
        self.metrics.append_queue_depth.set(i64::try_from(waiting).unwrap_or(i64::MAX));
    }
}
