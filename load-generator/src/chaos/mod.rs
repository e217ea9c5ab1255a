//! Faults under load, and an audit of what the store said meanwhile.
//!
//! *Who owns what.* A run has servers of its own, a primary with `fsync` on and its replicas; whoever [injects](Inject) faults
//! alone owns them, and stops and starts them: ours ([`embedded`]), which the store reaches through proxies that are owned
//! with them, or those that Patroni runs ([`managed`]). Clients ([`workload`]) share one store handle and one [`Recorder`]; what they are told is counted in a [`Progress`].
//!
//! *One fault after the other.* The injector waits until the clients have made progress, injects a fault, heals it, and waits
//! for the next acknowledgement: the time since the server was reachable again is the recovery. A store that does not
//! come back within [`GIVE_UP`] ends the run. Which fault, when and for how long is drawn from the seed; what it meets
//! depends on the run.
//!
//! *The end.* When all faults were injected, or the time is over, the clients stop, and our primary crashes a last time: what
//! is audited is what a recovery finds. The replicas must have the same.

mod aftermath;
mod clients;
mod embedded;
mod failover;
mod fault;
mod inject;
mod managed;
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
use testutil::checker::{Checker, Log, Recorder};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::chaos::clients::Clients;
use crate::chaos::embedded::Embedded;
use crate::chaos::inject::Inject;
use crate::chaos::managed::Managed;
use crate::chaos::progress::Progress;
use crate::chaos::report::{Injected, Report};
use crate::chaos::workload::Worker;
use crate::error::RunError;
use crate::output::Output;
use crate::verdict::Verdict;

pub(crate) use fault::Faults;
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
    if plan.faults.are_of_patroni() {
        audited(&plan, Managed::start().await?, output).await
    } else {
        audited(&plan, Embedded::start(&plan).await?, output).await
    }
}

async fn audited(plan: &ChaosPlan, mut injector: impl Inject, output: Output) -> Result<Verdict, RunError> {
    let registry = Registry::new();
    let store = connect(injector.store().metrics(&registry)).await?;
    store.migrate().await?;
    injector.begin().await?;

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
    let mut clients = Clients {
        store: store.clone(),
        registry,
        recorder: Arc::clone(&recorder),
        progress: Arc::clone(&progress),
        losses: 0.0,
        acknowledged: progress.acknowledgements(),
        refused: progress.refusals(),
        count: plan.clients,
    };
    let mut injected: Vec<Injected> =
        plan.faults.as_slice().iter().map(|fault| Injected::new(fault.name)).collect();
    let mut carried_out = tokio::select! {
        carried_out = inject(plan, &mut injector, &mut clients, &mut injected) => carried_out,
        Some(ended) = workers.join_next() => Err(early(ended)),
    };
    let took = began.elapsed();
    stop.cancel();
    // One that no fault explains, perhaps.
    carried_out = carried_out.and(clients.note_loss().map(drop));
    // A fault may have been left in the middle.
    let healed = injector.heal().await;
    carried_out = carried_out.and(healed);
    carried_out = carried_out.and(all_end(&mut workers).await);
    carried_out = carried_out.and(within_limit(store.close(), "the store did not close").await);
    // Whatever has gone wrong: what was promised until then is checked.
    let ended = injector.end().await;
    let (primary, replicas) = injector.servers();
    let events = match ended {
        Ok(()) => aftermath::log(&primary).await,
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
    for replica in replicas {
        let read = aftermath::read_replica(&recorder, &primary, &replica);
        let read = within_limit(read, "the replica did not come to the end of the log").await;
        carried_out = carried_out.and(read);
    }
    let mut history = recorder.take();
    match injector.operations() {
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
    report.injected(plan, took, injected, injector.forgotten());
    report.ending = injector.ending();
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
    injector: &mut impl Inject,
    clients: &mut Clients,
    injected: &mut [Injected],
) -> Result<(), RunError> {
    let ends = Instant::now() + plan.duration;
    let mut random = ChaCha8Rng::seed_from_u64(plan.seed);
    let mut left = plan.faults.as_slice().to_vec();
    loop {
        clients.advance(PROGRESS).await?;
        left.retain(|fault| fault.left != Some(0));
        let Some(name) = left.choose(&mut random).map(|fault| fault.name) else { return Ok(()) };
        if Instant::now() >= ends {
            break;
        }
        let Some(injected) = injected.iter_mut().find(|of| of.name == name) else { continue };
        injector.prepare().await?;
        clients.advance(1).await?;
        let began = Instant::now();
        let healed = tokio::time::timeout(name.patience(), injector.inject(name, clients, injected)).await;
        let late = |_| RunError::new(format!("{name} did not come to pass within {:?}", name.patience()));
        let healed = healed.map_err(late)??;
        clients.advance(1).await?;
        clients.note_loss()?;
        let (from, to) = clients.progress.longest_gap(began).unwrap_or((began, began));
        injected.recovered(to.saturating_duration_since(healed), to - from);
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
