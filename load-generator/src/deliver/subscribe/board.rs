//! When events were acknowledged, and when they were delivered.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use eventstore::RecordedEvent;
use tokio::time::Instant;

use crate::histogram::Latencies;

/// What all subscribers of a run report to.
#[derive(Debug)]
pub(super) struct Board {
    /// The number of the first event of the run.
    first: u64,
    acknowledged: Mutex<Vec<Instant>>,
    delays: Mutex<Latencies>,
    delivered: AtomicU64,
    misplaced: AtomicU64,
}

/// One subscriber, who is to have every event once and in order.
pub(super) struct Reader {
    board: Arc<Board>,
    next: u64,
}

impl Board {
    pub(super) fn new(first: u64) -> Arc<Self> {
        Arc::new(Self {
            first,
            acknowledged: Mutex::default(),
            delays: Mutex::new(Latencies::new()),
            delivered: AtomicU64::new(0),
            misplaced: AtomicU64::new(0),
        })
    }

    /// The next event was acknowledged just now.
    pub(super) fn is_acknowledged(&self) {
        lock(&self.acknowledged).push(Instant::now());
    }

    pub(super) fn reader(self: &Arc<Self>) -> Reader {
        Reader { board: Arc::clone(self), next: self.first }
    }

    pub(super) fn delivered(&self) -> u64 {
        self.delivered.load(Ordering::Relaxed)
    }

    /// How many events were not the next one of their subscriber.
    pub(super) fn misplaced(&self) -> u64 {
        self.misplaced.load(Ordering::Relaxed)
    }

    /// How long after they were acknowledged events came.
    pub(super) fn delays(&self) -> Latencies {
        lock(&self.delays).clone()
    }
}

impl Reader {
    pub(super) fn reads(&mut self, event: &RecordedEvent) {
        let (board, n) = (&self.board, event.payload["n"].as_u64().unwrap_or_default());
        if n != self.next {
            board.misplaced.fetch_add(1, Ordering::Relaxed);
        }
        self.next = n + 1;
        let nth = usize::try_from(n.saturating_sub(board.first)).unwrap_or(usize::MAX);
        let acknowledged = lock(&board.acknowledged).get(nth).copied();
        // It may be delivered before whoever appended it has the answer.
        let delay = acknowledged.map_or(Duration::ZERO, |then| then.elapsed());
        lock(&board.delays).record(delay);
        board.delivered.fetch_add(1, Ordering::Relaxed);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
