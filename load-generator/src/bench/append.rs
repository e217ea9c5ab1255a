//! `bench append`: conditional appends in a closed loop.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use tokio::task::JoinSet;

use crate::bench::report::{Measured, Report};
use eventstore::Settings;

use crate::engine::{Append, Appended, BENCH_PATHS, Engine, EngineError, EngineName};
use crate::environment;
use crate::error::RunError;
use crate::histogram::Latencies;
use crate::output::Output;
use crate::servers::Servers;

/// What is to be measured.
#[derive(Debug, Clone)]
pub(crate) struct BenchPlan {
    pub(crate) clients: Vec<usize>,
    pub(crate) engines: Vec<EngineName>,
    pub(crate) rounds: usize,
    /// Of each measurement.
    pub(crate) duration: Duration,
    pub(crate) preload: u64,
    pub(crate) primary: Option<String>,
    pub(crate) replicas: Vec<String>,
    pub(crate) json: Option<PathBuf>,
}

/// How long clients run before they are measured: their connections and caches are warm then, and most pages are in the WAL
/// since the checkpoint.
const WARMUP: Duration = Duration::from_secs(1);

/// Carries it out and reports.
pub(crate) async fn append(plan: BenchPlan) -> Result<(), RunError> {
    let output = Output::open(plan.json.as_deref())?;
    let servers = Arc::new(Servers::find(plan.primary.as_ref(), &plan.replicas).await?);
    let mut engines: Vec<(EngineName, Arc<dyn Engine>)> = Vec::new();
    let bar = progress(plan.engines.len() + plan.rounds * plan.clients.len() * plan.engines.len());
    for name in &plan.engines {
        bar.set_message(format!("{}: writing {} events", name.as_str(), plan.preload));
        let engine = name
            .connect(&servers, &format!("bench_{}", name.as_str()), &BENCH_PATHS, Settings::default())
            .await?;
        engine.fill(plan.preload).await?;
        engines.push((*name, engine));
        bar.inc(1);
    }
    let mut measured: BTreeMap<(usize, EngineName), Measured> = BTreeMap::new();
    for round in 0..plan.rounds {
        for clients in &plan.clients {
            for nth in 0..engines.len() {
                let (name, engine) = &engines[(nth + round) % engines.len()];
                bar.set_message(format!("round {}: {}, {clients} clients", round + 1, name.as_str()));
                checkpoint(&servers).await?;
                settle(&servers).await?;
                let (rate, latencies) = closed_loop(engine, *clients, plan.duration).await?;
                measured.entry((*clients, *name)).or_default().add(rate, &latencies);
                bar.inc(1);
            }
        }
    }
    bar.finish_and_clear();
    let settings = environment::settings(&servers.primary).await.ok_or_else(|| {
        RunError::new("the server's settings can not be read, without which the figures mean nothing")
    })?;
    output.publish(&Report::append(&plan, measured, servers.replicas.len(), settings))
}

/// What an earlier measurement wrote is on disk, and its WAL files are there to be used again: a server that has run for
/// a while makes no new ones, each of which would hold up all appends for some 45 ms.
async fn checkpoint(servers: &Servers) -> Result<(), RunError> {
    let session = testutil::connect(&servers.primary).await.map_err(EngineError::from)?;
    session.batch_execute("CHECKPOINT").await.map_err(EngineError::from)?;
    Ok(())
}

/// The replicas have what an earlier measurement wrote, and do not replay it during the next one.
async fn settle(servers: &Servers) -> Result<(), RunError> {
    for replica in &servers.replicas {
        testutil::replayed(&servers.primary, replica).await.map_err(EngineError::from)?;
    }
    Ok(())
}

/// So many clients, each with its next append as soon as its last one is answered.
async fn closed_loop(
    engine: &Arc<dyn Engine>,
    clients: usize,
    duration: Duration,
) -> Result<(f64, Latencies), RunError> {
    let mut ready = Vec::new();
    for _ in 0..clients {
        ready.push(engine.client().await?);
    }
    let from = Instant::now() + WARMUP;
    let until = from + duration;
    let mut running = JoinSet::new();
    for (number, mut client) in ready.into_iter().enumerate() {
        running.spawn(async move {
            let (mut ended_in_time, mut latencies) = (0_u64, Latencies::new());
            let mut readers = (number as u64..).step_by(7);
            let mut fresh = || Append::fresh(readers.next().unwrap_or_default());
            let mut append = fresh();
            loop {
                let began = Instant::now();
                if began >= until {
                    break;
                }
                // The next event is made while this one is under way: making it is not what is measured.
                let (appended, next) = tokio::join!(client.append(append), async { fresh() });
                if let Appended::Conflict(_) = appended? {
                    return Err(EngineError::new("an append whose key is fresh was refused"));
                }
                append = next;
                let ended = Instant::now();
                // The rate counts what ends in the window; the latency is that of all that begins in it, to its end.
                ended_in_time += u64::from(ended >= from && ended <= until);
                if began >= from {
                    latencies.record(ended - began);
                }
            }
            Ok::<_, EngineError>((ended_in_time, latencies))
        });
    }
    let (mut total, mut all) = (0, Latencies::new());
    while let Some(ended) = running.join_next().await {
        let (ended_in_time, latencies) = ended.map_err(RunError::task)??;
        total += ended_in_time;
        all.merge(&latencies);
    }
    Ok((total as f64 / duration.as_secs_f64(), all))
}

/// Hidden without a terminal.
fn progress(steps: usize) -> ProgressBar {
    let bar = ProgressBar::new(steps as u64);
    match ProgressStyle::with_template("{wide_bar} {pos}/{len} ({eta}) {msg}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
