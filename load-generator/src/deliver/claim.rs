//! `group-claim`: claimers on several nodes share a log's events, against a leader's queue.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use eventstore::{ConsumerGroup, Settings, Start};
use serde::Serialize;
use testutil::checker::{Action, Grouped, KeyOrder, Recorder, Rule};
use tokio::task::JoinSet;

use crate::deliver::hands::{Desk, take, unrecorded};
use crate::deliver::{
    Common, audit, checked_items, connect, fill, fresh, items, leader_queue, ms, servers, settle,
};
use crate::error::RunError;
use crate::histogram::Latencies;
use crate::output::Output;
use crate::servers::Servers;
use crate::verdict::Verdict;

const SCHEMA: &str = "deliver_claims";
const GROUP: &str = "claims";
const LEASE: Duration = Duration::from_secs(30);

/// What is to be done.
#[derive(Debug, Clone)]
pub(crate) struct ClaimPlan {
    pub(crate) items: u64,
    pub(crate) claimers: u64,
    pub(crate) nodes: Vec<u64>,
    pub(crate) rounds: usize,
    pub(crate) common: Common,
}

/// Who hands the items out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Distributed,
    ByKey,
    Exclusive,
    LeaderQueue { flushes: bool },
}

impl Mode {
    const ALL: [Self; 5] = [
        Self::Distributed,
        Self::ByKey,
        Self::Exclusive,
        Self::LeaderQueue { flushes: true },
        Self::LeaderQueue { flushes: false },
    ];

    fn as_str(self) -> &'static str {
        match self {
            Self::Distributed => "distributed",
            Self::ByKey => "distributed, ordered by key",
            Self::Exclusive => "exclusive",
            Self::LeaderQueue { flushes: true } => "leader-queue",
            Self::LeaderQueue { flushes: false } => "leader-queue, not flushed",
        }
    }
}

/// What one run of one mode came to.
pub(super) struct Outcome {
    pub(super) waits: Latencies,
    pub(super) took: Duration,
    pub(super) failed: u64,
    pub(super) twice: u64,
    pub(super) out_of_order: u64,
    /// What else the audit found.
    pub(super) violations: String,
}

/// One mode at one number of nodes, over all rounds.
#[derive(Debug, Serialize)]
struct Row {
    mode: &'static str,
    nodes: u64,
    /// Medians of the rounds.
    mean_ms: f64,
    p50_ms: f64,
    p95_ms: f64,
    p99_ms: f64,
    items_per_second: f64,
    /// Over all rounds.
    failed: u64,
    claimed_twice: u64,
    out_of_order: u64,
    /// The mean of leader-queue over its own; and that of leader-queue whose claims are not flushed, as ours are not.
    times_leader_queue: Option<f64>,
    times_unflushed_leader_queue: Option<f64>,
    means_ms: Vec<f64>,
    #[serde(skip)]
    found: String,
}

#[derive(Debug, Serialize)]
struct Report {
    scenario: &'static str,
    items: u64,
    claimers: u64,
    rounds: usize,
    lease_ms: f64,
    cpus: usize,
    rows: Vec<Row>,
}

/// Carries it out and reports.
pub(crate) async fn run(plan: ClaimPlan) -> Result<Verdict, RunError> {
    let output = Output::open(plan.common.json.as_deref())?;
    let servers = servers(&plan.common).await?;
    let mut measured: Vec<(Mode, u64, Vec<Outcome>)> = Vec::new();
    for round in 0..plan.rounds {
        for nodes in &plan.nodes {
            for mode in Mode::ALL {
                // A leader's queue is the same whoever asks.
                let is_leader = matches!(mode, Mode::LeaderQueue { .. });
                if is_leader && *nodes != plan.nodes[0] {
                    continue;
                }
                eprintln!("round {}: {}, {nodes} node(s)", round + 1, mode.as_str());
                let outcome = measure(mode, *nodes, &plan, &servers).await?;
                match measured.iter_mut().find(|(known, at, _)| (*known, *at) == (mode, *nodes)) {
                    Some((.., outcomes)) => outcomes.push(outcome),
                    None => measured.push((mode, *nodes, vec![outcome])),
                }
            }
        }
    }
    let report = Report::new(&plan, measured);
    let broken =
        report.rows.iter().any(|row| row.claimed_twice + row.out_of_order > 0 || !row.found.is_empty());
    let failed: u64 = report.rows.iter().map(|row| row.failed).sum();
    let verdict = if broken { Verdict::Violated } else { Verdict::Kept };
    let carried_out = match failed {
        0 => Ok(()),
        _ => Err(RunError::new(format!("{failed} items failed"))),
    };
    verdict.unless(output.publish(&report).and(carried_out))
}

async fn measure(
    mode: Mode,
    nodes: u64,
    plan: &ClaimPlan,
    servers: &Arc<Servers>,
) -> Result<Outcome, RunError> {
    if let Mode::LeaderQueue { flushes } = mode {
        return leader_queue::run(servers, plan.items, plan.claimers, flushes).await;
    }
    let filler = fresh(servers, SCHEMA, Settings::default()).await?;
    fill(&filler, plan.items).await?;
    settle(servers).await?;
    let desk = Desk::new(GROUP, Recorder::in_memory(), plan.items);
    let order = match mode {
        Mode::ByKey => KeyOrder::By("key".to_owned()),
        Mode::Exclusive => KeyOrder::All,
        Mode::Distributed | Mode::LeaderQueue { .. } => KeyOrder::None,
    };
    let grouped = Grouped {
        group: GROUP.to_owned(),
        filter: checked_items(),
        order,
        after: 0,
        lease_ns: u64::try_from(LEASE.as_nanos()).unwrap_or(u64::MAX),
    };
    let _ = desk.recorder.begin(0, Action::Grouped(grouped)).map_err(unrecorded)?;
    let (mut workers, mut handles) = (Vec::new(), Vec::new());
    for _ in 0..nodes {
        let store = connect(&servers.primary, &servers.replicas, SCHEMA, Settings::default()).await?;
        let group = store.consumer_group(GROUP).filter(&items()).lease(LEASE);
        let group: ConsumerGroup = match mode {
            Mode::ByKey => group.ordered_by("key"),
            Mode::Exclusive => group.exclusive(),
            Mode::Distributed | Mode::LeaderQueue { .. } => group,
        };
        workers.push(Arc::new(group.start(Start::Beginning).await?));
        handles.push(store);
    }
    let began = Instant::now();
    let mut hands = JoinSet::new();
    for number in 0..plan.claimers {
        let worker = Arc::clone(&workers[(number % nodes) as usize]);
        hands.spawn(take(worker, Arc::clone(&desk), number));
    }
    let mut waits = Latencies::new();
    while let Some(one) = hands.join_next().await {
        waits.merge(&one.map_err(RunError::task)??);
    }
    let took = began.elapsed();
    let head = filler.head().await?.position().get();
    let drained = Action::Drained { group: GROUP.to_owned(), position: head };
    let _ = desk.recorder.begin(0, drained).map_err(unrecorded)?;
    for store in handles {
        store.close().await?;
    }
    let history = desk.recorder.take();
    let outcome = sorted_out(history, &filler).await?;
    filler.close().await?;
    let failed = desk.failed.load(std::sync::atomic::Ordering::Relaxed);
    Ok(Outcome { waits, took, failed, ..outcome })
}

/// What the audit found, by what it is about.
async fn sorted_out(
    history: testutil::checker::History,
    store: &eventstore::EventStore,
) -> Result<Outcome, RunError> {
    let audited = audit(store, history).await?;
    let count =
        |rule: Rule| audited.by_rule.iter().find(|(of, _)| *of == rule).map_or(0, |(_, count)| *count);
    let (twice, out_of_order) = (count(Rule::HandedTwice), count(Rule::KeyOrder));
    let violations = if audited.violations == 0 { String::new() } else { audited.text };
    Ok(Outcome {
        waits: Latencies::new(),
        took: Duration::ZERO,
        failed: 0,
        twice: twice as u64,
        out_of_order: out_of_order as u64,
        violations,
    })
}

impl Report {
    fn new(plan: &ClaimPlan, measured: Vec<(Mode, u64, Vec<Outcome>)>) -> Self {
        let mut rows: Vec<Row> =
            measured.into_iter().map(|(mode, nodes, runs)| Row::new(mode, nodes, plan, &runs)).collect();
        rows.sort_by_key(|row| (Mode::ALL.iter().position(|mode| mode.as_str() == row.mode), row.nodes));
        let mean = |flushes| {
            let mode = Mode::LeaderQueue { flushes }.as_str();
            rows.iter().find(|row| row.mode == mode).map(|row| row.mean_ms)
        };
        let (flushed, unflushed) = (mean(true), mean(false));
        for row in &mut rows {
            let times =
                |baseline: Option<f64>| baseline.map(|mean| (mean / row.mean_ms * 100.0).round() / 100.0);
            (row.times_leader_queue, row.times_unflushed_leader_queue) = (times(flushed), times(unflushed));
        }
        Self {
            scenario: "group-claim",
            items: plan.items,
            claimers: plan.claimers,
            rounds: plan.rounds,
            lease_ms: ms(LEASE),
            cpus: std::thread::available_parallelism().map_or(0, usize::from),
            rows,
        }
    }
}

impl Row {
    fn new(mode: Mode, nodes: u64, plan: &ClaimPlan, runs: &[Outcome]) -> Self {
        let median = |of: &dyn Fn(&Outcome) -> f64| {
            let mut all: Vec<f64> = runs.iter().map(of).collect();
            all.sort_by(f64::total_cmp);
            (all[all.len() / 2] * 1e3).round() / 1e3
        };
        let at = |quantile: f64| median(&move |run: &Outcome| run.waits.quantile_ms(quantile));
        Self {
            mode: mode.as_str(),
            nodes,
            mean_ms: median(&|run| run.waits.mean_ms()),
            p50_ms: at(0.5),
            p95_ms: at(0.95),
            p99_ms: at(0.99),
            items_per_second: median(&|run| plan.items as f64 / run.took.as_secs_f64()).round(),
            failed: runs.iter().map(|run| run.failed).sum(),
            claimed_twice: runs.iter().map(|run| run.twice).sum(),
            out_of_order: runs.iter().map(|run| run.out_of_order).sum(),
            times_leader_queue: None,
            times_unflushed_leader_queue: None,
            means_ms: runs.iter().map(|run| (run.waits.mean_ms() * 1e3).round() / 1e3).collect(),
            found: runs.iter().map(|run| run.violations.as_str()).collect(),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "group-claim: {} items, {} claimers, medians of {} round(s), {} CPUs; how long a claim was waited for",
            self.items, self.claimers, self.rounds, self.cpus
        )?;
        writeln!(
            f,
            "  {:<28} nodes  mean ms   p50 ms   p95 ms   p99 ms   items/s  failed  twice  out of order  leader-queue's mean, not flushed",
            ""
        )?;
        for row in &self.rows {
            let times = [row.times_leader_queue, row.times_unflushed_leader_queue];
            let times =
                times.map(|times| times.map_or_else(String::new, |times| format!("{times:.1} x"))).join(", ");
            writeln!(
                f,
                "  {:<28} {:>5} {:>8.2} {:>8.2} {:>8.2} {:>8.2} {:>9.0} {:>7} {:>6} {:>13}  {times}",
                row.mode,
                row.nodes,
                row.mean_ms,
                row.p50_ms,
                row.p95_ms,
                row.p99_ms,
                row.items_per_second,
                row.failed,
                row.claimed_twice,
                row.out_of_order
            )?;
        }
        self.rows
            .iter()
            .filter(|row| !row.found.is_empty())
            .try_for_each(|row| writeln!(f, "\n{}", row.found))
    }
}
