//! `live`: how long after its append an event is delivered, from a replica and from the primary.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use eventstore::{EventStore, Settings, Start};
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::deliver::{Common, connect, fresh, item, items, servers};
use crate::error::RunError;
use crate::histogram::Latencies;
use crate::output::Output;

const SCHEMA: &str = "deliver_live";
/// Tasks that append, each at its share of the rate.
const WRITERS: u64 = 100;
/// After the last append everything must have come.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is to be done.
#[derive(Debug, Clone)]
pub(crate) struct LivePlan {
    pub(crate) rate: u64,
    pub(crate) duration: Duration,
    pub(crate) common: Common,
}

#[derive(Debug, Serialize)]
struct Row {
    reads: &'static str,
    events: u64,
    batches: u64,
    /// From when the append was acknowledged.
    p50_ms: f64,
    p99_ms: f64,
    max_ms: f64,
}

#[derive(Debug, Serialize)]
struct Report {
    scenario: &'static str,
    wanted_per_second: u64,
    appended_per_second: f64,
    seconds: f64,
    rows: Vec<Row>,
}

/// When each event was acknowledged, in nanoseconds of the run; 0 before that.
type Acknowledged = Arc<[AtomicU64]>;

/// Carries it out and reports.
pub(crate) async fn run(plan: LivePlan) -> Result<(), RunError> {
    let output = Output::open(plan.common.json.as_deref())?;
    let servers = servers(&plan.common).await?;
    if servers.replicas.is_empty() {
        return Err(RunError::new("live compares a replica with the primary, and there is no --replica"));
    }
    let writer = fresh(&servers, SCHEMA, Settings::default()).await?;
    let reader = connect(&servers.primary, &servers.replicas, SCHEMA, Settings::default()).await?;
    let pace = Duration::from_secs_f64(WRITERS as f64 / plan.rate as f64);
    // The first append of a writer may come before a whole pace has passed, so each may make one more than its share.
    let most = (plan.rate as f64 * plan.duration.as_secs_f64()) as u64 + 2 * WRITERS;
    let acknowledged: Acknowledged = (0..most).map(|_| AtomicU64::new(0)).collect();
    let (appended, began) = (Arc::new(AtomicU64::new(0)), Instant::now());
    let mut subscribers = Vec::new();
    for from_primary in [false, true] {
        let subscription = reader.subscription("live").filter(&items()).ephemeral();
        let subscription = if from_primary { subscription.from_primary() } else { subscription };
        let subscription = subscription.start(Start::Beginning).await?;
        let acknowledged = Arc::clone(&acknowledged);
        let reads = if from_primary { "primary" } else { "replica" };
        subscribers.push((reads, tokio::spawn(deliver(subscription, acknowledged, began))));
    }
    let mut writers = JoinSet::new();
    let start = Instant::now();
    let end = start + plan.duration;
    for nth in 0..WRITERS {
        let (store, acknowledged, appended) =
            (writer.clone(), Arc::clone(&acknowledged), Arc::clone(&appended));
        let first = start + pace.mul_f64(nth as f64 / WRITERS as f64);
        writers.spawn(write(store, acknowledged, appended, (first, pace), (began, end)));
    }
    while let Some(ended) = writers.join_next().await {
        ended.map_err(RunError::task)??;
    }
    let (took, count) = (start.elapsed(), appended.load(Ordering::Relaxed));
    // The last one, which tells subscribers that it is.
    writer.append([item(u64::MAX >> 1)]).await?;
    let mut rows = Vec::new();
    for (reads, subscriber) in subscribers {
        let came = tokio::time::timeout(PATIENCE, subscriber).await;
        let came = came.map_err(|_| RunError::new(format!("not everything came from the {reads}")))?;
        let (delays, events, batches) = came.map_err(RunError::task)??;
        if events != count {
            return Err(RunError::new(format!("{events} events came from the {reads}, of {count}")));
        }
        rows.push(Row {
            reads,
            events,
            batches,
            p50_ms: delays.quantile_ms(0.5),
            p99_ms: delays.quantile_ms(0.99),
            max_ms: delays.quantile_ms(1.0),
        });
    }
    for store in [writer, reader] {
        store.close().await?;
    }
    output.publish(&Report {
        scenario: "live",
        wanted_per_second: plan.rate,
        appended_per_second: (count as f64 / took.as_secs_f64()).round(),
        seconds: plan.duration.as_secs_f64(),
        rows,
    })
}

async fn write(
    store: EventStore,
    acknowledged: Acknowledged,
    appended: Arc<AtomicU64>,
    (first, pace): (Instant, Duration),
    (began, end): (Instant, Instant),
) -> Result<(), RunError> {
    let mut ticks = interval_at(first, pace);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    loop {
        ticks.tick().await;
        if Instant::now() >= end {
            return Ok(());
        }
        let n = appended.fetch_add(1, Ordering::Relaxed);
        store.append([item(n)]).await?;
        if let Some(at) = acknowledged.get(n as usize) {
            at.store(nanoseconds(began), Ordering::Release);
        }
    }
}

/// How long after they were acknowledged events came; how many, and in how many batches.
async fn deliver(
    mut subscription: eventstore::Subscription,
    acknowledged: Acknowledged,
    began: Instant,
) -> Result<(Latencies, u64, u64), RunError> {
    let (mut delays, mut events, mut batches) = (Latencies::new(), 0, 0);
    while let Some(batch) = subscription.next().await.transpose()? {
        let now = nanoseconds(began);
        batches += 1;
        for event in &batch {
            let n = event.payload["n"].as_u64().unwrap_or_default();
            let Some(at) = acknowledged.get(n as usize).map(|at| at.load(Ordering::Acquire)) else {
                return Ok((delays, events, batches));
            };
            events += 1;
            // Not acknowledged yet, as far as whoever appended it knows.
            delays.record(Duration::from_nanos(if at == 0 { 0 } else { now.saturating_sub(at) }));
        }
    }
    Err(RunError::new("a subscription ended"))
}

fn nanoseconds(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX).max(1)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "live: {:.0} appends/s of {} wanted, {} s; from when an append was acknowledged until its event was delivered",
            self.appended_per_second, self.wanted_per_second, self.seconds
        )?;
        for row in &self.rows {
            writeln!(
                f,
                "  {:<8} {} events in {} batches: p50 {:.2} ms, p99 {:.2} ms, longest {:.2} ms",
                row.reads, row.events, row.batches, row.p50_ms, row.p99_ms, row.max_ms
            )?;
        }
        Ok(())
    }
}
