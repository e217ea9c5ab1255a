//! The figures of one store handle.

use prometheus::core::Collector;
use prometheus::{
    GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry,
};

use crate::error::Error;
use crate::schema::SchemaName;
use crate::telemetry::consumers::ConsumerMetrics;
use crate::telemetry::gauges::ReplicaGauges;
use crate::telemetry::operation::{APPEND_OUTCOMES, QUERY_OUTCOMES};

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
    pub(crate) consumers: ConsumerMetrics,
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
        let outcomes = |name: &str, help: &str, all: &[&str]| {
            let outcomes = IntCounterVec::new(opts(name, help), &["outcome"])?;
            // From 0: of a counter that begins with its first failure no rate is seen.
            all.iter().for_each(|outcome| drop(outcomes.with_label_values(&[*outcome])));
            Ok::<_, prometheus::Error>(outcomes)
        };
        Ok(Self {
            append_duration: Histogram::with_opts(buckets(
                "append_duration_seconds",
                "How long appends took, from the call to its answer, whatever that was.",
                DURATIONS,
            ))?,
            append_outcomes: outcomes(
                "append_outcomes_total",
                "Appends by what came of them.",
                &APPEND_OUTCOMES,
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
            query_outcomes: outcomes(
                "query_outcomes_total",
                "Pages of queries and streams by what came of them.",
                &QUERY_OUTCOMES,
            )?,
            events_queried: IntCounter::with_opts(opts("events_queried_total", "Events read."))?,
            append_batch_events: Histogram::with_opts(buckets(
                "append_batch_events",
                "How many events were sent in one batch.",
                EVENTS,
            ))?,
            append_queue_depth: IntGauge::with_opts(opts(
                "append_queue_depth",
                "Appends that wait for the writer to send them.",
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
            consumers: ConsumerMetrics::make(opts)?,
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

    fn collectors(&self) -> Vec<Box<dyn Collector>> {
        let mut collectors: Vec<Box<dyn Collector>> = vec![
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
        ];
        collectors.extend(self.consumers.collectors());
        collectors
    }

    pub(crate) fn pool_wait(&self, pool: &str) -> Histogram {
        self.pool_wait.with_label_values(&[pool])
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
