//! What is reported as lost was lost in a failover; what was lost is reported; and nothing rests on it.

use super::evidence::Evidence;
use super::history::Action;
use super::report::{Report, Rule};

pub(super) fn check(evidence: &Evidence<'_>, report: &mut Report<'_>) {
    for (number, operation) in evidence.history.operations.iter().enumerate() {
        if let Action::Loss { position } = operation.action
            && !evidence.is_lost(position, operation.completed.unwrap_or(u64::MAX))
        {
            let what = format!("{position} was reported as lost, but no failover has lost it");
            report.add(Rule::LossWithoutCause, what, [number]);
        }
        let is_there = |(position, id): &(u64, uuid::Uuid)| {
            // Above, it was lost after this operation had begun.
            *position > evidence.kept(operation)
                || evidence.log.at(*position).is_some_and(|found| found.id == *id)
        };
        if operation.is_served()
            && let Some((position, id)) = operation.rests_on.iter().find(|known| !is_there(known))
        {
            let what = format!("it rests on {id} at {position}, which is not there, and was served");
            report.add(Rule::RestsOnNothing, what, [number]);
        }
    }
    for nth in 0..evidence.failovers.len() {
        is_told(nth, evidence, report);
    }
}

/// Someone was told between one failover and the next, if the first lost something that was acknowledged.
fn is_told(nth: usize, evidence: &Evidence<'_>, report: &mut Report<'_>) {
    let (earlier, later) = evidence.failovers.split_at(nth);
    let Some((&(promoted, kept), later)) = later.split_first() else { return };
    let next = later.first().map_or(u64::MAX, |(next, _)| *next);
    let lost = evidence.history.appends().find(|(_, operation, append)| {
        let stood = |last: u64| earlier.iter().all(|(then, kept)| operation.invoked > *then || last <= *kept);
        operation.completed.is_some_and(|completed| completed <= promoted)
            && append.acknowledged_up_to().is_some_and(|last| last > kept && stood(last))
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
