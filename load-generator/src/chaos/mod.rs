//! Faults under load, and an audit of what the store said meanwhile.
//!
//! *Who owns what.* A run has a cluster of its own, a primary with `fsync` on and its replicas; the injector alone owns it, and
//! stops and starts its servers. The store reaches each server through a proxy ([`network`]), which the injector owns too.
//! Clients ([`workload`]) share one store handle and one [`Recorder`]; what they are told is counted in a [`Progress`].
//!
//! *One fault after the other.* The injector waits until the clients have made progress, injects a fault, heals it, and waits
//! for the next acknowledgement: the time since the server was reachable again is the recovery. A store that does not
//! come back within [`GIVE_UP`] ends the run. Which fault, when and for how long is drawn from the seed; what it meets
//! depends on the run.
//!
//! *The end.* When all faults were injected, or the time is over, the clients stop, and the primary crashes a last time: what
//! is audited is what a recovery finds.

mod clients;
mod failover;
mod fault;
mod injector;
mod network;
mod process;
mod progress;
mod report;
mod servers;
mod workload;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use eventstore::{EventStore, EventStoreBuilder, Settings};
use prometheus::Registry;
use rand::SeedableRng as _;
use rand::seq::IndexedRandom as _;
use rand_chacha::ChaCha8Rng;
use testutil::checker::{Action, Answer, Checker, Filter, Log, LogEvent, Read, Recorder};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::chaos::clients::Clients;
use crate::chaos::injector::Injector;
use crate::chaos::network::Network;
use crate::chaos::process::Processes;
use crate::chaos::progress::Progress;
use crate::chaos::report::{Injected, Report};
use crate::chaos::servers::Servers;
use crate::chaos::workload::Worker;
use crate::engine::{self, EngineError};
use crate::error::RunError;
use crate::output::Output;
use crate::verdict::Verdict;

pub(crate) use fault::{FaultName, Faults};
pub(crate) use process::{PartPlan, part};

/// What is to be done.
#[derive(Debug, Clone)]
pub(crate) struct ChaosPlan {
    pub(crate) faults: Faults,
    pub(crate) duration: Duration,
    pub(crate) clients: u64,
    pub(crate) seed: u64,
    /// Of the servers, as in postgresql.conf.
    pub(crate) settings: Vec<(String, String)>,
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
pub(crate) async fn run(plan: ChaosPlan) -> Result<Verdict, RunError> {
    let output = Output::open(plan.json.as_deref())?;
    let (faults, settings) = (plan.faults.clone(), plan.settings.clone());
    let started = tokio::task::spawn_blocking(move || Servers::start(&faults, &settings));
    let servers = started.await.map_err(RunError::task)??;
    let network = Network::start(servers.cluster(), plan.faults.fail_over()).await?;
    let registry = Registry::new();
    let store = connect(network.store().metrics(&registry)).await?;
    store.migrate().await?;
    // Whatever the servers are set to, there is a log.
    injector::execute(&servers.primary(), "CHECKPOINT").await?;

    let mut processes =
        Processes::new(plan.seed, network.primary.clone(), network.replicas.first().cloned())?;
    if plan.faults.have(FaultName::Process) {
        processes.start().await?;
    }
    let recorder = Arc::new(Recorder::in_memory());
    let progress = Arc::new(Progress::default());
    let stop = CancellationToken::new();
    let mut workers = JoinSet::new();
    for number in 0..plan.clients {
        let random = ChaCha8Rng::seed_from_u64(plan.seed.wrapping_mul(1_000).wrapping_add(number + 1));
        let (recorder, progress) = (Arc::clone(&recorder), Arc::clone(&progress));
        let worker = Worker::new(number, store.clone(), random, recorder, progress);
        workers.spawn(worker.run(stop.clone()));
    }
    let began = Instant::now();
    let random = ChaCha8Rng::seed_from_u64(plan.seed);
    let clients = Clients {
        store: store.clone(),
        registry,
        recorder: Arc::clone(&recorder),
        acknowledged: progress.acknowledgements(),
        refused: progress.refusals(),
        count: plan.clients,
    };
    let mut injector = Injector::new(servers, processes, network, clients, random);
    let mut injected: Vec<Injected> =
        plan.faults.as_slice().iter().map(|fault| Injected::new(fault.name)).collect();
    let mut carried_out = tokio::select! {
        carried_out = inject(&plan, &mut injector, &mut injected) => carried_out,
        Some(ended) = workers.join_next() => Err(early(ended)),
    };
    let took = began.elapsed();
    stop.cancel();
    // A fault may have been left in the middle.
    let healed = injector.heal().await;
    carried_out = carried_out.and(healed);
    carried_out = carried_out.and(all_end(&mut workers).await);
    carried_out = carried_out.and(within_limit(store.close(), "the store did not close").await);
    carried_out = carried_out.and(injector.processes.kill().await);
    // Whatever has gone wrong: what was promised until then is checked.
    let crashed = injector.cut_power();
    let primary = injector.servers.primary();
    let events = match crashed {
        Ok(()) => log(&primary).await,
        Err(error) => Err(error),
    };
    // What was the first to go wrong says more.
    let events = match (events, carried_out) {
        (Ok(events), so_far) => {
            carried_out = so_far;
            events
        }
        (Err(_), Err(first)) => return Err(first),
        (Err(error), Ok(())) => return Err(error),
    };
    for replica in injector.servers.replicas() {
        let read = read_replica(&recorder, &primary, &replica);
        let read = within_limit(read, "the replica did not come to the end of the log").await;
        carried_out = carried_out.and(read);
    }
    let mut history = recorder.take();
    match injector.processes.operations() {
        Ok(operations) => history.operations.extend(operations),
        Err(error) => carried_out = carried_out.and(Err(error)),
    }
    if let Some(none) = injected.iter().find(|injected| injected.count == 0) {
        let none = RunError::new(format!("there was no time for a single {}", none.name));
        carried_out = carried_out.and(Err(none));
    }
    let checked = tokio::task::spawn_blocking(move || {
        let log = Log::new(events);
        let checked = Checker::default().check(&history, &log);
        Report::audited(&history, &checked, &log)
    });
    let mut report = checked.await.map_err(RunError::task)?;
    report.injected(&plan, took, injected, injector.forgotten);
    report.errors = progress.reasons();
    let verdict = report.verdict(plan.recover_within);
    verdict.unless(output.publish(&report).and(carried_out))
}

/// Clients that are told to stop do so when their calls have come to an end.
async fn all_end(workers: &mut JoinSet<Result<(), RunError>>) -> Result<(), RunError> {
    let mut result = Ok(());
    while !workers.is_empty() {
        match tokio::time::timeout(GIVE_UP, workers.join_next()).await {
            Ok(Some(ended)) => result = result.and(ended.map_err(RunError::task).and_then(|ended| ended)),
            Ok(None) => break,
            Err(_) => {
                let left = workers.len();
                workers.abort_all();
                return Err(RunError::new(format!("{left} clients have calls that never come to an end")));
            }
        }
    }
    result
}

async fn within_limit<E: Into<RunError>>(
    future: impl Future<Output = Result<(), E>>,
    late: &str,
) -> Result<(), RunError> {
    match tokio::time::timeout(GIVE_UP, future).await {
        Ok(result) => result.map_err(Into::into),
        Err(_) => Err(RunError::new(format!("{late} within {GIVE_UP:?}"))),
    }
}

async fn connect(builder: EventStoreBuilder) -> Result<EventStore, RunError> {
    let mut settings = Settings::default();
    settings.append_timeout = Duration::from_secs(5);
    settings.query_timeout = Duration::from_secs(5);
    // Clients wait for connections too.
    settings.pool_size = 4;
    Ok(builder.schema(SCHEMA).settings(settings).index_only(workload::PATHS).connect().await?)
}

/// A client goes on until it is told to stop.
fn early(ended: Result<Result<(), RunError>, tokio::task::JoinError>) -> RunError {
    let result = ended.map_err(RunError::task).and_then(|ended| ended);
    result.err().unwrap_or_else(|| RunError::new("a client ended before its time"))
}

async fn inject(
    plan: &ChaosPlan,
    injector: &mut Injector,
    injected: &mut [Injected],
) -> Result<(), RunError> {
    let ends = Instant::now() + plan.duration;
    let mut left = plan.faults.as_slice().to_vec();
    loop {
        injector.clients.advance(PROGRESS).await?;
        left.retain(|fault| fault.left != Some(0));
        let Some(name) = left.choose(injector.random()).map(|fault| fault.name) else { return Ok(()) };
        if Instant::now() >= ends {
            break;
        }
        let Some(injected) = injected.iter_mut().find(|of| of.name == name) else { continue };
        let in_time = tokio::time::timeout(GIVE_UP, injector.inject(name, injected)).await;
        let healed = in_time
            .map_err(|_| RunError::new(format!("{name} did not come to pass within {GIVE_UP:?}")))??;
        injector.clients.advance(1).await?;
        injected.recovered(healed.elapsed());
        for fault in left.iter_mut().filter(|fault| fault.name == name) {
            fault.left = fault.left.map(|left| left - 1);
        }
    }
    match left.iter().find_map(|fault| Some((fault.name, fault.left?))) {
        None => Ok(()),
        Some((name, left)) => Err(RunError::new(format!(
            "the time was over before all faults were injected: {left} of {name} are left"
        ))),
    }
}

/// The log as the tables have it: not through the store, whose reading is part of what is checked.
async fn log(primary: &str) -> Result<Vec<LogEvent>, RunError> {
    let session = testutil::connect(primary).await.map_err(EngineError::from)?;
    let mut events = Vec::new();
    engine::in_form_of_the_store(&session, SCHEMA, &mut |event| events.push(event)).await?;
    Ok(events)
}

/// What the replica has when it has come to the end: the same, as one more read.
async fn read_replica(recorder: &Recorder, primary: &str, replica: &str) -> Result<(), RunError> {
    let read = Read {
        filter: Filter::all(),
        after: 0,
        backwards: false,
        limit: None,
        at_least: 0,
        strong: true,
        complete_to: 0,
        result: Vec::new(),
    };
    let pending = recorder.begin(0, Action::Read(read)).map_err(RunError::io("recording"))?;
    testutil::replayed(primary, replica).await.map_err(EngineError::from)?;
    let events = log(replica).await?;
    let complete_to = events.iter().map(|event| event.position).max().unwrap_or(0);
    let mut result: Vec<_> = events.iter().map(|event| (event.position, event.digest())).collect();
    result.sort_by_key(|(position, _)| *position);
    recorder.end(&pending, Answer::Read { complete_to, result }).map_err(RunError::io("recording"))
}
