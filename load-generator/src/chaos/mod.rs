//! Faults under load, and an audit of what the store said meanwhile.
//!
//! *Who owns what.* A run has a cluster of its own, a primary with `fsync` on and a replica; the injector alone owns it, and
//! stops and starts its servers. The store reaches the primary through a [`Proxy`], which the injector owns too. Clients
//! ([`workload`]) share one store handle and one [`Recorder`]; each acknowledged append is counted in a watch channel.
//!
//! *One fault after the other.* The injector waits until the clients have made progress, injects a fault, heals it, and waits
//! for the next acknowledgement: the time since the server was reachable again is the recovery. A store that does not
//! come back within [`GIVE_UP`] ends the run. Which fault, when and for how long is drawn from the seed; what it meets
//! depends on the run.
//!
//! *The end.* When all faults were injected, or the time is over, the clients stop, and the primary crashes a last time: what
//! is audited is what a recovery finds.

mod fault;
mod report;
mod workload;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use eventstore::{EventStore, EventStoreBuilder, Settings};
use rand::SeedableRng as _;
use rand::seq::IndexedRandom as _;
use rand_chacha::ChaCha8Rng;
use testutil::Cluster;
use testutil::checker::{Checker, Log, LogEvent, Recorder};
use testutil::proxy::Proxy;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::chaos::fault::{Disks, FaultName, Injector};
use crate::chaos::report::{Injected, Report};
use crate::chaos::workload::Worker;
use crate::engine::{self, EngineError};
use crate::error::RunError;
use crate::outcome::Outcome;
use crate::output::Output;

pub(crate) use fault::FaultCount;

/// What is to be done.
#[derive(Debug, Clone)]
pub(crate) struct ChaosPlan {
    pub(crate) faults: Vec<FaultCount>,
    pub(crate) duration: Duration,
    pub(crate) clients: u64,
    pub(crate) seed: u64,
    /// How long appends may take to come back.
    pub(crate) recover_within: Duration,
    pub(crate) json: Option<PathBuf>,
}

const SCHEMA: &str = "chaos";
/// Acknowledged appends between two faults.
const PROGRESS: u64 = 20;
/// A store that appends nothing for so long has not come back.
const GIVE_UP: Duration = Duration::from_secs(30);

/// Injects the faults, audits what the clients were told, and reports.
pub(crate) async fn run(plan: ChaosPlan) -> Result<Outcome, RunError> {
    let output = Output::open(plan.json.as_deref())?;
    let fills_disks = plan.faults.iter().any(|fault| fault.name.fills_a_disk());
    if fills_disks && plan.faults.iter().any(|fault| fault.name == FaultName::Pause) {
        return Err(RunError::new("pause needs a replica, which there is none of where disks are filled"));
    }
    let start = move || if fills_disks { start_on_small_disks() } else { start() };
    let (cluster, disks) = tokio::task::spawn_blocking(start).await.map_err(RunError::task)??;
    let proxy = Proxy::start(cluster.primary().port()).await.map_err(RunError::io("starting a proxy"))?;
    let replica = cluster.replicas().first().map(testutil::Server::dsn);
    let store = connect(&proxy.dsn(), replica.as_deref()).await?;
    store.migrate().await?;

    let recorder = Arc::new(Recorder::in_memory());
    let (acknowledged, progress) = watch::channel(0);
    let (refused, refusals) = watch::channel(0);
    let stop = CancellationToken::new();
    let mut workers = JoinSet::new();
    for number in 0..plan.clients {
        let random = ChaCha8Rng::seed_from_u64(plan.seed.wrapping_mul(1_000).wrapping_add(number + 1));
        let counters = (acknowledged.clone(), refused.clone());
        let worker = Worker::new(number, store.clone(), random, Arc::clone(&recorder), counters);
        workers.spawn(worker.run(stop.clone()));
    }
    // Closed when the last client has ended.
    drop((acknowledged, refused));
    let began = Instant::now();
    let random = ChaCha8Rng::seed_from_u64(plan.seed);
    let mut injector = Injector::new((cluster, disks), proxy, (refusals, plan.clients), random);
    let mut injected: Vec<Injected> = plan.faults.iter().map(|fault| Injected::new(fault.name)).collect();
    let mut carried_out = tokio::select! {
        carried_out = inject(&plan, &mut injector, progress, &mut injected) => carried_out,
        Some(ended) = workers.join_next() => Err(early(ended)),
    };
    let took = began.elapsed();
    stop.cancel();
    while let Some(ended) = workers.join_next().await {
        carried_out = carried_out.and(ended.map_err(RunError::task).and_then(|ended| ended));
    }
    carried_out = carried_out.and(store.close().await.map_err(RunError::from));
    // Whatever has gone wrong: what was promised until then is checked.
    injector.crash_primary()?;
    let events = log(&injector.primary()).await?;
    let history = recorder.take();
    let checked = tokio::task::spawn_blocking(move || {
        let log = Log::new(events);
        let checked = Checker::default().check(&history, &log);
        Report::audited(&history, &checked, log.events().len())
    });
    let mut report = checked.await.map_err(RunError::task)?;
    report.injected(&plan, took, injected);
    let outcome = report.outcome(plan.recover_within);
    output.publish(&report)?;
    match outcome {
        Outcome::Violated => Ok(outcome),
        Outcome::Kept | Outcome::TooSlow => carried_out.map(|()| outcome),
    }
}

fn start() -> Result<(Cluster, Option<Disks>), RunError> {
    let cluster = Cluster::builder().replicas(1).durable().start().map_err(RunError::cluster)?;
    Ok((cluster, None))
}

fn start_on_small_disks() -> Result<(Cluster, Option<Disks>), RunError> {
    let disks = Disks::mount()?;
    let builder = Cluster::builder().durable().on_disks(disks.data.path(), disks.wal.path());
    // The disk of the WAL has room for some files only.
    let settings = [("max_wal_size", "'64MB'"), ("min_wal_size", "'32MB'"), ("wal_keep_size", "'0'")];
    let builder = settings.into_iter().fold(builder, |builder, (name, value)| builder.setting(name, value));
    Ok((builder.start().map_err(RunError::cluster)?, Some(disks)))
}

async fn connect(primary: &str, replica: Option<&str>) -> Result<EventStore, RunError> {
    let mut settings = Settings::default();
    settings.append_timeout = Duration::from_secs(5);
    settings.query_timeout = Duration::from_secs(5);
    // Clients wait for connections too.
    settings.pool_size = 4;
    let builder =
        EventStore::builder().primary(primary).schema(SCHEMA).settings(settings).index_only(workload::PATHS);
    let builder = replica.into_iter().fold(builder, EventStoreBuilder::replica);
    Ok(builder.connect().await?)
}

/// A client goes on until it is told to stop.
fn early(ended: Result<Result<(), RunError>, tokio::task::JoinError>) -> RunError {
    let result = ended.map_err(RunError::task).and_then(|ended| ended);
    result.err().unwrap_or_else(|| RunError::new("a client ended before its time"))
}

async fn inject(
    plan: &ChaosPlan,
    injector: &mut Injector,
    mut progress: watch::Receiver<u64>,
    injected: &mut [Injected],
) -> Result<(), RunError> {
    let ends = Instant::now() + plan.duration;
    let mut left = plan.faults.clone();
    loop {
        let before = *progress.borrow_and_update();
        advance(&mut progress, before + PROGRESS).await?;
        left.retain(|fault| fault.left != Some(0));
        let Some(name) = left.choose(injector.random()).map(|fault| fault.name) else { return Ok(()) };
        if Instant::now() >= ends {
            break;
        }
        let in_time = tokio::time::timeout(GIVE_UP, injector.inject(name)).await;
        in_time.map_err(|_| RunError::new(format!("{name:?} did not come to pass within {GIVE_UP:?}")))??;
        let healed = Instant::now();
        let before = *progress.borrow_and_update();
        advance(&mut progress, before + 1).await?;
        for fault in left.iter_mut().filter(|fault| fault.name == name) {
            fault.left = fault.left.map(|left| left - 1);
        }
        for of_name in injected.iter_mut().filter(|of| of.name == name) {
            of_name.add(healed.elapsed());
        }
    }
    match left.iter().find_map(|fault| Some((fault.name, fault.left?))) {
        None => Ok(()),
        Some((name, left)) => Err(RunError::new(format!(
            "the time was over before all faults were injected: {left} of {name:?} are left"
        ))),
    }
}

/// Until so many appends are acknowledged.
async fn advance(progress: &mut watch::Receiver<u64>, to: u64) -> Result<(), RunError> {
    match tokio::time::timeout(GIVE_UP, progress.wait_for(|acknowledged| *acknowledged >= to)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(_)) => Err(RunError::new("all clients have ended")),
        Err(_) => Err(RunError::new(format!(
            "no append was acknowledged for {GIVE_UP:?}: the store did not come back"
        ))),
    }
}

/// The log as the tables have it: not through the store, whose reading is part of what is checked.
async fn log(primary: &str) -> Result<Vec<LogEvent>, RunError> {
    let session = testutil::connect(primary).await.map_err(EngineError::from)?;
    Ok(engine::store_log(&session, SCHEMA).await?)
}
