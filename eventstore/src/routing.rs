//! Which server may answer.
//!
//! A replica that failed, or turned out not to be a standby, rests for a while and is then tried again by the next
//! read that could use it: that read tells by itself whether the replica is sound.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::pool::Pool;

/// The servers of one log.
#[derive(Debug)]
pub(crate) struct Servers {
    primary: Arc<dyn Pool>,
    replicas: Vec<Replica>,
    turn: AtomicUsize,
}

/// A standby, or what was given as one.
#[derive(Debug)]
pub(crate) struct Replica {
    pool: Arc<dyn Pool>,
    rest_for: Duration,
    /// When it may be tried again, in milliseconds since `epoch`.
    resting_until: AtomicU64,
    epoch: Instant,
}

impl Servers {
    pub(crate) fn new(primary: Arc<dyn Pool>, replicas: Vec<Arc<dyn Pool>>, rest_for: Duration) -> Self {
        let replica =
            |pool| Replica { pool, rest_for, resting_until: AtomicU64::new(0), epoch: Instant::now() };
        Self { primary, replicas: replicas.into_iter().map(replica).collect(), turn: AtomicUsize::new(0) }
    }

    pub(crate) fn primary(&self) -> &Arc<dyn Pool> {
        &self.primary
    }

    pub(crate) fn replicas(&self) -> &[Replica] {
        &self.replicas
    }

    /// The replicas in rotation, beginning with the one whose turn it is.
    pub(crate) fn in_rotation(&self) -> impl Iterator<Item = &Replica> {
        let count = self.replicas.len();
        let turn = if count > 1 { self.turn.fetch_add(1, Ordering::Relaxed) } else { 0 };
        let in_turn = (0..count).map(move |nth| &self.replicas[turn.wrapping_add(nth) % count]);
        in_turn.filter(|replica| replica.is_in_rotation())
    }

    /// Gives out no more connections.
    pub(crate) fn close(&self) {
        self.primary.close();
        for replica in &self.replicas {
            replica.pool.close();
        }
    }
}

impl Replica {
    pub(crate) fn pool(&self) -> &Arc<dyn Pool> {
        &self.pool
    }

    /// Takes the replica out of rotation for a while.
    pub(crate) fn rest(&self) {
        self.resting_until.store(self.now() + millis(self.rest_for), Ordering::Relaxed);
    }

    fn is_in_rotation(&self) -> bool {
        self.now() >= self.resting_until.load(Ordering::Relaxed)
    }

    fn now(&self) -> u64 {
        millis(self.epoch.elapsed())
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
