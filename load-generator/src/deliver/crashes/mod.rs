//! `crashes`: a group and a subscription whose processes are killed at random, while many write; and a check of every delivery.
//!
//! *Processes.* This one starts the others, which are this same program with `--part`: some workers of the group, and one that has
//! the subscription. Each says `ready`, writes what it was handed to a file, operation by operation, and goes on until it is
//! killed. Another one of its kind takes its place.

mod part;
mod report;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use eventstore::{EventStore, Settings};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use testutil::checker::{Action, Answer, Grouped, History, KeyOrder, Recorder};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::deliver::crashes::report::{Counted, Report, in_time};
use crate::deliver::hands::unrecorded;
use crate::deliver::{Common, audit, checked_items, fresh, item, ms, servers};
use crate::error::RunError;
use crate::output::Output;
use crate::servers::Servers;
use crate::subprocess::Subprocess;
use crate::verdict::Verdict;

pub(crate) use part::{PartPlan, part};

const SCHEMA: &str = "deliver_crashes";
const NAME: &str = "crashes";
const LEASE: Duration = Duration::from_secs(1);
const HEARTBEAT: Duration = Duration::from_millis(200);
/// Events in one append.
const TOGETHER: u64 = 10;
/// The numbers of the hands of one process, and more than any has.
const NUMBERS: u64 = 1_000;
/// How long it may take until nothing is left, after the last append.
const PATIENCE: Duration = Duration::from_secs(600);

/// What is to be done.
#[derive(Debug, Clone)]
pub(crate) struct CrashPlan {
    /// By the group and the subscription together.
    pub(crate) deliveries: u64,
    pub(crate) writers: u64,
    /// Processes of the group.
    pub(crate) processes: usize,
    pub(crate) kill_every: Duration,
    pub(crate) seed: u64,
    pub(crate) common: Common,
}

/// Processes that are killed, and their histories.
struct Processes<'a> {
    servers: &'a Servers,
    folder: tempfile::TempDir,
    started: u64,
    running: Vec<Process>,
}

struct Process {
    is_subscription: bool,
    number: u64,
    running: Subprocess,
}

/// Carries it out and reports.
pub(crate) async fn run(plan: CrashPlan) -> Result<Verdict, RunError> {
    let output = Output::open(plan.common.json.as_deref())?;
    let servers = servers(&plan.common).await?;
    let store = fresh(&servers, SCHEMA, settings()).await?;
    let recorder = Recorder::in_memory();
    let grouped = Grouped {
        group: NAME.to_owned(),
        filter: checked_items(),
        order: KeyOrder::By("key".to_owned()),
        after: 0,
        lease_ns: u64::try_from(LEASE.as_nanos()).unwrap_or(u64::MAX),
    };
    let _ = recorder.begin(0, Action::Grouped(grouped)).map_err(unrecorded)?;
    let folder = tempfile::tempdir().map_err(RunError::io("making a folder for the histories"))?;
    let mut processes = Processes { servers: &servers, folder, started: 0, running: Vec::new() };
    for nth in 0..=plan.processes {
        processes.start(nth == 0).await?;
    }
    let (events, began) = (plan.deliveries / 2, Instant::now());
    let (written, mut writers) = (Arc::new(AtomicU64::new(0)), JoinSet::new());
    for _ in 0..plan.writers {
        writers.spawn(write(store.clone(), Arc::clone(&written), events));
    }
    let (mut kills, mut random) = (0, ChaCha8Rng::seed_from_u64(plan.seed));
    let mut give_up = None;
    while !is_drained(&store, written.load(Ordering::Relaxed) >= events).await? {
        sleep(plan.kill_every.mul_f64(random.random_range(0.5..1.5))).await;
        while let Some(ended) = writers.try_join_next() {
            ended.map_err(RunError::task)??;
        }
        if writers.is_empty() {
            let give_up = *give_up.get_or_insert_with(|| Instant::now() + PATIENCE);
            if Instant::now() > give_up {
                return Err(RunError::new(format!("not everything was done within {PATIENCE:?}")));
            }
        }
        let nth = random.random_range(0..processes.running.len());
        let process = processes.running.swap_remove(nth);
        let is_subscription = process.is_subscription;
        process.kill(&recorder).await?;
        kills += 1;
        processes.start(is_subscription).await?;
    }
    let took = began.elapsed();
    for process in processes.running.drain(..) {
        process.kill(&recorder).await?;
    }
    let head = store.head().await?.position().get();
    for action in [
        Action::Drained { group: NAME.to_owned(), position: head },
        Action::CaughtUp { subscription: NAME.to_owned(), position: head },
    ] {
        let _ = recorder.begin(0, action).map_err(unrecorded)?;
    }
    let mut history = processes.history()?;
    // The subscription's end comes last; what concerns groups is sorted by time.
    history.operations.extend(recorder.take().operations);
    let counted = Counted::of(&history);
    let audited = audit(&store, history).await?;
    store.close().await?;
    let report = Report {
        scenario: "crashes",
        events: head,
        seconds: took.as_secs_f64(),
        kills,
        deliveries: counted.deliveries,
        redeliveries: counted.deliveries.map(|count| count.saturating_sub(head)),
        redelivered_after_ms: counted.median_and_longest_ms(),
        lease_ms: ms(LEASE),
        redelivered_in_time: counted.longest().map(in_time),
        operations: audited.operations,
        violations: audited.violations,
        found: audited.text,
    };
    output.publish(&report)?;
    Ok(report.verdict())
}

fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.heartbeat_every = HEARTBEAT;
    settings
}

async fn write(store: EventStore, written: Arc<AtomicU64>, events: u64) -> Result<(), RunError> {
    loop {
        let from = written.fetch_add(TOGETHER, Ordering::Relaxed);
        if from >= events {
            return Ok(());
        }
        store.append((from..events.min(from + TOGETHER)).map(item)).await?;
    }
}

/// Whether group and subscription have come to the end of the log.
async fn is_drained(store: &EventStore, all_are_written: bool) -> Result<bool, RunError> {
    if !all_are_written {
        return Ok(false);
    }
    let head = store.head().await?.position();
    let group = store.group_status(NAME).await?;
    let group = group.is_some_and(|group| {
        group.checkpoint.position() >= head && group.ready + group.leased + group.waiting == 0
    });
    let subscription = store.subscription_status(NAME).await?;
    Ok(group && subscription.is_some_and(|subscription| subscription.checkpoint.position() >= head))
}

impl Processes<'_> {
    async fn start(&mut self, is_subscription: bool) -> Result<(), RunError> {
        self.started += 1;
        let kind = if is_subscription { "subscription" } else { "group" };
        let arguments = ["deliver", "crashes", "--part", kind, "--number", &self.started.to_string()];
        let arguments = arguments.map(OsString::from).into_iter();
        let arguments = arguments.chain(["--history".into(), self.file(self.started).into()]);
        let replica = self.servers.replicas.first().map(String::as_str);
        let mut process = Subprocess::start(arguments, &self.servers.primary, replica)?;
        process.expect("ready").await?;
        self.running.push(Process { is_subscription, number: self.started, running: process });
        Ok(())
    }

    fn history(&self) -> Result<History, RunError> {
        let mut history = History::default();
        for number in 1..=self.started {
            let loaded = Recorder::load(&self.file(number)).map_err(RunError::io("reading a history"))?;
            history.operations.extend(loaded.operations);
        }
        Ok(history)
    }

    fn file(&self, number: u64) -> PathBuf {
        self.folder.path().join(format!("history{number}"))
    }
}

impl Process {
    /// Kills it, and notes that.
    async fn kill(self, recorder: &Recorder) -> Result<(), RunError> {
        let (first, last) = (self.number * NUMBERS, (self.number + 1) * NUMBERS - 1);
        let pending = recorder.begin(0, Action::Killed { first, last }).map_err(unrecorded)?;
        self.running.kill().await?;
        recorder.end(&pending, Answer::Done).map_err(unrecorded)
    }
}
