//! The second that requests end in.

use crate::histogram::Latencies;
use crate::report::Second;
use crate::scenario::{Operation, Outcome};
use crate::tally::{Offered, Sample};

/// What ended in a second.
#[derive(Default)]
pub(super) struct OpenSecond {
    pub(super) second: Second,
    pub(super) latency: Latencies,
    pub(super) service: Latencies,
    pub(super) operations: Vec<(Operation, Latencies)>,
}

impl Second {
    /// What was due in it.
    pub(super) fn due(&mut self, offered: Offered) {
        (self.scheduled, self.rejected, self.late) = (offered.scheduled, offered.rejected, offered.late);
    }
}

impl OpenSecond {
    pub(super) fn add(&mut self, sample: &Sample, each_operation: bool) {
        self.latency.record(sample.latency());
        self.service.record(sample.service());
        self.second.conflicts += sample.conflicts;
        self.second.retries += sample.retries;
        self.second.sent_again += sample.sent_again;
        match &sample.outcome {
            Outcome::Done(_) => self.second.completed += 1,
            Outcome::Failed(_) => self.second.errors += 1,
            Outcome::TimedOut => self.second.timeouts += 1,
        }
        if each_operation && matches!(sample.outcome, Outcome::Done(_)) {
            let of = self.operations.iter_mut().find(|(operation, _)| *operation == sample.operation);
            match of {
                Some((_, latencies)) => latencies.record(sample.latency()),
                None => {
                    let mut latencies = Latencies::new();
                    latencies.record(sample.latency());
                    self.operations.push((sample.operation, latencies));
                }
            }
        }
    }
}
