//! The figures of whoever is handed events: subscriptions, groups, process managers, caches, recomputed projections.

use prometheus::core::Collector;
use prometheus::{GaugeVec, IntCounterVec, IntGaugeVec, Opts};

use crate::telemetry::gauges::{
    CacheCounters, GroupGauges, LagGauges, ProcessGauges, RecomputeCounters, SubscriptionGauges,
};

/// Counters and gauges by name.
#[derive(Debug)]
pub(crate) struct ConsumerMetrics {
    subscription_events: IntCounterVec,
    subscription_lag_events: IntGaugeVec,
    subscription_lag_seconds: GaugeVec,
    group_claims: IntCounterVec,
    group_redeliveries: IntCounterVec,
    group_outcomes: IntCounterVec,
    group_lease_losses: IntCounterVec,
    group_in_flight: IntGaugeVec,
    group_parked: IntGaugeVec,
    group_lag_events: IntGaugeVec,
    group_lag_seconds: GaugeVec,
    process_outcomes: IntCounterVec,
    process_in_flight: IntGaugeVec,
    cache_reads: IntCounterVec,
    cache_writes: IntCounterVec,
    cache_invalidations: IntCounterVec,
    recomputes: IntCounterVec,
}

impl ConsumerMetrics {
    /// With such names and labels as the others of the store.
    pub(super) fn make(opts: impl Fn(&str, &str) -> Opts) -> Result<Self, prometheus::Error> {
        Ok(Self {
            subscription_events: IntCounterVec::new(
                opts("subscription_events_total", "Events that subscriptions were handed."),
                &["subscription"],
            )?,
            subscription_lag_events: IntGaugeVec::new(
                opts(
                    "subscription_lag_events",
                    "How many events of the log are not done with, at the last heartbeat or commit; most of them may not match.",
                ),
                &["subscription"],
            )?,
            subscription_lag_seconds: GaugeVec::new(
                opts("subscription_lag_seconds", "For how long this handle has known of the first of these."),
                &["subscription"],
            )?,
            group_claims: IntCounterVec::new(
                opts("group_claims_total", "Events that this handle has claimed."),
                &["group"],
            )?,
            group_redeliveries: IntCounterVec::new(
                opts(
                    "group_redeliveries_total",
                    "Events that were handed over by this handle, and not for the first time.",
                ),
                &["group"],
            )?,
            group_outcomes: IntCounterVec::new(
                opts(
                    "group_outcomes_total",
                    "Events by what came of them: done, failed, parked, or untouched.",
                ),
                &["group", "outcome"],
            )?,
            group_lease_losses: IntCounterVec::new(
                opts(
                    "group_lease_losses_total",
                    "Events that somebody else claimed while this handle had them.",
                ),
                &["group"],
            )?,
            group_in_flight: IntGaugeVec::new(
                opts(
                    "group_in_flight",
                    "Events that were handed over and not answered at the last heartbeat.",
                ),
                &["group"],
            )?,
            group_parked: IntGaugeVec::new(
                opts("group_parked", "Events of the whole group that were parked at the last heartbeat."),
                &["group"],
            )?,
            group_lag_events: IntGaugeVec::new(
                opts(
                    "group_lag_events",
                    "How many events of the log the group is not done with, at the last heartbeat; most of them may not match.",
                ),
                &["group"],
            )?,
            group_lag_seconds: GaugeVec::new(
                opts("group_lag_seconds", "For how long this handle has known of the first of these."),
                &["group"],
            )?,
            process_outcomes: IntCounterVec::new(
                opts(
                    "process_outcomes_total",
                    "Commands, checks and wake-ups by what came of them: done, running, failed, given_up (for good, and reacted to), parked, or untouched.",
                ),
                &["process", "kind", "outcome"],
            )?,
            process_in_flight: IntGaugeVec::new(
                opts(
                    "process_in_flight",
                    "Commands, checks and wake-ups that this handle has claimed, and not answered.",
                ),
                &["process", "kind"],
            )?,
            cache_reads: IntCounterVec::new(
                opts(
                    "cache_reads_total",
                    "Reads of caches by what answered them: hit, shared (the load of another one), or miss.",
                ),
                &["cache", "outcome"],
            )?,
            cache_writes: IntCounterVec::new(
                opts("cache_writes_total", "Events that changed a key of a cache, kept or not."),
                &["cache"],
            )?,
            cache_invalidations: IntCounterVec::new(
                opts("cache_invalidations_total", "Entries of caches that an event has dropped."),
                &["cache"],
            )?,
            recomputes: IntCounterVec::new(
                opts(
                    "recomputes_total",
                    "Recomputes of keys by what came of them: done, failed, or lost (the lease).",
                ),
                &["projection", "outcome"],
            )?,
        })
    }

    pub(super) fn collectors(&self) -> Vec<Box<dyn Collector>> {
        vec![
            Box::new(self.subscription_events.clone()),
            Box::new(self.subscription_lag_events.clone()),
            Box::new(self.subscription_lag_seconds.clone()),
            Box::new(self.group_claims.clone()),
            Box::new(self.group_redeliveries.clone()),
            Box::new(self.group_outcomes.clone()),
            Box::new(self.group_lease_losses.clone()),
            Box::new(self.group_in_flight.clone()),
            Box::new(self.group_parked.clone()),
            Box::new(self.group_lag_events.clone()),
            Box::new(self.group_lag_seconds.clone()),
            Box::new(self.process_outcomes.clone()),
            Box::new(self.process_in_flight.clone()),
            Box::new(self.cache_reads.clone()),
            Box::new(self.cache_writes.clone()),
            Box::new(self.cache_invalidations.clone()),
            Box::new(self.recomputes.clone()),
        ]
    }

    pub(crate) fn subscription(&self, name: &str) -> SubscriptionGauges {
        let name = &[name];
        SubscriptionGauges {
            delivered: self.subscription_events.with_label_values(name),
            lag: LagGauges {
                events: self.subscription_lag_events.with_label_values(name),
                seconds: self.subscription_lag_seconds.with_label_values(name),
            },
        }
    }

    pub(crate) fn group(&self, name: &str) -> GroupGauges {
        let label = &[name];
        GroupGauges {
            name: name.to_owned(),
            claims: self.group_claims.with_label_values(label),
            redeliveries: self.group_redeliveries.with_label_values(label),
            outcomes: self.group_outcomes.clone(),
            lease_losses: self.group_lease_losses.with_label_values(label),
            in_flight: self.group_in_flight.with_label_values(label),
            parked: self.group_parked.with_label_values(label),
            lag: LagGauges {
                events: self.group_lag_events.with_label_values(label),
                seconds: self.group_lag_seconds.with_label_values(label),
            },
        }
    }

    pub(crate) fn process(&self, name: &str) -> ProcessGauges {
        ProcessGauges {
            name: name.to_owned(),
            outcomes: self.process_outcomes.clone(),
            in_flight: self.process_in_flight.clone(),
        }
    }

    pub(crate) fn cache(&self, name: &str) -> CacheCounters {
        let reads = |outcome: &str| self.cache_reads.with_label_values(&[name, outcome]);
        CacheCounters {
            hits: reads("hit"),
            shared: reads("shared"),
            misses: reads("miss"),
            writes: self.cache_writes.with_label_values(&[name]),
            invalidations: self.cache_invalidations.with_label_values(&[name]),
        }
    }

    /// One that has ended lags no more; what it was handed stays counted.
    pub(crate) fn forget_subscription(&self, name: &str) {
        // It may never have been told.
        let _ = self.subscription_lag_events.remove_label_values(&[name]);
        let _ = self.subscription_lag_seconds.remove_label_values(&[name]);
    }

    pub(crate) fn recompute(&self, name: &str) -> RecomputeCounters {
        RecomputeCounters { name: name.to_owned(), outcomes: self.recomputes.clone() }
    }
}
