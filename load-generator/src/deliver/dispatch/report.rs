//! What `dispatch` reports.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::deliver::dispatch::backlog::Backlog;
use crate::deliver::dispatch::{DispatchPlan, Measured};
use crate::deliver::ms;

/// What of a round is looked at.
type Part = fn(&Measured) -> Duration;

#[derive(Debug, Serialize)]
pub(super) struct Report {
    scenario: &'static str,
    items: u64,
    handler_ms: f64,
    check_ms: f64,
    rounds: usize,
    cpus: usize,
    /// Medians of the rounds.
    phases: Vec<Phase>,
    /// Over a network that takes a millisecond in each direction.
    fetch_away: Phase,
    statements: Statements,
    backlogs: Vec<Backlog>,
    /// Tasks that were carried out twice, or never, or that were left.
    faults: u64,
}

#[derive(Debug, Serialize)]
struct Phase {
    /// Ours always claims, and does not flush that; the baseline as it says.
    phase: &'static str,
    ms: f64,
    baseline_ms: f64,
    times: f64,
}

/// Of a whole cycle.
#[derive(Debug, Serialize)]
struct Statements {
    per_item: f64,
    baseline_per_item: f64,
    share: f64,
}

impl Report {
    pub(super) fn new(
        plan: &DispatchPlan,
        (ours, theirs): (&[Measured], &[Measured]),
        away: &[[Duration; 2]],
        ([statements, baseline], backlogs, faults): ([u64; 2], Vec<Backlog>, u64),
    ) -> Self {
        let parts: [(&str, Part); 6] = [
            ("fetch, reads only", |it| it.fetches[0]),
            ("fetch and claim", |it| it.fetches[1]),
            ("fetch and claim, flushed", |it| it.fetches[2]),
            ("dispatch", |it| it.dispatch),
            ("status", |it| it.status),
            ("cycle", |it| it.cycle),
        ];
        let compared = |phase, ours: Duration, theirs: Duration| {
            let times = to_two_digits(theirs.as_secs_f64() / ours.as_secs_f64());
            Phase { phase, ms: ms(ours), baseline_ms: ms(theirs), times }
        };
        let phases = parts.map(|(phase, part)| {
            compared(phase, median(ours.iter().map(part)), median(theirs.iter().map(part)))
        });
        let [ours_away, theirs_away] = [0, 1].map(|side| median(away.iter().map(|fetch| fetch[side])));
        let per_item = |statements: u64| to_two_digits(statements as f64 / plan.items as f64);
        Self {
            scenario: "dispatch",
            items: plan.items,
            handler_ms: ms(plan.handler),
            check_ms: ms(plan.check),
            rounds: plan.rounds,
            cpus: std::thread::available_parallelism().map_or(1, usize::from),
            phases: phases.into(),
            fetch_away: compared("fetch, reads only, 2 ms away", ours_away, theirs_away),
            statements: Statements {
                per_item: per_item(statements),
                baseline_per_item: per_item(baseline),
                share: to_two_digits(statements as f64 / baseline as f64),
            },
            faults: faults + backlogs.iter().map(|backlog| backlog.faults).sum::<u64>(),
            backlogs,
        }
    }

    pub(super) fn is_right(&self) -> bool {
        self.faults == 0
    }
}

fn median(times: impl Iterator<Item = Duration>) -> Duration {
    let seconds = times.map(|time| time.as_secs_f64()).collect();
    Duration::from_secs_f64(crate::median::median(seconds).unwrap_or_default())
}

fn to_two_digits(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "dispatch: {} items, handlers of {} ms, checks of {} ms, profile balanced, medians of {} rounds, {} processors",
            self.items, self.handler_ms, self.check_ms, self.rounds, self.cpus
        )?;
        writeln!(f, "  {:<29} {:>12} {:>14} {:>8}", "phase", "ms", "baseline ms", "times")?;
        for Phase { phase, ms, baseline_ms, times } in self.phases.iter().chain([&self.fetch_away]) {
            writeln!(f, "  {phase:<29} {ms:>12.2} {baseline_ms:>14.2} {times:>8.1}")?;
        }
        let Statements { per_item, baseline_per_item, share } = &self.statements;
        let percent = share * 100.0;
        writeln!(
            f,
            "statements an item: {per_item} against {baseline_per_item} of the baseline, {percent:.0} %"
        )?;
        for backlog in &self.backlogs {
            let mib = |memory: Option<f64>| memory.map_or("?".to_owned(), |mib| format!("{mib:.1}"));
            writeln!(
                f,
                "{} waiting, {}: {:.0} dispatches/s with empty handlers, {} MiB more than the {} before",
                backlog.waiting,
                backlog.profile,
                backlog.dispatches_per_second,
                mib(backlog.memory_more_mib),
                mib(backlog.memory_before_mib)
            )?;
        }
        writeln!(f, "carried out twice, never, or left: {}", self.faults)
    }
}
