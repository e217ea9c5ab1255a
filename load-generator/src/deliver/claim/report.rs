//! What `group-claim` reports.

use std::fmt;

use serde::Serialize;

use crate::deliver::claim::{ClaimPlan, LEASE, Mode, Outcome, WARM_UP};
use crate::deliver::ms;
use crate::median::median;

/// One mode at one number of nodes, over all rounds.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    mode: &'static str,
    nodes: u64,
    /// Medians of the rounds.
    mean_ms: f64,
    p50_ms: f64,
    p95_ms: f64,
    p99_ms: f64,
    /// From when a claimer said that an item is done until that was acknowledged.
    answer_mean_ms: f64,
    items_per_second: f64,
    /// Over all rounds.
    pub(super) failed: u64,
    pub(super) claimed_twice: u64,
    pub(super) out_of_order: u64,
    /// The mean of leader-queue over its own; and that of leader-queue whose claims are not flushed, as ours are not.
    times_leader_queue: Option<f64>,
    times_unflushed_leader_queue: Option<f64>,
    means_ms: Vec<f64>,
    #[serde(skip)]
    pub(super) found: String,
}

#[derive(Debug, Serialize)]
pub(super) struct Report {
    scenario: &'static str,
    items: u64,
    warm_up_items: u64,
    claimers: u64,
    rounds: usize,
    lease_ms: f64,
    cpus: usize,
    pub(super) rows: Vec<Row>,
}

impl Report {
    pub(super) fn new(plan: &ClaimPlan, measured: Vec<(Mode, u64, Vec<Outcome>)>) -> Self {
        let mut rows: Vec<Row> =
            measured.into_iter().map(|(mode, nodes, runs)| Row::new(mode, nodes, &runs)).collect();
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
            warm_up_items: WARM_UP,
            claimers: plan.claimers,
            rounds: plan.rounds,
            lease_ms: ms(LEASE),
            cpus: std::thread::available_parallelism().map_or(0, usize::from),
            rows,
        }
    }
}

impl Row {
    fn new(mode: Mode, nodes: u64, runs: &[Outcome]) -> Self {
        let median = |of: &dyn Fn(&Outcome) -> f64| {
            let median = median(runs.iter().map(of).collect()).unwrap_or_default();
            (median * 1e3).round() / 1e3
        };
        let at = |quantile: f64| median(&move |run: &Outcome| run.waits.claims.quantile_ms(quantile));
        Self {
            mode: mode.as_str(),
            nodes,
            mean_ms: median(&|run| run.waits.claims.mean_ms()),
            p50_ms: at(0.5),
            p95_ms: at(0.95),
            p99_ms: at(0.99),
            answer_mean_ms: median(&|run| run.waits.answers.mean_ms()),
            items_per_second: median(&|run| run.items as f64 / run.took.as_secs_f64()).round(),
            failed: runs.iter().map(|run| run.failed).sum(),
            claimed_twice: runs.iter().map(|run| run.twice).sum(),
            out_of_order: runs.iter().map(|run| run.out_of_order).sum(),
            times_leader_queue: None,
            times_unflushed_leader_queue: None,
            means_ms: runs.iter().map(|run| (run.waits.claims.mean_ms() * 1e3).round() / 1e3).collect(),
            found: runs.iter().map(|run| run.violations.as_str()).collect(),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "group-claim: {} items after {} to warm up, {} claimers, medians of {} round(s), {} CPUs; how long a claim was waited for",
            self.items, self.warm_up_items, self.claimers, self.rounds, self.cpus
        )?;
        writeln!(
            f,
            "  {:<28} nodes  mean ms   p50 ms   p95 ms   p99 ms  answer ms   items/s  failed  twice  out of order  leader-queue's mean, not flushed",
            ""
        )?;
        for row in &self.rows {
            let times = [row.times_leader_queue, row.times_unflushed_leader_queue];
            let times =
                times.map(|times| times.map_or_else(String::new, |times| format!("{times:.1} x"))).join(", ");
            writeln!(
                f,
                "  {:<28} {:>5} {:>8.2} {:>8.2} {:>8.2} {:>8.2} {:>10.2} {:>9.0} {:>7} {:>6} {:>13}  {times}",
                row.mode,
                row.nodes,
                row.mean_ms,
                row.p50_ms,
                row.p95_ms,
                row.p99_ms,
                row.answer_mean_ms,
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
