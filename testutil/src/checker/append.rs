//! What was acknowledged is there, once, equal and together; what was not is not; and no condition was broken.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::Checker;
use super::history::{Append, Digest, History, Operation, Outcome};
use super::log::{Log, LogEvent};
use super::report::{Report, Rule};

/// The log by itself: positions without gaps, ids that come once, no event from nowhere.
pub(super) fn check_log(checker: &Checker, history: &History, log: &Log, report: &mut Report<'_>) {
    let known: HashSet<&Uuid> =
        history.appends().flat_map(|(_, _, append)| &append.events).map(|event| &event.id).collect();
    let mut seen = HashMap::new();
    let mut expected = 1;
    for event in log.events() {
        let LogEvent { position, id, .. } = event;
        if *position != expected && (!checker.gaps_allowed || *position < expected) {
            report.add(Rule::Positions, format!("position {position} stands where {expected} should"), []);
        }
        expected = position + 1;
        if let Some(first) = seen.insert(id, position) {
            let what = format!("the event {id} stands at {first} and at {position}");
            report.add(Rule::Doubled, what, owners(history, id));
        }
        if *position > checker.preloaded && !known.contains(id) {
            report.add(Rule::FromNowhere, format!("nobody appended the event {id} at {position}"), []);
        }
    }
}

/// Every append for itself.
pub(super) fn check(history: &History, log: &Log, report: &mut Report<'_>) {
    let mut owners: HashMap<&Uuid, Vec<usize>> = HashMap::new();
    for (number, _, append) in history.appends() {
        for event in &append.events {
            owners.entry(&event.id).or_default().push(number);
        }
    }
    for (number, operation, append) in history.appends() {
        match append.outcome {
            Outcome::Accepted { first } => {
                acknowledged(number, (operation, append), first, (history, log), report);
            }
            Outcome::Indeterminate => all_or_nothing(number, append, log, report),
            Outcome::Failed => absent(number, append, (history, log, &owners), report),
            Outcome::Conflict { position } => {
                absent(number, append, (history, log, &owners), report);
                let cause = Cause { named: position, owners: &owners };
                has_cause(number, (operation, append), &cause, (history, log), report);
            }
        }
        if let Some(first) = committed_at(append, log) {
            holds(number, append, first, (history, log, &owners), report);
        }
    }
}

/// Where an append stands that was acknowledged, or turned out to be written.
pub(super) fn committed_at(append: &Append, log: &Log) -> Option<u64> {
    match append.outcome {
        Outcome::Accepted { first } => Some(first),
        Outcome::Indeterminate => {
            append.events.first().and_then(|event| Some(log.with_id(&event.id).next()?.position))
        }
        Outcome::Conflict { .. } | Outcome::Failed => None,
    }
}

fn acknowledged(
    number: usize,
    (operation, append): (&Operation, &Append),
    first: u64,
    (history, log): (&History, &Log),
    report: &mut Report<'_>,
) {
    for (event, position) in append.events.iter().zip(first..) {
        match log.at(position) {
            Some(found) if found.digest() == *event => {}
            found => {
                let elsewhere: Vec<String> =
                    log.with_id(&event.id).map(|other| other.position.to_string()).collect();
                if elsewhere.is_empty() && history.may_be_lost(operation) {
                    continue;
                }
                let rule = if elsewhere.is_empty() { Rule::Lost } else { Rule::Misplaced };
                let there = found.map_or_else(
                    || "there is no event".to_owned(),
                    |found| {
                        if found.id == event.id {
                            "it has other content".to_owned()
                        } else {
                            format!("{} stands there", found.id)
                        }
                    },
                );
                let stands = match elsewhere.as_slice() {
                    [] => "it is nowhere in the log".to_owned(),
                    places => format!("it stands at {}", places.join(", ")),
                };
                let what = format!("{} was acknowledged at {position}: {there}; {stands}", event.id);
                let blamed = found.map(|found| owners(history, &found.id)).unwrap_or_default();
                report.add(rule, what, std::iter::once(number).chain(blamed));
            }
        }
    }
}

fn all_or_nothing(number: usize, append: &Append, log: &Log, report: &mut Report<'_>) {
    let places: Vec<Option<u64>> =
        append.events.iter().map(|event| log.with_id(&event.id).next().map(|found| found.position)).collect();
    let first = places.first().copied().flatten();
    let together =
        places.iter().enumerate().all(|(nth, place)| *place == first.map(|first| first + nth as u64));
    let equal =
        append.events.iter().all(|event| log.with_id(&event.id).all(|found| found.digest() == *event));
    if !together || !equal {
        let what = format!("of an append without an answer these positions are in the log: {places:?}");
        report.add(Rule::Torn, what, [number]);
    }
}

type Owners<'a> = HashMap<&'a Uuid, Vec<usize>>;

fn absent(
    number: usize,
    append: &Append,
    (history, log, ids): (&History, &Log, &Owners<'_>),
    report: &mut Report<'_>,
) {
    let Some(found) = append.events.iter().find_map(|event| log.with_id(&event.id).next()) else { return };
    // The same ids may have been sent in another operation that was written.
    let by_another = ids.get(&found.id).into_iter().flatten().any(|other| {
        matches!(&history.operations[*other].action, super::Action::Append(other)
            if matches!(other.outcome, Outcome::Accepted { .. } | Outcome::Indeterminate))
    });
    if !by_another {
        let what = format!("nothing was written, it was said, but {} stands at {}", found.id, found.position);
        report.add(Rule::Undead, what, [number]);
    }
}

fn holds(
    number: usize,
    append: &Append,
    first: u64,
    (history, log, ids): (&History, &Log, &Owners<'_>),
    report: &mut Report<'_>,
) {
    // Given again for the same ids, an earlier receipt says nothing of this condition.
    let is_repeated = |event: &Digest| ids.get(&event.id).into_iter().flatten().any(|other| *other < number);
    if append.events.iter().any(is_repeated) {
        return;
    }
    for condition in &append.conditions {
        if let Some(found) = log.first_match(&condition.filter, (condition.after, first.saturating_sub(1))) {
            let what = format!(
                "the append at {first} rests on no event {} after {}, but {} stands at {}",
                condition.filter, condition.after, found.event_type, found.position
            );
            let others = owners(history, &found.id);
            report.add(Rule::ConditionBroken, what, std::iter::once(number).chain(others));
        }
    }
}

struct Cause<'a> {
    named: Option<u64>,
    owners: &'a Owners<'a>,
}

fn has_cause(
    number: usize,
    (operation, append): (&Operation, &Append),
    cause: &Cause<'_>,
    (history, log): (&History, &Log),
    report: &mut Report<'_>,
) {
    if history.may_be_lost(operation) {
        return;
    }
    let told = operation.completed.unwrap_or(u64::MAX);
    let was_begun = |found: &&LogEvent| match cause.owners.get(&found.id) {
        Some(owners) => owners.iter().any(|owner| history.operations[*owner].invoked < told),
        None => true,
    };
    let conflicts = |condition: &super::Condition| match cause.named {
        Some(position) => log
            .at(position)
            .filter(|found| {
                found.position > condition.after
                    && condition.filter.matches(&found.event_type, &found.payload)
            })
            .filter(was_begun)
            .is_some(),
        None => log.matching(&condition.filter, (condition.after, log.head())).iter().any(was_begun),
    };
    if !append.conditions.iter().any(conflicts) {
        let named = cause.named.map_or_else(String::new, |position| format!(" at {position}"));
        let what = format!("a conflict{named}, but no such event was there");
        report.add(Rule::ConflictWithoutCause, what, [number]);
    }
}

/// The operations that appended an event.
fn owners(history: &History, id: &Uuid) -> Vec<usize> {
    let is_its = |append: &Append| append.events.iter().any(|event| event.id == *id);
    history.appends().filter(|(_, _, append)| is_its(append)).map(|(number, ..)| number).collect()
}
