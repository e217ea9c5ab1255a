//! Which server may answer.
//!
//! A replica that failed, or turned out not to be a standby, rests for a while, longer each time it fails again. Then
//! it is on probation: one read that could use it asks it first for the head of the log, which a sound server answers
//! at once, while the others pass it over. A server that is frozen so costs one read a second now and then, and not
//! every read half of its time. A replica whose read only took too long is suspect, and put on probation without a rest:
//! one expensive query does not send everybody's reads to the primary.
//!
//! Many reads may be under way when a replica fails. They are one failure: each names how often the replica had failed
//! when it began, and counts only if that is still so.

use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use prometheus::Gauge;
use tokio::time::Instant;
use uuid::Uuid;

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
    log: OnceLock<Uuid>,
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
    lag: Gauge,
}

impl Servers {
    pub(crate) fn new(primary: Arc<dyn Pool>, replicas: Vec<Replica>) -> Self {
        Self { primary, replicas, turn: AtomicUsize::new(0), log: OnceLock::new() }
    }

    /// The identity of the log, as the primary told it first; `None` before it did.
    pub(crate) fn log(&self) -> Option<Uuid> {
        self.log.get().copied()
    }

    pub(crate) fn is_log(&self, id: Uuid) {
        // Known already: a log that was made anew meanwhile has other events too, which tokens notice.
        let _ = self.log.set(id);
    }

    pub(crate) fn primary(&self) -> &Arc<dyn Pool> {
        &self.primary
    }

    /// The replicas that have not failed lately, beginning with the one whose turn it is.
    pub(crate) fn sound_replicas(&self) -> impl Iterator<Item = &Replica> {
        self.in_turn().filter(|replica| !replica.is_on_probation())
    }

    /// The replicas that may be asked now, beginning with the one whose turn it is.
    pub(crate) fn in_rotation(&self) -> impl Iterator<Item = &Replica> {
        self.in_turn().filter(|replica| replica.may_be_asked())
    }

    fn in_turn(&self) -> impl Iterator<Item = &Replica> {
        let count = self.replicas.len();
        let turn = if count > 1 { self.turn.fetch_add(1, Ordering::Relaxed) } else { 0 };
        (0..count).map(move |nth| &self.replicas[turn.wrapping_add(nth) % count])
    }

    pub(crate) fn replicas(&self) -> &[Replica] {
        &self.replicas
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
    pub(crate) fn new(pool: Arc<dyn Pool>, rest_for: Duration, lag: Gauge) -> Self {
        let (failures, resting_until) = (AtomicU32::new(0), AtomicU64::new(0));
        Self { pool, rest_for, failures, resting_until, epoch: Instant::now(), lag }
    }

    pub(crate) fn pool(&self) -> &Arc<dyn Pool> {
        &self.pool
    }

    /// How often it failed since it last served: for a read to name if it fails too.
    pub(crate) fn failures(&self) -> u32 {
        self.failures.load(Ordering::Relaxed)
    }

    /// Takes the replica out of rotation for a while, because of a read that began when it had failed so often.
    pub(crate) fn rest(&self, failures: u32) {
        let rest = self.rest_for.saturating_mul(1 << failures.min(MOST_DOUBLINGS));
        self.fail(failures, failures.saturating_add(1), rest);
    }

    /// Has the next read ask whether the replica is sound.
    pub(crate) fn suspect(&self, failures: u32) {
        self.fail(failures, failures.max(1), Duration::ZERO);
    }

    fn fail(&self, before: u32, after: u32, rest: Duration) {
        if self.failures.compare_exchange(before, after, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            self.resting_until.store(self.now().saturating_add(millis(rest)), Ordering::Relaxed);
        }
    }

    /// Takes it back into rotation: it has served.
    pub(crate) fn has_served(&self) {
        if self.is_on_probation() {
            self.failures.store(0, Ordering::Relaxed);
        }
    }

    /// Whether it has failed and not served since.
    pub(crate) fn is_on_probation(&self) -> bool {
        self.failures() > 0
    }

    /// Notes by how much it was behind when it was read.
    pub(crate) fn lags_by(&self, lag: Duration) {
        self.lag.set(lag.as_secs_f64());
    }

    /// By how much it was behind when it was last read.
    pub(crate) fn lag_seconds(&self) -> f64 {
        self.lag.get()
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
    use crate::pool::{Connector, Dsn, PoolBackend, TlsConnector};
    use crate::settings::Settings;

    fn servers(rest_for: Duration) -> Servers {
        let pool = || {
            let dsn = Dsn::parse("host=localhost user=u", "server", Duration::from_secs(1)).unwrap();
            let connector = Connector::new(dsn, &TlsConnector::none(), true);
            PoolBackend::default().pool(connector, 1, &Settings::default()).unwrap()
        };
        let lag = Gauge::new("lag", "for the test").unwrap();
        Servers::new(pool(), vec![Replica::new(pool(), rest_for, lag)])
    }

    #[tokio::test(start_paused = true)]
    async fn a_replica_that_failed_is_asked_by_one_read_at_a_time_and_ever_more_rarely() {
        let second = Duration::from_secs(1);
        let servers = servers(second);
        let (replica, asked) = (&servers.replicas[0], || servers.in_rotation().count());
        assert_eq!((asked(), asked()), (1, 1));
        // Six reads were under way when it failed.
        (0..6).for_each(|_| replica.rest(0));
        assert_eq!((asked(), replica.failures()), (0, 1), "one failure");
        advance(second).await;
        assert_eq!((asked(), asked()), (1, 0), "one read asks, the next passes it over");
        replica.rest(1);
        advance(second).await;
        assert_eq!(asked(), 0, "the second rest is longer");
        advance(second).await;
        assert_eq!(asked(), 1);
        advance(PROBATION).await;
        assert_eq!(asked(), 1, "a read that never came back does not keep it out");
        replica.has_served();
        assert_eq!((asked(), asked()), (1, 1));
    }
    #[tokio::test(start_paused = true)]
    async fn a_replica_that_only_took_too_long_is_sounded_out_at_once() {
        let servers = servers(Duration::from_secs(1));
        let (replica, asked) = (&servers.replicas[0], || servers.in_rotation().count());
        replica.suspect(0);
        assert!(replica.is_on_probation());
        assert_eq!((asked(), asked()), (1, 0), "one read sounds it out");
        replica.has_served();
        assert_eq!((asked(), asked()), (1, 1));
    }
}
