//! What happened, and whether every promise was kept.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::time::Duration;

use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};
use testutil::checker::{self, Action, History, Log, Outcome as Told};

use crate::chaos::ChaosPlan;
use crate::chaos::fault::FaultName;
use crate::median::median;
use crate::verdict::Verdict;

/// The faults of one kind.
#[derive(Debug, Serialize)]
pub(super) struct Injected {
    #[serde(skip)]
    pub(super) name: FaultName,
    fault: &'static str,
    pub(super) count: usize,
    /// From when the primary could be reached again to the end of that time; 0 if it ended earlier.
    recovery_ms: Times,
    /// The longest time without an acknowledged append around it.
    outage_ms: Times,
    /// From when a replica said nothing any more until reads passed it over.
    #[serde(skip_serializing_if = "Times::is_empty")]
    leaving_ms: Times,
    /// From when it was healed until reads came back to it.
    #[serde(skip_serializing_if = "Times::is_empty")]
    rejoining_ms: Times,
}

/// Milliseconds, ascending. Median and maximum are what is told of them.
#[derive(Debug, Default)]
struct Times(Vec<f64>);

impl Times {
    fn add(&mut self, time: Duration) {
        let time = time.as_secs_f64() * 1e3;
        let place = self.0.partition_point(|other| *other < time);
        self.0.insert(place, time);
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn median(&self) -> f64 {
        median(self.0.clone()).unwrap_or_default()
    }

    fn longest(&self) -> f64 {
        self.0.last().copied().unwrap_or(0.0)
    }
}

impl Serialize for Times {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut times = serializer.serialize_struct("Times", 2)?;
        times.serialize_field("median", &self.median())?;
        times.serialize_field("longest", &self.longest())?;
        times.end()
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.0} ms (longest {:.0})", self.median(), self.longest())
    }
}

impl Injected {
    pub(super) fn new(name: FaultName) -> Self {
        let times = Times::default;
        let (recovery_ms, outage_ms, leaving_ms, rejoining_ms) = (times(), times(), times(), times());
        Self { name, fault: name.as_str(), count: 0, recovery_ms, outage_ms, leaving_ms, rejoining_ms }
    }

    /// Appends are acknowledged again, so long after the primary could be reached, and so long after the last one before.
    pub(super) fn recovered(&mut self, after: Duration, outage: Duration) {
        self.count += 1;
        self.recovery_ms.add(after);
        self.outage_ms.add(outage);
    }

    /// How long reads went on to ask a replica that said nothing, and how long they passed over one that was healed.
    pub(super) fn left(&mut self, after: Duration, back_after: Duration) {
        self.leaving_ms.add(after);
        self.rejoining_ms.add(back_after);
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
    /// Acknowledged appends that are not in the log.
    lost: usize,
    /// How often the store said that the end of the log was lost.
    losses_told: usize,
    /// How many calls were refused because they named what was lost.
    refused_for_loss: usize,
    /// What clients of this process were told but for conflicts: SQLSTATEs where the server said one.
    pub(super) errors: BTreeMap<String, u64>,
    events: usize,
    operations: usize,
    violations: usize,
    #[serde(skip)]
    audit: String,
    #[serde(skip)]
    pub(super) ending: &'static str,
}

impl Report {
    pub(super) fn audited(history: &History, checked: &checker::Report<'_>, log: &Log) -> Self {
        let mut report = Self {
            events: log.events().len(),
            operations: checked.operations(),
            violations: checked.count(),
            audit: checked.to_string(),
            ..Self::default()
        };
        // Those that were sent again count once.
        let mut acknowledged = HashSet::new();
        let is_lost = |id| log.with_id(id).next().is_none();
        for operation in &history.operations {
            match &operation.action {
                Action::Append(append) => match append.outcome {
                    Told::Accepted { .. } => {
                        let is_new = append.events.first().is_some_and(|event| acknowledged.insert(event.id));
                        report.acknowledged += usize::from(is_new);
                        let first = append.events.first();
                        report.lost += usize::from(is_new && first.is_some_and(|event| is_lost(&event.id)));
                    }
                    Told::Conflict { .. } => report.conflicts += 1,
                    Told::Failed => report.unavailable += 1,
                    Told::Indeterminate => report.indeterminate += 1,
                },
                Action::Loss { .. } if operation.rests_on.is_empty() => report.losses_told += 1,
                Action::Loss { .. } => report.refused_for_loss += 1,
                Action::Failover { .. } => {}
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
        } else if self.faults.iter().any(|fault| fault.recovery_ms.longest() > limit) {
            Verdict::TooSlow
        } else {
            Verdict::Kept
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "chaos: {} clients for {:.1} s, seed {}", self.clients, self.seconds, self.seed)?;
        for Injected { fault, count, recovery_ms, outage_ms, leaving_ms, rejoining_ms, .. } in &self.faults {
            writeln!(
                f,
                "{fault:>13}: {count} times; no appends for {outage_ms}, of it {recovery_ms} with a primary at hand"
            )?;
            if !leaving_ms.is_empty() {
                writeln!(f, "               out of rotation after {leaving_ms}; back after {rejoining_ms}")?;
            }
        }
        if self.lost + self.losses_told + self.refused_for_loss > 0 {
            writeln!(
                f,
                "lost: {} acknowledged appends; the store said so {} times, and refused {} calls that named them",
                self.lost, self.losses_told, self.refused_for_loss
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
        writeln!(f, "audit after {}: {}", self.ending, self.audit.trim_end())
    }
}
