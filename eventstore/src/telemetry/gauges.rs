//! The figures of one replica, subscription, group or cache.

use std::time::Duration;

use prometheus::{Gauge, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};

use crate::position::Position;
use crate::telemetry::HeadClock;

/// How far a replica is behind, when it was last looked at, and whether reads go there.
#[derive(Debug)]
pub(crate) struct ReplicaGauges {
    pub(crate) seconds: Gauge,
    pub(crate) events: IntGauge,
    pub(crate) bytes: IntGauge,
    pub(crate) in_rotation: IntGauge,
}

impl ReplicaGauges {
    pub(crate) fn lags_by(&self, time: Duration, events: u64, bytes: Option<i64>) {
        self.seconds.set(time.as_secs_f64());
        self.events.set(i64::try_from(events).unwrap_or(i64::MAX));
        if let Some(bytes) = bytes {
            self.bytes.set(bytes);
        }
    }
}

/// What the dispatcher of a process manager does.
#[derive(Debug)]
pub(crate) struct ProcessGauges {
    pub(super) name: String,
    pub(super) outcomes: IntCounterVec,
    pub(super) in_flight: IntGaugeVec,
}

impl ProcessGauges {
    pub(crate) fn settles(&self, kind: &str, outcome: &str) {
        self.outcomes.with_label_values(&[&self.name, kind, outcome]).inc();
    }

    pub(crate) fn holds(&self, kind: &str, work: usize) {
        self.in_flight
            .with_label_values(&[self.name.as_str(), kind])
            .set(i64::try_from(work).unwrap_or(i64::MAX));
    }
}

/// What a member of a consumer group does.
#[derive(Debug)]
pub(crate) struct GroupGauges {
    pub(super) name: String,
    pub(super) claims: IntCounter,
    pub(super) redeliveries: IntCounter,
    pub(super) outcomes: IntCounterVec,
    pub(super) lease_losses: IntCounter,
    pub(super) in_flight: IntGauge,
    pub(super) parked: IntGauge,
    pub(super) lag: LagGauges,
}

impl GroupGauges {
    pub(crate) fn claims(&self, events: usize) {
        self.claims.inc_by(events as u64);
    }

    pub(crate) fn hands_over(&self, again: bool) {
        self.redeliveries.inc_by(again.into());
    }

    pub(crate) fn settles(&self, outcome: &str) {
        self.outcomes.with_label_values(&[&self.name, outcome]).inc();
    }

    pub(crate) fn loses_lease(&self) {
        self.lease_losses.inc();
    }

    pub(crate) fn has_in_flight(&self, events: usize) {
        self.in_flight.set(i64::try_from(events).unwrap_or(i64::MAX));
    }

    pub(crate) fn tell(&self, heads: &HeadClock, done: Position, parked: i64) {
        self.lag.tell(heads, done);
        self.parked.set(parked);
    }

    /// Whoever has no member in a group knows nothing of it.
    pub(crate) fn ends(&self) {
        self.in_flight.set(0);
        self.lag.events.set(0);
        self.lag.seconds.set(0.0);
    }
}

/// What a subscription hands over, and how far it is behind.
#[derive(Debug)]
pub(crate) struct SubscriptionGauges {
    pub(crate) delivered: IntCounter,
    pub(crate) lag: LagGauges,
}

/// What the caches of a name have done.
#[derive(Debug)]
pub(crate) struct CacheCounters {
    pub(crate) hits: IntCounter,
    pub(crate) shared: IntCounter,
    pub(crate) misses: IntCounter,
    pub(crate) writes: IntCounter,
    pub(crate) invalidations: IntCounter,
}

impl CacheCounters {
    /// So many events changed a key, and dropped so many entries.
    pub(crate) fn changes(&self, writes: usize, invalidations: usize) {
        self.writes.inc_by(writes as u64);
        self.invalidations.inc_by(invalidations as u64);
    }
}

/// How far somebody is behind the log, by what this handle knows.
#[derive(Debug)]
pub(crate) struct LagGauges {
    pub(super) events: IntGauge,
    pub(super) seconds: Gauge,
}

impl LagGauges {
    /// Everything up to a position is done with.
    pub(crate) fn tell(&self, heads: &HeadClock, done: Position) {
        let behind = heads.newest().get().saturating_sub(done.get());
        self.events.set(i64::try_from(behind).unwrap_or(i64::MAX));
        self.seconds.set(heads.lag_of(done).as_secs_f64());
    }
}

/// What became of recomputes.
#[derive(Debug)]
pub(crate) struct RecomputeCounters {
    pub(super) name: String,
    pub(super) outcomes: IntCounterVec,
}

impl RecomputeCounters {
    pub(crate) fn ends(&self, outcome: &str) {
        self.outcomes.with_label_values(&[self.name.as_str(), outcome]).inc();
    }
}
