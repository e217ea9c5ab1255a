//! What is reported as lost was lost in a failover.

use super::evidence::Evidence;
use super::history::Action;
use super::report::{Report, Rule};

pub(super) fn check(evidence: &Evidence<'_>, report: &mut Report<'_>) {
    for (number, operation) in evidence.history.operations.iter().enumerate() {
        let Action::Loss { position } = operation.action else { continue };
        if !evidence.is_lost(position, operation.completed.unwrap_or(u64::MAX)) {
            let what = format!("{position} was reported as lost, but no failover has lost it");
            report.add(Rule::LossWithoutCause, what, [number]);
        }
    }
}
