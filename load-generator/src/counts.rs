//! What came of the measured requests, added up.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::histogram::Latencies;
use crate::report::{ErrorCount, OperationReport, Staleness};
use crate::scenario::{Answer, Operation, Outcome};
use crate::tally::Sample;

/// Totals of one load.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counts {
    pub(crate) completed: u64,
    pub(crate) errors: u64,
    pub(crate) timeouts: u64,
    pub(crate) conflicts: u64,
    pub(crate) retries: u64,
    pub(crate) sent_again: u64,
    pub(crate) latency: Latencies,
    pub(crate) service: Latencies,
    pub(crate) queue_wait: Latencies,
    pub(crate) operations: BTreeMap<Operation, OperationReport>,
    /// By kind and SQLSTATE.
    pub(crate) error_kinds: BTreeMap<(String, Option<String>), ErrorCount>,
    pub(crate) staleness: Staleness,
    pub(crate) last_completion: Option<Instant>,
}

impl Counts {
    pub(crate) fn add(&mut self, sample: &Sample) {
        let (latency, service) = (sample.latency(), sample.service());
        self.conflicts += sample.conflicts;
        self.retries += sample.retries;
        self.sent_again += sample.sent_again;
        // Failures too: a system that stalls must not look fast for what it did not answer.
        self.latency.record(latency);
        self.service.record(service);
        self.queue_wait.record(sample.queue_wait());
        self.last_completion = self.last_completion.max(Some(sample.ended));
        let operation = self.operations.entry(sample.operation).or_default();
        operation.conflicts += sample.conflicts;
        match &sample.outcome {
            Outcome::Done(answer) => {
                self.completed += 1;
                operation.count += 1;
                operation.effective += u64::from(*answer == Answer::Effective);
                operation.refused += u64::from(matches!(answer, Answer::Refused | Answer::FailureRecorded));
                operation.latency.record(latency);
                operation.service.record(service);
            }
            Outcome::TimedOut => {
                self.timeouts += 1;
                operation.timeouts += 1;
            }
            Outcome::Failed(failure) => {
                self.errors += 1;
                operation.errors += 1;
                let key = (failure.kind.clone(), failure.sqlstate.clone());
                let counted = self.error_kinds.entry(key).or_insert_with(|| {
                    // Whoever watches the log reads the first of each kind, not thousands.
                    tracing::warn!(kind = failure.kind, "request failed: {}", failure.message);
                    ErrorCount {
                        kind: failure.kind.clone(),
                        sqlstate: failure.sqlstate.clone(),
                        count: 0,
                        example: failure.message.clone(),
                    }
                });
                counted.count += 1;
            }
        }
        if let Some(staleness) = sample.staleness {
            self.staleness.reads += 1;
            self.staleness.stale += u64::from(staleness.events > 0);
            self.staleness.age.record(staleness.time);
            self.staleness.most_events = self.staleness.most_events.max(staleness.events);
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.completed += other.completed;
        self.errors += other.errors;
        self.timeouts += other.timeouts;
        self.conflicts += other.conflicts;
        self.retries += other.retries;
        self.sent_again += other.sent_again;
        self.latency.merge(&other.latency);
        self.service.merge(&other.service);
        self.queue_wait.merge(&other.queue_wait);
        self.last_completion = self.last_completion.max(other.last_completion);
        for (operation, counts) in &other.operations {
            self.operations.entry(*operation).or_default().merge(counts);
        }
        for (kind, counted) in &other.error_kinds {
            let own = self.error_kinds.entry(kind.clone());
            own.and_modify(|own| own.count += counted.count).or_insert_with(|| counted.clone());
        }
        self.staleness.reads += other.staleness.reads;
        self.staleness.stale += other.staleness.stale;
        self.staleness.age.merge(&other.staleness.age);
        self.staleness.most_events = self.staleness.most_events.max(other.staleness.most_events);
    }

    /// The share of completed commands that wrote what they were asked for; `None` if there were none.
    pub(crate) fn effective_share(&self) -> Option<f64> {
        let commands = self.operations.iter().filter(|(operation, _)| operation.is_command());
        let (completed, effective) =
            commands.fold((0, 0), |(all, some), (_, counts)| (all + counts.count, some + counts.effective));
        (completed > 0).then(|| effective as f64 / completed as f64)
    }
}

impl OperationReport {
    fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.effective += other.effective;
        self.refused += other.refused;
        self.errors += other.errors;
        self.timeouts += other.timeouts;
        self.conflicts += other.conflicts;
        self.latency.merge(&other.latency);
        self.service.merge(&other.service);
    }
}
