//! The load generator's metrics, for Prometheus. The warm-up counts too.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse as _;
use axum::routing::get;
use eventstore::{EventStore, health_http};
use prometheus::{
    Encoder as _, Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts,
    Registry, TextEncoder,
};
use tokio::net::TcpListener;

use crate::error::RunError;
use crate::foreseen;
use crate::plan::{Plan, Pool};
use crate::scenario::Outcome;
use crate::tally::Sample;

/// From a tenth of a millisecond to ten seconds.
const BUCKETS: &[f64] = &[
    0.0001, 0.000_25, 0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5,
    1.0, 2.5, 5.0, 10.0,
];

/// Counters, gauges and histograms of one run. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    registry: Registry,
    offered: Gauge,
    scheduled: IntCounter,
    rejected: IntCounter,
    late: IntCounter,
    requests: IntCounterVec,
    errors: IntCounterVec,
    staleness: Histogram,
    conflicts: IntCounter,
    retries: IntCounter,
    sent_again: IntCounter,
    latency: HistogramVec,
    service: HistogramVec,
    queue_depth: IntGauge,
    busy_workers: IntGauge,
    /// The most since it was last taken.
    most_busy: Arc<AtomicI64>,
}

impl Metrics {
    /// Registers them.
    pub(crate) fn new(registry: &Registry, plan: &Plan) -> Result<Self, RunError> {
        Self::make(registry, plan).map_err(|error| RunError::new(format!("metrics: {error}")))
    }

    fn make(registry: &Registry, plan: &Plan) -> Result<Self, prometheus::Error> {
        let counter = |name: &str, help: &str| registered(registry, IntCounter::new(name, help)?);
        let gauge = |name: &str, help: &str| registered(registry, IntGauge::new(name, help)?);
        let histogram = |name: &str, help: &str| {
            let options = HistogramOpts::new(name, help).buckets(BUCKETS.to_vec());
            registered(registry, HistogramVec::new(options, &["operation"])?)
        };
        let requests =
            Opts::new("load_generator_requests_total", "Requests served, by operation and outcome");
        let errors = Opts::new("load_generator_errors_total", "Failed requests, by kind and SQLSTATE");
        let staleness = HistogramOpts::new(
            "load_generator_staleness_seconds",
            "How old the answers of replicas were, by what this process had been told before",
        )
        .buckets(BUCKETS.to_vec());
        let offered = Gauge::new(
            "load_generator_offered_rate",
            "Requests per second that are due; 0 in a closed loop, before the load and after its schedule",
        )?;
        let workers = gauge("load_generator_workers", "Workers in the fixed pool; 0 where there is none")?;
        if let Pool::Fixed { workers: count, .. } = plan.pool {
            workers.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        let metrics = Self {
            offered: registered(registry, offered)?,
            scheduled: counter("load_generator_scheduled_total", "Requests that were due, warm-up included")?,
            rejected: counter(
                "load_generator_backpressure_total",
                "Requests rejected as the queue was full",
            )?,
            late: counter(
                "load_generator_late_starts_total",
                "Requests offered over 1 ms after they were due",
            )?,
            requests: registered(registry, IntCounterVec::new(requests, &["operation", "outcome"])?)?,
            errors: registered(registry, IntCounterVec::new(errors, &["kind", "sqlstate"])?)?,
            staleness: registered(registry, Histogram::with_opts(staleness)?)?,
            conflicts: counter("load_generator_conflicts_total", "Appends refused by their condition")?,
            retries: counter("load_generator_retries_total", "Decisions made again after a conflict")?,
            sent_again: counter(
                "load_generator_sent_again_total",
                "Statements sent again as the server refused to serialize them",
            )?,
            latency: histogram(
                "load_generator_latency_seconds",
                "From when a request was due to its answer",
            )?,
            service: histogram(
                "load_generator_service_seconds",
                "From when a worker took a request to its answer",
            )?,
            queue_depth: gauge("load_generator_queue_depth", "Requests that wait for a worker")?,
            busy_workers: gauge("load_generator_busy_workers", "Requests that are under way")?,
            most_busy: Arc::default(),
            registry: registry.clone(),
        };
        metrics.begin(plan);
        metrics.register_process()?;
        Ok(metrics)
    }

    /// Counts what can happen from 0 on.
    fn begin(&self, plan: &Plan) {
        for operation in foreseen::operations(plan) {
            for outcome in foreseen::outcomes(operation, plan.library.failures) {
                self.requests.with_label_values(&[operation.as_str(), outcome]);
            }
            self.latency.with_label_values(&[operation.as_str()]);
            self.service.with_label_values(&[operation.as_str()]);
        }
        for kind in foreseen::error_kinds(plan.engine) {
            self.errors.with_label_values(&[kind.as_str(), ""]);
        }
    }

    #[cfg(target_os = "linux")]
    fn register_process(&self) -> Result<(), prometheus::Error> {
        self.registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))
    }

    #[cfg(not(target_os = "linux"))]
    fn register_process(&self) -> Result<(), prometheus::Error> {
        Ok(())
    }

    pub(crate) fn offered(&self, rejected: bool, late: bool) {
        self.scheduled.inc();
        self.rejected.inc_by(u64::from(rejected));
        self.late.inc_by(u64::from(late));
    }

    pub(crate) fn served(&self, sample: &Sample) {
        let operation = sample.operation.as_str();
        if let Outcome::Failed(failure) = &sample.outcome {
            let sqlstate = failure.sqlstate.as_deref().unwrap_or_default();
            self.errors.with_label_values(&[failure.kind.as_str(), sqlstate]).inc();
        }
        let outcome = foreseen::name(&sample.outcome);
        self.requests.with_label_values(&[operation, outcome]).inc();
        if let Some(staleness) = sample.staleness {
            self.staleness.observe(staleness.time.as_secs_f64());
        }
        self.conflicts.inc_by(sample.conflicts);
        self.retries.inc_by(sample.retries);
        self.sent_again.inc_by(sample.sent_again);
        self.latency.with_label_values(&[operation]).observe(sample.latency().as_secs_f64());
        self.service.with_label_values(&[operation]).observe(sample.service().as_secs_f64());
    }

    /// So many requests a second are due now.
    pub(crate) fn offers(&self, rate: f64) {
        self.offered.set(rate);
    }

    /// Counts a request as waiting until [`dequeued`](Self::dequeued).
    pub(crate) fn enqueued(&self) {
        self.queue_depth.inc();
    }

    pub(crate) fn dequeued(&self) {
        self.queue_depth.dec();
    }

    /// Counts a worker as busy until the guard is dropped.
    pub(crate) fn busy_worker(&self) -> BusyWorker<'_> {
        self.busy_workers.inc();
        self.most_busy.fetch_max(self.busy_workers.get(), Ordering::Relaxed);
        BusyWorker(&self.busy_workers)
    }

    pub(crate) fn queue_depth(&self) -> i64 {
        self.queue_depth.get()
    }

    /// The most workers that were busy at once since this was last asked.
    pub(crate) fn take_most_busy(&self) -> i64 {
        self.most_busy.swap(self.busy_workers.get(), Ordering::Relaxed)
    }

    /// Serves `/metrics`, and `/health` and `/ready`, until the task is aborted; the caller owns it. Before the load is prepared it
    /// is healthy and not ready; then both are the store's, where that is the engine.
    pub(crate) async fn serve(self, listener: TcpListener, prepared: Arc<OnceLock<Option<EventStore>>>) {
        let page = move || {
            let text = self.encode();
            async move { ([(CONTENT_TYPE, prometheus::TEXT_FORMAT)], text) }
        };
        let (of_health, of_ready) = (Arc::clone(&prepared), prepared);
        let health = async move || match of_health.get() {
            Some(Some(store)) => health_http::health(store),
            Some(None) | None => (StatusCode::OK, "up\n").into_response(),
        };
        let ready = async move || match of_ready.get() {
            Some(Some(store)) => health_http::ready(store).await,
            Some(None) => (StatusCode::OK, "ready\n").into_response(),
            None => (StatusCode::SERVICE_UNAVAILABLE, "the load is being prepared\n").into_response(),
        };
        let router = Router::new()
            .route("/metrics", get(page))
            .route("/health", get(health))
            .route("/ready", get(ready));
        if let Err(error) = axum::serve(listener, router).await {
            tracing::warn!(%error, "metrics are no longer served");
        }
    }

    fn encode(&self) -> Vec<u8> {
        let mut text = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut text) {
            tracing::warn!(%error, "metrics can not be encoded");
        }
        text
    }
}

/// A worker that serves a request.
#[derive(Debug)]
pub(crate) struct BusyWorker<'a>(&'a IntGauge);

impl Drop for BusyWorker<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Takes the address before the run begins, so that a taken one is an error and not a surprise.
pub(crate) async fn listen(address: &str) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await
}

fn registered<C: prometheus::core::Collector + Clone + 'static>(
    registry: &Registry,
    collector: C,
) -> Result<C, prometheus::Error> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}
