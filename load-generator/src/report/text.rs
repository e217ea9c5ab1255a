//! The result of a run, for people and as JSON.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::audit::Audit;
use crate::environment::Environment;
use crate::histogram::{LatencySummary, milliseconds};
use crate::plan::Plan;
use crate::tally::Tally;

/// One result. `scheduled` = completed + rejected + errors + timeouts. Latencies are of all but the rejected; those of
/// an operation are of its completed requests.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    scenario: &'static str,
    engine: &'static str,
    offered_rate: f64,
    achieved_rate: f64,
    duration_s: f64,
    requests: Requests,
    latency: LatencySummary,
    service: LatencySummary,
    operations: BTreeMap<&'static str, OperationReport>,
    /// The share of completed commands that wrote something.
    effective_share: Option<f64>,
    late_starts: u64,
    errors: BTreeMap<String, u64>,
    environment: Environment,
    /// Only of an audited run.
    #[serde(skip_serializing_if = "Option::is_none")]
    audit: Option<Audit>,
}

#[derive(Debug, Serialize)]
struct Requests {
    scheduled: u64,
    completed: u64,
    rejected: u64,
    errors: u64,
    timeouts: u64,
    conflicts: u64,
    retries: u64,
}

#[derive(Debug, Serialize)]
struct OperationReport {
    count: u64,
    effective: u64,
    latency: LatencySummary,
}

impl Report {
    /// `measured` is how long requests were offered, after the warm-up.
    pub(crate) fn new(
        plan: &Plan,
        tally: &Tally,
        from: std::time::Instant,
        measured: Duration,
        environment: Environment,
    ) -> Self {
        let counts = tally.total();
        // To the last answer, if it came after the schedule's end: a system that lags behind is not flattered.
        let answered = counts.last_completion.map_or(Duration::ZERO, |at| at.saturating_duration_since(from));
        let duration_s = measured.max(answered).as_secs_f64();
        let operations = counts.operations.iter().map(|(operation, counts)| {
            let report = OperationReport {
                count: counts.completed,
                effective: counts.effective,
                latency: counts.latency.summary(),
            };
            (operation.as_str(), report)
        });
        Self {
            scenario: plan.scenario.as_str(),
            engine: plan.engine.as_str(),
            offered_rate: plan.rate.per_second(),
            achieved_rate: if duration_s > 0.0 { counts.completed as f64 / duration_s } else { 0.0 },
            duration_s,
            requests: Requests {
                scheduled: tally.scheduled(),
                completed: counts.completed,
                rejected: tally.rejected(),
                errors: counts.errors(),
                timeouts: counts.timeouts,
                conflicts: counts.conflicts,
                retries: counts.retries,
            },
            latency: counts.latency.summary(),
            service: counts.service.summary(),
            operations: operations.collect(),
            effective_share: counts.effective_share(),
            late_starts: tally.late(),
            errors: counts.errors,
            environment,
            audit: None,
        }
    }

    pub(crate) fn audited(&mut self, audit: Audit) {
        self.audit = Some(audit);
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let requests = &self.requests;
        writeln!(f, "scenario {}, engine {}: {}", self.scenario, self.engine, self.environment.summary())?;
        writeln!(f)?;
        writeln!(f, "  offered   {:>10.1} requests/s", self.offered_rate)?;
        writeln!(f, "  achieved  {:>10.1} requests/s over {:.1} s", self.achieved_rate, self.duration_s)?;
        writeln!(
            f,
            "  requests  {:>10} scheduled = {} completed + {} rejected + {} errors + {} timeouts",
            requests.scheduled, requests.completed, requests.rejected, requests.errors, requests.timeouts
        )?;
        writeln!(f, "  conflicts {:>10} refused appends, {} retries", requests.conflicts, requests.retries)?;
        if let Some(share) = self.effective_share {
            let hint = if share < 0.8 { " (few: the figures are mostly of reads)" } else { "" };
            writeln!(f, "  effect    {:>9.1} % of the commands wrote something{hint}", share * 100.0)?;
        }
        if self.late_starts > 0 {
            writeln!(
                f,
                "  late      {:>10} requests were offered over 1 ms after they were due",
                self.late_starts
            )?;
        }
        for (kind, count) in &self.errors {
            writeln!(f, "  error     {count:>10} {kind}")?;
        }
        writeln!(f)?;
        writeln!(
            f,
            "  {:<26} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}",
            "milliseconds", "count", "p50", "p90", "p99", "p99.9", "max"
        )?;
        let served = requests.completed + requests.errors + requests.timeouts;
        line(f, "latency, from when due", served, &self.latency)?;
        line(f, "service, from when taken", served, &self.service)?;
        for (name, operation) in &self.operations {
            line(f, name, operation.count, &operation.latency)?;
        }
        if let Some(audit) = &self.audit {
            writeln!(f, "\n  {audit}")?;
        }
        Ok(())
    }
}

fn line(f: &mut fmt::Formatter<'_>, name: &str, count: u64, latency: &LatencySummary) -> fmt::Result {
    writeln!(
        f,
        "  {name:<26} {count:>9} {} {} {} {} {}",
        milliseconds(latency.p50_ms, 9),
        milliseconds(latency.p90_ms, 9),
        milliseconds(latency.p99_ms, 9),
        milliseconds(latency.p999_ms, 9),
        milliseconds(latency.max_ms, 9)
    )
}
