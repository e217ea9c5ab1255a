//! Which server may answer.
//!
//! A replica that failed, or turned out not to be a standby, rests for a while, longer each time it fails again. Then
//! it is on probation: one read that could use it asks it first for the head of the log, which a sound server answers
//! at once, while the others pass it over. A server that is frozen so costs one read a second now and then, and not
//! every read half of its time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::pool::Pool;

/// How long a replica on probation has to answer.
pub(crate) const PROBATION: Duration = Duration::from_secs(1);
/// A rest doubles at most so many times.
const MOST_DOUBLINGS: u32 = 5;

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
    /// How often it failed since it last served.
    failures: AtomicU32,
    /// When it may be tried again, in milliseconds since `epoch`.
    resting_until: AtomicU64,
    epoch: Instant,
}

impl Servers {
    pub(crate) fn new(primary: Arc<dyn Pool>, replicas: Vec<Arc<dyn Pool>>, rest_for: Duration) -> Self {
        let replica = |pool| Replica {
            pool,
            rest_for,
            failures: AtomicU32::new(0),
            resting_until: AtomicU64::new(0),
            epoch: Instant::now(),
        };
        Self { primary, replicas: replicas.into_iter().map(replica).collect(), turn: AtomicUsize::new(0) }
    }

    pub(crate) fn primary(&self) -> &Arc<dyn Pool> {
        &self.primary
    }

    pub(crate) fn replicas(&self) -> &[Replica] {
        &self.replicas
    }

    /// The replicas that may be asked now, beginning with the one whose turn it is.
    pub(crate) fn in_rotation(&self) -> impl Iterator<Item = &Replica> {
        let count = self.replicas.len();
        let turn = if count > 1 { self.turn.fetch_add(1, Ordering::Relaxed) } else { 0 };
        let in_turn = (0..count).map(move |nth| &self.replicas[turn.wrapping_add(nth) % count]);
        in_turn.filter(|replica| replica.may_be_asked())
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
        let failures = self.failures.fetch_add(1, Ordering::Relaxed);
        let rest = self.rest_for.saturating_mul(1 << failures.min(MOST_DOUBLINGS));
        self.resting_until.store(self.now().saturating_add(millis(rest)), Ordering::Relaxed);
    }

    /// Takes it back into rotation: it has served.
    pub(crate) fn has_served(&self) {
        if self.is_on_probation() {
            self.failures.store(0, Ordering::Relaxed);
        }
    }

    /// Whether it has failed and not served since.
    pub(crate) fn is_on_probation(&self) -> bool {
        self.failures.load(Ordering::Relaxed) > 0
    }

    fn may_be_asked(&self) -> bool {
        if !self.is_on_probation() {
            return true;
        }
        let (now, until) = (self.now(), self.resting_until.load(Ordering::Relaxed));
        // Whoever sets the end of the next rest is the one who asks; the others see it resting.
        let next = now.saturating_add(millis(PROBATION));
        now >= until
            && self.resting_until.compare_exchange(until, next, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    fn now(&self) -> u64 {
        millis(self.epoch.elapsed())
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;
    use crate::pool::{Connector, DeadPool, Dsn, TlsConnector};
    use crate::settings::Settings;

    fn servers(rest_for: Duration) -> Servers {
        let pool = || -> Arc<dyn Pool> {
            let dsn = Dsn::parse("host=localhost user=u", "server", Duration::from_secs(1)).unwrap();
            let connector = Connector::new(dsn, &TlsConnector::none());
            Arc::new(DeadPool::new(connector, 1, &Settings::default()).unwrap())
        };
        Servers::new(pool(), vec![pool()], rest_for)
    }

    #[tokio::test(start_paused = true)]
    async fn a_replica_that_failed_is_asked_by_one_read_at_a_time_and_ever_more_rarely() {
        let second = Duration::from_secs(1);
        let servers = servers(second);
        let (replica, asked) = (&servers.replicas()[0], || servers.in_rotation().count());
        assert_eq!((asked(), asked()), (1, 1));
        replica.rest();
        assert_eq!(asked(), 0);
        advance(second).await;
        assert_eq!((asked(), asked()), (1, 0), "one read asks, the next passes it over");
        replica.rest();
        advance(second).await;
        assert_eq!(asked(), 0, "the second rest is longer");
        advance(second).await;
        assert_eq!(asked(), 1);
        advance(PROBATION).await;
        assert_eq!(asked(), 1, "a read that never came back does not keep it out");
        replica.has_served();
        assert_eq!((asked(), asked()), (1, 1));
    }
}
