//! What is reported as lost was lost in a failover; what was lost is reported; and nothing rests on it.

use uuid::Uuid;

use super::evidence::Evidence;
use super::history::{Action, Operation};
use super::report::{Report, Rule};

pub(super) fn check(evidence: &Evidence<'_>, report: &mut Report<'_>) {
    for (number, operation) in evidence.history.operations.iter().enumerate() {
        match operation.action {
            Action::Loss { position } => has_cause(number, (operation, position), evidence, report),
            _ => rests_on_something(number, operation, evidence, report),
        }
    }
    for nth in 0..evidence.failovers.len() {
        is_told(nth, evidence, report);
    }
}

/// A failover has lost the position; and of the events that the refused call named, one is not there.
fn has_cause(
    number: usize,
    (operation, position): (&Operation, u64),
    evidence: &Evidence<'_>,
    report: &mut Report<'_>,
) {
    let named = &operation.rests_on;
    if !evidence.is_lost(position, operation.completed.unwrap_or(u64::MAX)) {
        let what = format!("{position} was reported as lost, but no failover has lost it");
        report.add(Rule::LossWithoutCause, what, [number]);
    } else if !named.is_empty() && named.iter().all(|event| stands(event, evidence)) {
        let what = format!("{position} was reported as lost, but all that was named is there");
        report.add(Rule::LossWithoutCause, what, [number]);
    }
}

fn stands((position, id): &(u64, Uuid), evidence: &Evidence<'_>) -> bool {
    evidence.log.at(*position).is_some_and(|found| found.id == *id)
}

/// What was carried out while all that it names was there. What an append that is in the log names stands below it, whoever was
/// the primary when it began.
fn rests_on_something(
    number: usize,
    operation: &Operation,
    evidence: &Evidence<'_>,
    report: &mut Report<'_>,
) {
    let written_at = match &operation.action {
        Action::Append(append) => evidence.written_by(append).unwrap_or(0),
        _ => 0,
    };
    if !operation.is_served() && written_at == 0 {
        return;
    }
    // Above, it may have been lost after it was looked at.
    let looked_at = evidence.kept(operation).max(written_at);
    let missing = operation.rests_on.iter().find(|event| event.0 <= looked_at && !stands(event, evidence));
    if let Some((position, id)) = missing {
        let what = format!("it rests on {id} at {position}, which is not there, and was served");
        report.add(Rule::RestsOnNothing, what, [number]);
    }
}

/// Someone was told between one failover and the next, if the first lost something that was acknowledged.
fn is_told(nth: usize, evidence: &Evidence<'_>, report: &mut Report<'_>) {
    let (earlier, later) = evidence.failovers.split_at(nth);
    let Some((&(promoted, kept), later)) = later.split_first() else { return };
    let next = later.first().map_or(u64::MAX, |(next, _)| *next);
    let lost = evidence.history.appends().find(|(_, operation, append)| {
        let stood = |last: u64| earlier.iter().all(|(then, kept)| operation.invoked > *then || last <= *kept);
        let is_where_it_was = append.outcome_stands(evidence.log);
        operation.completed.is_some_and(|completed| completed <= promoted)
            && append.acknowledged_up_to().is_some_and(|last| last > kept && stood(last))
            && !is_where_it_was
    });
    let is_told = evidence.history.operations.iter().any(|operation| {
        let is_since = |told: &u64| promoted <= *told && *told < next;
        matches!(operation.action, Action::Loss { position } if position > kept)
            && operation.completed.as_ref().is_some_and(is_since)
    });
    if let Some((number, ..)) = lost
        && !is_told
    {
        let what = format!("a failover kept {kept} positions only, and nobody was told");
        report.add(Rule::LossNotTold, what, [number]);
    }
}
