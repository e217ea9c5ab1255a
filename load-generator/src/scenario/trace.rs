//! What a request meets on its way.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::scenario::Staleness;

/// Counted also if the request does not come to its end.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    conflicts: AtomicU64,
    retries: AtomicU64,
    staleness: OnceLock<Staleness>,
}

impl Trace {
    pub(crate) fn conflict(&self) {
        self.conflicts.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn retry(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes how old the answer of a query was.
    pub(crate) fn stale(&self, staleness: Staleness) {
        // A request reads once; of two reads the first would count.
        let _ = self.staleness.set(staleness);
    }

    pub(crate) fn conflicts(&self) -> u64 {
        self.conflicts.load(Ordering::Relaxed)
    }

    pub(crate) fn retries(&self) -> u64 {
        self.retries.load(Ordering::Relaxed)
    }

    /// `None` of a command, and of a query whose engine does not say up to where its answer is complete.
    pub(crate) fn staleness(&self) -> Option<Staleness> {
        self.staleness.get().copied()
    }
}
