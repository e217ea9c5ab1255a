//! What happened, and whether every promise was kept.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::time::Duration;

use serde::Serialize;
use testutil::checker::{self, Action, History, Outcome as Told};

use crate::chaos::ChaosPlan;
use crate::chaos::fault::FaultName;
use crate::verdict::Verdict;

/// The faults of one kind.
#[derive(Debug, Serialize)]
pub(super) struct Injected {
    #[serde(skip)]
    pub(super) name: FaultName,
    fault: &'static str,
    pub(super) count: u64,
    /// From when the primary could be reached again to the next acknowledged append.
    longest_recovery_ms: f64,
}

impl Injected {
    pub(super) fn new(name: FaultName) -> Self {
        Self { name, fault: name.as_str(), count: 0, longest_recovery_ms: 0.0 }
    }

    pub(super) fn add(&mut self, recovery: Duration) {
        self.count += 1;
        self.longest_recovery_ms = self.longest_recovery_ms.max(recovery.as_secs_f64() * 1e3);
    }
}

#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    seed: u64,
    clients: u64,
    seconds: f64,
    faults: Vec<Injected>,
    /// Of WAL that was written and not flushed when the power was cut.
    forgotten_bytes: u64,
    acknowledged: usize,
    conflicts: usize,
    unavailable: usize,
    /// Dropped by their callers among them.
    indeterminate: usize,
    reads: usize,
    /// What clients of this process were told but for conflicts: SQLSTATEs where the server said one.
    pub(super) errors: BTreeMap<String, u64>,
    events: usize,
    operations: usize,
    violations: usize,
    #[serde(skip)]
    audit: String,
}

impl Report {
    pub(super) fn audited(history: &History, checked: &checker::Report<'_>, events: usize) -> Self {
        let mut report = Self {
            events,
            operations: checked.operations(),
            violations: checked.count(),
            audit: checked.to_string(),
            ..Self::default()
        };
        // Those that were sent again count once.
        let mut acknowledged = HashSet::new();
        for operation in &history.operations {
            match &operation.action {
                Action::Append(append) => match append.outcome {
                    Told::Accepted { .. } => {
                        let is_new = append.events.first().is_some_and(|event| acknowledged.insert(event.id));
                        report.acknowledged += usize::from(is_new);
                    }
                    Told::Conflict { .. } => report.conflicts += 1,
                    Told::Failed => report.unavailable += 1,
                    Told::Indeterminate => report.indeterminate += 1,
                },
                _ => report.reads += usize::from(operation.completed.is_some()),
            }
        }
        report
    }

    pub(super) fn injected(
        &mut self,
        plan: &ChaosPlan,
        took: Duration,
        faults: Vec<Injected>,
        forgotten: u64,
    ) {
        self.forgotten_bytes = forgotten;
        (self.seed, self.clients) = (plan.seed, plan.clients);
        (self.seconds, self.faults) = (took.as_secs_f64(), faults);
    }

    pub(super) fn verdict(&self, recover_within: Duration) -> Verdict {
        let limit = recover_within.as_secs_f64() * 1e3;
        if self.violations > 0 {
            Verdict::Violated
        } else if self.faults.iter().any(|fault| fault.longest_recovery_ms > limit) {
            Verdict::TooSlow
        } else {
            Verdict::Kept
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "chaos: {} clients for {:.1} s, seed {}", self.clients, self.seconds, self.seed)?;
        for Injected { fault, count, longest_recovery_ms, .. } in &self.faults {
            writeln!(f, "{fault:>10}: {count} times, longest recovery {longest_recovery_ms:.0} ms")?;
        }
        if self.forgotten_bytes > 0 {
            writeln!(
                f,
                "    forgotten with the power: {} bytes of WAL that was not flushed",
                self.forgotten_bytes
            )?;
        }
        writeln!(
            f,
            "appends: {} acknowledged, {} conflicts, {} unavailable, {} of unknown outcome; {} reads; {} events in the log",
            self.acknowledged, self.conflicts, self.unavailable, self.indeterminate, self.reads, self.events
        )?;
        for (error, count) in &self.errors {
            writeln!(f, "  error {count:>6} times {error}")?;
        }
        writeln!(f, "audit after a last crash: {}", self.audit.trim_end())
    }
}
