//! The figures of one store handle.

use prometheus::core::Collector;
use prometheus::{
    GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry,
};

use crate::error::Error;
use crate::schema::SchemaName;
use crate::telemetry::gauges::{
    CacheCounters, GroupGauges, LagGauges, ProcessGauges, ReplicaGauges, SubscriptionGauges,
};

/// In seconds. From 100 us: an append without rivals takes half a millisecond.
const DURATIONS: &[f64] = &[
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
    30.0,
];
const EVENTS: &[f64] = &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0];

/// Counters, gauges and histograms. All carry the schema of the log as a label.
#[derive(Debug)]
pub(crate) struct Metrics {
    pub(super) append_duration: Histogram,
    pub(super) append_outcomes: IntCounterVec,
    pub(super) events_appended: IntCounter,
    pub(super) query_duration: HistogramVec,
    pub(super) query_outcomes: IntCounterVec,
    pub(super) events_queried: IntCounter,
    pub(crate) append_batch_events: Histogram,
    pub(crate) append_queue_depth: IntGauge,
    pub(crate) history_losses: IntCounter,
    pub(crate) history_lost_from: IntGauge,
    pool_wait: HistogramVec,
    replica_lag_seconds: GaugeVec,
    replica_lag_events: IntGaugeVec,
    replica_lag_bytes: IntGaugeVec,
    replica_in_rotation: IntGaugeVec,
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
}

impl Metrics {
    pub(crate) fn new(schema: &SchemaName) -> Result<Self, Error> {
        Self::make(schema).map_err(|error| Error::internal(format!("metrics: {error}")))
    }

    fn make(schema: &SchemaName) -> Result<Self, prometheus::Error> {
        let opts = |name: &str, help: &str| {
            Opts::new(format!("eventstore_{name}"), help).const_label("schema", schema.as_str())
        };
        let buckets = |name: &str, help: &str, buckets: &[f64]| HistogramOpts {
            common_opts: opts(name, help),
            buckets: buckets.to_vec(),
        };
        Ok(Self {
            append_duration: Histogram::with_opts(buckets(
                "append_duration_seconds",
                "How long appends took, from the call to its answer, whatever that was.",
                DURATIONS,
            ))?,
            append_outcomes: IntCounterVec::new(
                opts("append_outcomes_total", "Appends by what came of them."),
                &["outcome"],
            )?,
            events_appended: IntCounter::with_opts(opts("events_appended_total", "Events written."))?,
            query_duration: HistogramVec::new(
                buckets(
                    "query_duration_seconds",
                    "How long reading a page of a query or stream took, from the call to its answer, whatever that was.",
                    DURATIONS,
                ),
                &["target"],
            )?,
            query_outcomes: IntCounterVec::new(
                opts("query_outcomes_total", "Pages of queries and streams by what came of them."),
                &["outcome"],
            )?,
            events_queried: IntCounter::with_opts(opts("events_queried_total", "Events read."))?,
            append_batch_events: Histogram::with_opts(buckets(
                "append_batch_events",
                "How many events were sent in one batch.",
                EVENTS,
            ))?,
            append_queue_depth: IntGauge::with_opts(opts(
                "append_queue_depth",
                "Appends that waited when the last batch was sent.",
            ))?,
            history_losses: IntCounter::with_opts(opts(
                "history_losses_total",
                "How often this handle found that a failover had lost the end of the log.",
            ))?,
            history_lost_from: IntGauge::with_opts(opts(
                "history_lost_from_position",
                "The first position that this handle knows to have been lost last; 0 for none.",
            ))?,
            pool_wait: HistogramVec::new(
                buckets(
                    "pool_wait_seconds",
                    "How long callers waited for a connection, opening it included.",
                    DURATIONS,
                ),
                &["pool"],
            )?,
            replica_lag_seconds: GaugeVec::new(
                opts(
                    "replica_lag_seconds",
                    "How long ago this handle knew of an event that the replica did not have when it was last looked at.",
                ),
                &["replica"],
            )?,
            replica_lag_events: IntGaugeVec::new(
                opts("replica_lag_events", "How many events of the primary the replica did not have."),
                &["replica"],
            )?,
            replica_lag_bytes: IntGaugeVec::new(
                opts("replica_lag_bytes", "How much WAL of the primary the replica had not replayed."),
                &["replica"],
            )?,
            replica_in_rotation: IntGaugeVec::new(
                opts("replica_in_rotation", "Whether reads go to the replica: 1 or 0."),
                &["replica"],
            )?,
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
        })
    }

    /// Registers all of them, or none, for as long as what is returned is kept.
    pub(crate) fn register(&self, registry: &Registry, schema: &SchemaName) -> Result<Registration, Error> {
        let mut registration = Registration { registry: registry.clone(), metrics: Vec::new() };
        for (collector, again) in self.collectors().into_iter().zip(self.collectors()) {
            registry.register(collector).map_err(|error| {
                Error::invalid(format!(
                    "the registry has metrics of a store on schema {schema} already, or of the same names: {error}; share \
                     one handle by cloning it"
                ))
            })?;
            registration.metrics.push(again);
        }
        Ok(registration)
    }

    fn collectors(&self) -> [Box<dyn Collector>; 31] {
        [
            Box::new(self.append_duration.clone()),
            Box::new(self.append_outcomes.clone()),
            Box::new(self.events_appended.clone()),
            Box::new(self.query_duration.clone()),
            Box::new(self.query_outcomes.clone()),
            Box::new(self.events_queried.clone()),
            Box::new(self.history_losses.clone()),
            Box::new(self.history_lost_from.clone()),
            Box::new(self.append_batch_events.clone()),
            Box::new(self.append_queue_depth.clone()),
            Box::new(self.pool_wait.clone()),
            Box::new(self.replica_lag_seconds.clone()),
            Box::new(self.replica_lag_events.clone()),
            Box::new(self.replica_lag_bytes.clone()),
            Box::new(self.replica_in_rotation.clone()),
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
        ]
    }

    pub(crate) fn pool_wait(&self, pool: &str) -> Histogram {
        self.pool_wait.with_label_values(&[pool])
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

    pub(crate) fn replica(&self, replica: &str) -> ReplicaGauges {
        let name = &[replica];
        ReplicaGauges {
            seconds: self.replica_lag_seconds.with_label_values(name),
            events: self.replica_lag_events.with_label_values(name),
            bytes: self.replica_lag_bytes.with_label_values(name),
            in_rotation: self.replica_in_rotation.with_label_values(name),
        }
    }
}

/// That metrics are in a registry. Dropped, they are not any more: another handle may take their place.
pub(crate) struct Registration {
    registry: Registry,
    metrics: Vec<Box<dyn Collector>>,
}

impl Drop for Registration {
    fn drop(&mut self) {
        for collector in self.metrics.drain(..) {
            // It is there: it was registered.
            let _ = self.registry.unregister(collector);
        }
    }
}

impl std::fmt::Debug for Registration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Registration({})", self.metrics.len())
    }
}
