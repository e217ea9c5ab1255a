//! `dispatch`: how soon work is fetched, carried out and asked after, against one thing at a time with a query for each part of it; and what
//! a backlog takes.
//!
//! The baseline is an orchestrator as it is written first: it fetches its tasks, then the run of each and the workflow of each run; carries
//! them out one after the other, and writes what came of each; and asks after them in the same way. Both do the same work: a
//! handler takes so long, and so does a check. What it leaves out is that two orchestrators carry out the same task; so its fetch is measured
//! with a claim for each task as well, not flushed, as ours are not, and flushed.
//!
//! Times are those of connections without anything in between; statements are counted in a cycle of their own, at a proxy.

mod backlog;
mod baseline;
mod cycle;
mod report;
mod tasks;

use std::time::Duration;

use eventstore::EventStore;
use testutil::proxy::Proxy;

use crate::deliver::{Common, proxy, servers};
use crate::error::RunError;
use crate::live::say;
use crate::output::Output;
use crate::verdict::Verdict;

pub(crate) use backlog::part;
use baseline::Orchestrator;
use cycle::Cycles;
use report::Report;
use tasks::Mode;

const SCHEMA: &str = "deliver_dispatch";
/// How long a network takes in one direction that is not within one machine.
const AWAY: Duration = Duration::from_millis(1);
/// Each of the pool's connections has its plans then.
const WARM_UPS: usize = 5;

/// What is to be done.
#[derive(Debug, Clone)]
pub(crate) struct DispatchPlan {
    pub(crate) items: u64,
    /// How long a handler takes.
    pub(crate) handler: Duration,
    /// How long a check takes.
    pub(crate) check: Duration,
    /// How much waits in the second part.
    pub(crate) backlog: u64,
    pub(crate) rounds: usize,
    pub(crate) common: Common,
}

/// How long each phase took.
#[derive(Debug, Clone, Copy)]
struct Measured {
    /// Of the baseline: reads alone, with a claim for each task, and with claims that are flushed.
    fetches: [Duration; 3],
    dispatch: Duration,
    status: Duration,
    cycle: Duration,
}

/// Carries it out and reports.
pub(crate) async fn run(plan: DispatchPlan) -> Result<Verdict, RunError> {
    let output = Output::open(plan.common.json.as_deref())?;
    let servers = servers(&plan.common).await?;
    // Before anything is measured: servers that no proxy can be put before are refused.
    let proxy = proxy(&servers.primary).await?;
    let store = tasks::fresh(&servers).await?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let orchestrator = Orchestrator::new(&servers.primary, plan.items).await?;
    // Connections and plans are warm when it counts.
    let mut cycles = Cycles { filler: store.clone(), items: plan.items, faults: 0 };
    for _ in 0..WARM_UPS {
        cycles.run(&store, Mode::Cycle(Duration::ZERO, Duration::ZERO)).await?;
    }
    for round in 0..plan.rounds {
        say(&format!("round {} of {}: {} items", round + 1, plan.rounds, plan.items));
        for is_ours in in_turn(round) {
            servers.settle().await?;
            if is_ours {
                ours.push(measure_ours(&mut cycles, &store, &plan).await?);
            } else {
                theirs.push(measure_theirs(&orchestrator, &plan).await?);
            }
        }
    }
    say("statements are counted");
    let statements = count(&mut cycles, &proxy, &plan).await?;
    say("and fetches over a network that takes its time");
    let away = fetch_away(&mut cycles, &proxy, &plan).await?;
    let backlogs = backlog::run(&store, &servers.primary, plan.backlog).await?;
    store.close().await?;
    let report = Report::new(&plan, (&ours, &theirs), &away, (statements, backlogs, cycles.faults));
    let is_right = report.is_right();
    output.publish(&report)?;
    Ok(if is_right { Verdict::Kept } else { Verdict::Violated })
}

/// Ours and the baseline, in another order in each round, so that neither always comes after the other.
fn in_turn(round: usize) -> [bool; 2] {
    let ours_first = round.is_multiple_of(2);
    [ours_first, !ours_first]
}

async fn measure_ours(
    cycles: &mut Cycles,
    store: &EventStore,
    plan: &DispatchPlan,
) -> Result<Measured, RunError> {
    let dispatch = cycles.run(store, Mode::Dispatch(plan.handler)).await?;
    let status = cycles.run(store, Mode::Cycle(Duration::ZERO, plan.check)).await?;
    let whole = cycles.run(store, Mode::Cycle(plan.handler, plan.check)).await?;
    Ok(Measured {
        fetches: [dispatch.until_first; 3],
        dispatch: dispatch.from_first,
        status: status.whole,
        cycle: whole.whole,
    })
}

async fn measure_theirs(orchestrator: &Orchestrator, plan: &DispatchPlan) -> Result<Measured, RunError> {
    orchestrator.fill().await?;
    let claiming = orchestrator.fetch_claiming(false).await?;
    orchestrator.fill().await?;
    let flushing = orchestrator.fetch_claiming(true).await?;
    orchestrator.fill().await?;
    let cycle = orchestrator.cycle(plan).await?;
    Ok(Measured { fetches: [cycle.fetches[0], claiming, flushing], ..cycle })
}

/// The statements of a whole cycle, ours and the baseline's, seen by a proxy.
async fn count(cycles: &mut Cycles, proxy: &Proxy, plan: &DispatchPlan) -> Result<[u64; 2], RunError> {
    let (store, orchestrator) =
        (tasks::connect(&proxy.dsn()).await?, Orchestrator::new(&proxy.dsn(), plan.items).await?);
    // What is prepared once on each connection does not count.
    for _ in 0..WARM_UPS {
        cycles.run(&store, Mode::Cycle(Duration::ZERO, Duration::ZERO)).await?;
    }
    cycles.fill().await?;
    let before = proxy.traffic().answers;
    cycles.dispatch(&store, Mode::Cycle(plan.handler, plan.check)).await?;
    let between = proxy.traffic().answers;
    store.close().await?;
    orchestrator.fill().await?;
    let filled = proxy.traffic().answers;
    orchestrator.cycle(plan).await?;
    Ok([between - before, proxy.traffic().answers - filled])
}

/// How long fetching takes where the server is not on the same machine: ours and the baseline's, which only reads.
async fn fetch_away(
    cycles: &mut Cycles,
    proxy: &Proxy,
    plan: &DispatchPlan,
) -> Result<Vec<[Duration; 2]>, RunError> {
    let (store, orchestrator) =
        (tasks::connect(&proxy.dsn()).await?, Orchestrator::new(&proxy.dsn(), plan.items).await?);
    for _ in 0..WARM_UPS {
        cycles.run(&store, Mode::Cycle(Duration::ZERO, Duration::ZERO)).await?;
    }
    proxy.delay(AWAY);
    let mut fetches = Vec::new();
    for round in 0..plan.rounds {
        let mut fetch = [Duration::ZERO; 2];
        for is_ours in in_turn(round) {
            if is_ours {
                fetch[0] = cycles.run(&store, Mode::Dispatch(Duration::ZERO)).await?.until_first;
            } else {
                orchestrator.fill().await?;
                fetch[1] = orchestrator.fetch_only().await?;
            }
        }
        fetches.push(fetch);
    }
    proxy.delay(Duration::ZERO);
    store.close().await?;
    Ok(fetches)
}
