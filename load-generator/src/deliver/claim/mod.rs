//! `group-claim`: claimers on several nodes share a log's events, against a leader's queue.

mod leader_queue;
mod report;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use eventstore::{ConsumerGroup, Settings, Start, Worker};
use testutil::checker::{Action, Grouped, KeyOrder, Recorder, Rule};
use tokio::task::JoinSet;

use crate::deliver::claim::report::Report;
use crate::deliver::hands::{Desk, Waits, take, unrecorded};
use crate::deliver::{Common, audit, checked_items, connect, fill, fresh, items, servers};
use crate::error::RunError;
use crate::live::say;
use crate::output::Output;
use crate::servers::Servers;
use crate::verdict::Verdict;

const SCHEMA: &str = "deliver_claims";
const GROUP: &str = "claims";
const LEASE: Duration = Duration::from_secs(30);
/// Items that are worked off before anything is measured: connections are open then, and statements planned.
const WARM_UP: u64 = 2_000;

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
struct Outcome {
    waits: Waits,
    items: u64,
    took: Duration,
    failed: u64,
    twice: u64,
    out_of_order: u64,
    /// What else the audit found.
    violations: String,
}

/// Carries it out and reports.
pub(crate) async fn run(plan: ClaimPlan) -> Result<Verdict, RunError> {
    let output = Output::open(plan.common.json.as_deref())?;
    let servers = servers(&plan.common).await?;
    let mut measured: Vec<(Mode, u64, Vec<Outcome>)> = Vec::new();
    for round in 0..plan.rounds {
        for (mode, nodes) in in_order(&plan.nodes, round) {
            say(&format!("round {}: {}, {nodes} node(s)", round + 1, mode.as_str()));
            let outcome = measure(mode, nodes, &plan, &servers).await?;
            match measured.iter_mut().find(|(known, at, _)| (*known, *at) == (mode, nodes)) {
                Some((.., outcomes)) => outcomes.push(outcome),
                None => measured.push((mode, nodes, vec![outcome])),
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

/// What is measured in a round, one after the other: each round begins with another mode and another number of nodes, so that
/// nothing is always measured on what the same one has left.
fn in_order(all_nodes: &[u64], round: usize) -> Vec<(Mode, u64)> {
    let turned = |count: usize| (0..count).map(move |nth| (nth + round) % count);
    let all = turned(all_nodes.len()).flat_map(|nth| {
        let modes = turned(Mode::ALL.len()).map(|mode| Mode::ALL[mode]);
        modes.map(move |mode| (mode, all_nodes[nth]))
    });
    // A leader's queue is the same whoever asks.
    all.filter(|(mode, nodes)| !matches!(mode, Mode::LeaderQueue { .. }) || *nodes == all_nodes[0]).collect()
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
    fill(&filler, WARM_UP + plan.items).await?;
    servers.settle().await?;
    let recorder = Arc::new(Recorder::in_memory());
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
    let _ = recorder.begin(0, Action::Grouped(grouped)).map_err(unrecorded)?;
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
    let warm_up = Desk::new(GROUP, Arc::clone(&recorder), WARM_UP);
    work_off(&workers, &warm_up, plan.claimers).await?;
    // Some were in hand when that was over.
    let left = WARM_UP + plan.items - warm_up.done.load(Ordering::Relaxed);
    let desk = Desk::new(GROUP, Arc::clone(&recorder), left);
    servers.settle().await?;
    let began = Instant::now();
    let waits = work_off(&workers, &desk, plan.claimers).await?;
    let took = began.elapsed();
    let head = filler.head().await?.position().get();
    let drained = Action::Drained { group: GROUP.to_owned(), position: head };
    let _ = recorder.begin(0, drained).map_err(unrecorded)?;
    for store in handles {
        store.close().await?;
    }
    let outcome = sorted_out(recorder.take(), &filler).await?;
    filler.close().await?;
    let failed = [warm_up, desk].iter().map(|desk| desk.failed.load(Ordering::Relaxed)).sum();
    Ok(Outcome { waits, items: left, took, failed, ..outcome })
}

/// Has claimers, dealt out to the workers, take what there is until all of it is done.
async fn work_off(workers: &[Arc<Worker>], desk: &Arc<Desk>, claimers: u64) -> Result<Waits, RunError> {
    let mut hands = JoinSet::new();
    for number in 0..claimers {
        let worker = Arc::clone(&workers[number as usize % workers.len()]);
        hands.spawn(take(worker, Arc::clone(desk), number));
    }
    let mut waits = Waits::new();
    while let Some(one) = hands.join_next().await {
        waits.merge(&one.map_err(RunError::task)??);
    }
    Ok(waits)
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
        waits: Waits::new(),
        items: 0,
        took: Duration::ZERO,
        failed: 0,
        twice: twice as u64,
        out_of_order: out_of_order as u64,
        violations,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_round_measures_the_same_in_another_order() {
        let rounds = [0, 1, 2].map(|round| in_order(&[1, 9], round));
        let leaders = |round: &[(Mode, u64)]| {
            round.iter().filter(|(mode, _)| matches!(mode, Mode::LeaderQueue { .. })).count()
        };
        for round in &rounds {
            // Three modes at two numbers of nodes each, and the leader's queue, flushed and not.
            assert_eq!((round.len(), leaders(round)), (8, 2), "{round:?}");
            assert!(rounds[0].iter().all(|one| round.contains(one)), "{round:?}");
        }
        assert_eq!(rounds[0][0], (Mode::Distributed, 1));
        assert_eq!(rounds[1][0], (Mode::ByKey, 9));
        assert_eq!(rounds[2][0], (Mode::Exclusive, 1));
    }
}
