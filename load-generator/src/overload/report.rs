//! Both ways side by side.

use std::fmt;

use serde::Serialize;

use crate::environment::Environment;
use crate::median::median;
use crate::overload::OverloadPlan;
use crate::report::Report;

/// Of all rounds.
#[derive(Debug, Serialize)]
pub(crate) struct OverloadReport {
    capacity: f64,
    offered_rate: f64,
    timeout_ms: u64,
    duration_s: f64,
    /// Medians of the rounds.
    task_per_request: Side,
    pool: Side,
    rounds: Vec<Round>,
    environment: Option<Environment>,
}

/// Both ways, one after the other.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Round {
    pub(crate) task_per_request: Side,
    pub(crate) pool: Side,
    #[serde(skip)]
    pub(crate) environment: Environment,
}

/// One way.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Side {
    /// Requests that were answered, a second.
    goodput: f64,
    /// Requests that were under way at once: the most.
    in_flight_most: f64,
    /// And with those that waited in the queue.
    taken_on_most: f64,
    /// Memory of the process at its peak.
    peak_mib: f64,
    /// Shares of what was taken on: of what was not rejected.
    errors: f64,
    timeouts: f64,
    /// A share of what was offered.
    rejected: f64,
    p50_ms: f64,
    p99_ms: f64,
    max_ms: f64,
}

impl From<&Report> for Side {
    fn from(report: &Report) -> Self {
        let requests = &report.requests;
        let taken_on = requests.scheduled.saturating_sub(requests.rejected).max(1) as f64;
        let in_flight = report.timeline.iter().map(|second| second.in_flight as f64);
        let waiting = report.timeline.iter().map(|second| second.queued as f64);
        let latency = report.latency.summary();
        Self {
            goodput: report.achieved_rate,
            in_flight_most: in_flight.clone().fold(0.0, f64::max),
            taken_on_most: in_flight
                .zip(waiting)
                .map(|(in_flight, waiting)| in_flight + waiting)
                .fold(0.0, f64::max),
            peak_mib: report.own.peak_mib.unwrap_or_default(),
            errors: requests.errors as f64 / taken_on,
            timeouts: requests.timeouts as f64 / taken_on,
            rejected: report.share(requests.rejected),
            p50_ms: latency.p50_ms.unwrap_or_default(),
            p99_ms: latency.p99_ms.unwrap_or_default(),
            max_ms: latency.max_ms.unwrap_or_default(),
        }
    }
}

impl Side {
    /// Each figure's median.
    fn median(sides: &[Self]) -> Self {
        let of = |figure: fn(&Self) -> f64| median(sides.iter().map(figure).collect()).unwrap_or_default();
        Self {
            goodput: of(|side| side.goodput),
            in_flight_most: of(|side| side.in_flight_most),
            taken_on_most: of(|side| side.taken_on_most),
            peak_mib: of(|side| side.peak_mib),
            errors: of(|side| side.errors),
            timeouts: of(|side| side.timeouts),
            rejected: of(|side| side.rejected),
            p50_ms: of(|side| side.p50_ms),
            p99_ms: of(|side| side.p99_ms),
            max_ms: of(|side| side.max_ms),
        }
    }
}

impl OverloadReport {
    pub(super) fn new(plan: &OverloadPlan, capacity: f64, offered_rate: f64, rounds: Vec<Round>) -> Self {
        let load = plan.capacity.load.load();
        let sides = |of: fn(&Round) -> Side| Side::median(&rounds.iter().map(of).collect::<Vec<_>>());
        Self {
            capacity,
            offered_rate,
            timeout_ms: load.timeout_ms,
            duration_s: plan.duration.as_secs_f64(),
            task_per_request: sides(|round| round.task_per_request),
            pool: sides(|round| round.pool),
            environment: rounds.first().map(|round| round.environment.clone()),
            rounds,
        }
    }
}

impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side =
            |side: &Side| format!("{:.0} /s, at most {:.0} under way", side.goodput, side.in_flight_most);
        write!(f, "a task each {}; the pool {}", side(&self.task_per_request), side(&self.pool))
    }
}

impl fmt::Display for OverloadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(environment) = &self.environment {
            writeln!(f, "{}", environment.summary())?;
        }
        writeln!(
            f,
            "{:.0} requests/s offered for {:.0} s, {:.2} times the capacity of {:.0}; time-out {} ms; {} round(s), medians\n",
            self.offered_rate,
            self.duration_s,
            self.offered_rate / self.capacity,
            self.capacity,
            self.timeout_ms,
            self.rounds.len()
        )?;
        writeln!(f, "  {:<28} {:>16} {:>16} {:>12}", "", "task a request", "bounded pool", "change")?;
        let (one, two) = (&self.task_per_request, &self.pool);
        let mut row = |name: &str, unit: &str, before: f64, after: f64| {
            let change = if before > 0.0 {
                format!("{:+.1} %", (after / before - 1.0) * 100.0)
            } else {
                "-".to_owned()
            };
            writeln!(f, "  {:<28} {before:>16.2} {after:>16.2} {change:>12}", format!("{name}, {unit}"))
        };
        row("answered", "a second", one.goodput, two.goodput)?;
        row("under way, most", "requests", one.in_flight_most, two.in_flight_most)?;
        row("and waiting, most", "requests", one.taken_on_most, two.taken_on_most)?;
        row("memory, most", "MiB", one.peak_mib, two.peak_mib)?;
        row("errors of what is taken on", "%", one.errors * 100.0, two.errors * 100.0)?;
        row("time-outs of it", "%", one.timeouts * 100.0, two.timeouts * 100.0)?;
        row("rejected at once", "%", one.rejected * 100.0, two.rejected * 100.0)?;
        row("latency p50", "ms", one.p50_ms, two.p50_ms)?;
        row("latency p99", "ms", one.p99_ms, two.p99_ms)?;
        row("latency max", "ms", one.max_ms, two.max_ms)
    }
}
