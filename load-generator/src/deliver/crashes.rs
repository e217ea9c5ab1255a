//! `crashes`: a group and a subscription whose processes are killed at random, while many write; and a check of every delivery.
//!
//! *Processes.* This one starts the others, which are this same program with `--part`: some workers of the group, and one that has
//! the subscription. Each says `ready`, writes what it was handed to a file, operation by operation, and goes on until it is
//! killed. Another one of its kind takes its place.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use eventstore::{ErrorKind, EventStore, Settings, Start};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use testutil::checker::{Action, Answer, Delivery, Grouped, History, KeyOrder, Recorder};
use tokio::io::AsyncBufReadExt as _;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::deliver::hands::{Desk, digest, take, unrecorded};
use crate::deliver::{Common, audit, checked_items, connect, fresh, item, items, ms, servers};
use crate::error::RunError;
use crate::output::Output;
use crate::servers::Servers;
use crate::subprocess::Subprocess;
use crate::verdict::Verdict;

const SCHEMA: &str = "deliver_crashes";
const NAME: &str = "crashes";
const LEASE: Duration = Duration::from_secs(1);
const HEARTBEAT: Duration = Duration::from_millis(200);
/// Events that are handled at once in one process.
const HANDS: u64 = 16;
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

/// What one process has to do.
#[derive(Debug, Clone)]
pub(crate) struct PartPlan {
    pub(crate) is_subscription: bool,
    pub(crate) number: u64,
    pub(crate) primary: String,
    pub(crate) replica: Option<String>,
    pub(crate) history: PathBuf,
}

#[derive(Debug, Serialize)]
struct Report {
    scenario: &'static str,
    events: u64,
    seconds: f64,
    kills: u64,
    /// Of the group, and of the subscription.
    deliveries: [u64; 2],
    redeliveries: [u64; 2],
    /// The longest time from when an event was handed over until it was handed over again.
    longest_until_again_ms: f64,
    lease_ms: f64,
    operations: usize,
    violations: usize,
    #[serde(skip)]
    found: String,
}

/// Processes that are killed, and their histories.
struct Processes<'a> {
    servers: &'a Servers,
    folder: tempfile::TempDir,
    started: u64,
    running: Vec<(bool, Subprocess)>,
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
        let (is_subscription, process) = processes.running.swap_remove(nth);
        process.kill().await?;
        kills += 1;
        processes.start(is_subscription).await?;
    }
    let took = began.elapsed();
    for (_, process) in processes.running.drain(..) {
        process.kill().await?;
    }
    let head = store.head().await?.position().get();
    for action in [
        Action::Drained { group: NAME.to_owned(), position: head },
        Action::CaughtUp { subscription: NAME.to_owned(), position: head },
    ] {
        let _ = recorder.begin(0, action).map_err(unrecorded)?;
    }
    let mut history = processes.history()?;
    // The subscription's end comes last, and the group's are sorted by time.
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
        longest_until_again_ms: ms(counted.longest_until_again),
        lease_ms: ms(LEASE),
        operations: audited.operations,
        violations: audited.violations,
        found: audited.text,
    };
    output.publish(&report)?;
    Ok(if audited.violations == 0 { Verdict::Kept } else { Verdict::Violated })
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
        self.running.push((is_subscription, process));
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

/// What a history has.
#[derive(Default)]
struct Counted {
    deliveries: [u64; 2],
    longest_until_again: Duration,
}

impl Counted {
    fn of(history: &History) -> Self {
        let (mut counted, mut handed) = (Self::default(), HashMap::<u64, Vec<u64>>::new());
        for operation in &history.operations {
            match &operation.action {
                Action::Handed(of) => {
                    counted.deliveries[0] += 1;
                    handed.entry(of.position).or_default().push(operation.invoked);
                }
                Action::Delivery(_) => counted.deliveries[1] += 1,
                _ => {}
            }
        }
        for times in handed.values_mut().filter(|times| times.len() > 1) {
            times.sort_unstable();
            let longest = times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default();
            counted.longest_until_again = counted.longest_until_again.max(Duration::from_nanos(longest));
        }
        counted
    }
}

/// What one process does.
pub(crate) async fn part(plan: PartPlan) -> Result<(), RunError> {
    let replicas: Vec<String> = plan.replica.into_iter().collect();
    let store = connect(&plan.primary, &replicas, SCHEMA, settings()).await?;
    let recorder = Recorder::to_file(&plan.history).map_err(RunError::io(plan.history.display()))?;
    println!("ready");
    let mut input = tokio::io::BufReader::new(tokio::io::stdin()).lines();
    let parent = async { while let Ok(Some(_)) = input.next_line().await {} };
    let working = async {
        match plan.is_subscription {
            true => subscribe(&store, &recorder, plan.number).await,
            false => work(&store, recorder, plan.number).await,
        }
    };
    tokio::select! {
        () = parent => Err(RunError::new("the run was given up")),
        ended = working => ended,
    }
}

async fn work(store: &EventStore, recorder: Recorder, number: u64) -> Result<(), RunError> {
    let group = store.consumer_group(NAME).filter(&items()).ordered_by("key").lease(LEASE);
    let worker = Arc::new(group.max_attempts(1_000).start(Start::Beginning).await?);
    let desk = Desk::new(NAME, Arc::new(recorder), u64::MAX);
    let mut hands = JoinSet::new();
    for hand in 0..HANDS {
        hands.spawn(take(Arc::clone(&worker), Arc::clone(&desk), number * NUMBERS + hand));
    }
    match hands.join_next().await {
        Some(ended) => ended.map_err(RunError::task)?.map(|_| ()),
        None => Ok(()),
    }
}

async fn subscribe(store: &EventStore, recorder: &Recorder, number: u64) -> Result<(), RunError> {
    let note = |action| {
        let pending = recorder.begin(number * NUMBERS, action).map_err(unrecorded)?;
        recorder.end(&pending, Answer::Done).map_err(unrecorded)
    };
    let mut subscription = loop {
        let subscription = store.subscription(NAME).filter(&items());
        match subscription.start(Start::Beginning).await {
            Ok(subscription) => break subscription,
            // The one that was killed counts as alive for two heartbeats.
            Err(error) if error.kind() == ErrorKind::Unavailable => sleep(HEARTBEAT / 2).await,
            Err(error) => return Err(error.into()),
        }
    };
    let (name, after) = (NAME.to_owned(), subscription.started_after().position().get());
    note(Action::Subscribed { subscription: name, filter: checked_items(), after })?;
    while let Some(batch) = subscription.next().await {
        let batch = batch?;
        for event in &batch {
            let (position, event) = (event.position.get(), digest(event));
            note(Action::Delivery(Delivery { subscription: NAME.to_owned(), position, event }))?;
        }
        match batch.commit().await {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::Unavailable => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [by_group, by_subscription] = self.deliveries;
        let [again_by_group, again_by_subscription] = self.redeliveries;
        writeln!(
            f,
            "crashes: {} events in {:.1} s, {} processes killed: {} deliveries, by a group {by_group} ({again_by_group} of them \
             again), by a subscription {by_subscription} ({again_by_subscription} again)",
            self.events,
            self.seconds,
            self.kills,
            by_group + by_subscription
        )?;
        writeln!(
            f,
            "what was handed over and not done was handed over again after {:.0} ms at most; leases of {:.0} ms",
            self.longest_until_again_ms, self.lease_ms
        )?;
        writeln!(f, "audit: {}", self.found.trim_end())
    }
}
