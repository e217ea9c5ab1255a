//! How far the clients have come.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use eventstore::Error;
use tokio::sync::watch;

/// Counted by the clients of one process, and waited for by the injector.
#[derive(Debug, Default)]
pub(super) struct Progress {
    acknowledged: watch::Sender<u64>,
    /// When, one by one.
    acknowledged_at: Mutex<Vec<Instant>>,
    refused: watch::Sender<u64>,
    reasons: Mutex<BTreeMap<String, u64>>,
}

impl Progress {
    /// An append was acknowledged.
    pub(super) fn acknowledged(&self) {
        self.acknowledged_at.lock().unwrap_or_else(PoisonError::into_inner).push(Instant::now());
        self.acknowledged.send_modify(|count| *count += 1);
    }

    /// An append was refused, or has no answer, but not for its condition.
    pub(super) fn refused(&self) {
        self.refused.send_modify(|count| *count += 1);
    }

    /// What an append or a read was told, by SQLSTATE where the server said one.
    pub(super) fn told(&self, error: &Error) {
        let reason = error.sqlstate().map_or_else(|| error.kind().to_string(), str::to_owned);
        *self.reasons.lock().unwrap_or_else(PoisonError::into_inner).entry(reason).or_default() += 1;
    }

    /// How many appends were acknowledged, as it grows.
    pub(super) fn acknowledgements(&self) -> watch::Receiver<u64> {
        self.acknowledged.subscribe()
    }

    /// The longest time without an acknowledgement that ended since an instant: when it began and ended.
    pub(super) fn longest_gap(&self, since: Instant) -> Option<(Instant, Instant)> {
        let at = self.acknowledged_at.lock().unwrap_or_else(PoisonError::into_inner);
        // Clients are many: neighbours may have overtaken each other by a little.
        let first = at.partition_point(|at| *at < since).saturating_sub(1);
        let gaps = at[first..].windows(2).map(|pair| (pair[0], pair[1]));
        gaps.max_by_key(|(began, ended)| ended.saturating_duration_since(*began))
    }

    /// How many appends were refused, as it grows.
    pub(super) fn refusals(&self) -> watch::Receiver<u64> {
        self.refused.subscribe()
    }

    /// How often which error was told.
    pub(super) fn reasons(&self) -> BTreeMap<String, u64> {
        self.reasons.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
