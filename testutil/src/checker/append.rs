//! What was acknowledged is there, once, equal and together; what was not is not; and no condition was broken.

use std::collections::HashMap;
use std::iter::once;

use super::Checker;
use super::actions::{Append, Condition, Outcome};
use super::evidence::Evidence;
use super::history::Operation;
use super::log::LogEvent;
use super::report::{Report, Rule};

/// The log by itself: positions without gaps, ids that come once, no event from nowhere.
pub(super) fn check_log(checker: &Checker, evidence: &Evidence<'_>, report: &mut Report<'_>) {
    let mut seen = HashMap::new();
    let mut expected = 1;
    for event in evidence.log.events() {
        let LogEvent { position, id, .. } = event;
        if *position != expected && (!checker.gaps_allowed || *position < expected) {
            report.add(Rule::Positions, format!("position {position} stands where {expected} should"), []);
        }
        expected = position + 1;
        let owners = evidence.owners(id);
        if let Some(first) = seen.insert(id, position) {
            let what = format!("the event {id} stands at {first} and at {position}");
            report.add(Rule::Doubled, what, owners.iter().copied());
        }
        if *position > checker.preloaded && owners.is_empty() {
            report.add(Rule::FromNowhere, format!("nobody appended the event {id} at {position}"), []);
        }
    }
}

/// Every append for itself.
pub(super) fn check(evidence: &Evidence<'_>, report: &mut Report<'_>) {
    for (number, operation, append) in evidence.history.appends() {
        let check = Check { number, operation, append, evidence };
        match append.outcome {
            Outcome::Accepted { first } => check.is_there(first, report),
            Outcome::Indeterminate => check.is_there_whole_or_not_at_all(report),
            Outcome::Failed => check.is_absent(report),
            Outcome::Conflict { position } => {
                check.is_absent(report);
                check.is_no_repetition(report);
                check.has_cause(position, report);
            }
        }
        // The same ids may have been sent several times: one of these appends wrote them.
        if let Some(first) = evidence.committed_at(append)
            && evidence.possible_writers(append).next().is_some_and(|(writer, _)| writer == number)
        {
            check.one_holds(first, report);
        }
    }
}

struct Check<'a> {
    number: usize,
    operation: &'a Operation,
    append: &'a Append,
    evidence: &'a Evidence<'a>,
}

impl Check<'_> {
    fn is_there(&self, first: u64, report: &mut Report<'_>) {
        let log = self.evidence.log;
        for (event, position) in self.append.events.iter().zip(first..) {
            let found = log.at(position);
            if found.is_some_and(|found| found.digest() == *event) {
                continue;
            }
            // What was lost may have been written again since.
            let kept = self.evidence.kept(self.operation);
            if position > kept && log.with_id(&event.id).all(|other| other.position > kept) {
                continue;
            }
            let places: Vec<String> =
                log.with_id(&event.id).map(|other| other.position.to_string()).collect();
            let rule = if places.is_empty() { Rule::Lost } else { Rule::Misplaced };
            let there = match found {
                None => "there is no event".to_owned(),
                Some(found) if found.id == event.id => "it has other content".to_owned(),
                Some(found) => format!("{} stands there", found.id),
            };
            let stands = match places.as_slice() {
                [] => "it is nowhere in the log".to_owned(),
                places => format!("it stands at {}", places.join(", ")),
            };
            let what = format!("{} was acknowledged at {position}: {there}; {stands}", event.id);
            let blamed = found.map(|found| self.evidence.owners(&found.id)).unwrap_or_default();
            report.add(rule, what, once(self.number).chain(blamed.iter().copied()));
        }
    }

    fn is_there_whole_or_not_at_all(&self, report: &mut Report<'_>) {
        let (log, events) = (self.evidence.log, &self.append.events);
        let places: Vec<Option<u64>> =
            events.iter().map(|event| log.with_id(&event.id).next().map(|found| found.position)).collect();
        let first = places.first().copied().flatten();
        let together = places.iter().zip(0..).all(|(place, nth)| *place == first.map(|first| first + nth));
        let equal = events.iter().all(|event| log.with_id(&event.id).all(|found| found.digest() == *event));
        if !together || !equal {
            let what = format!("of an append without an answer these positions are in the log: {places:?}");
            report.add(Rule::Torn, what, [self.number]);
        }
    }

    fn is_absent(&self, report: &mut Report<'_>) {
        let found = self.append.events.iter().find_map(|event| self.evidence.log.with_id(&event.id).next());
        let Some(found) = found else { return };
        // The same ids may have been sent in another operation that was written.
        if self.evidence.possible_writers(self.append).next().is_none() {
            let what =
                format!("nothing was written, it was said, but {} stands at {}", found.id, found.position);
            report.add(Rule::RefusedButWritten, what, [self.number]);
        }
    }

    /// What was acknowledged has a receipt, and is never refused for what came later.
    fn is_no_repetition(&self, report: &mut Report<'_>) {
        if let Some((first, acknowledged)) = self.evidence.acknowledged(self.append)
            && acknowledged < self.operation.invoked
        {
            let what = "a conflict for events that were acknowledged before".to_owned();
            report.add(Rule::ConflictWithoutCause, what, [first, self.number]);
        }
    }

    /// Of the appends that may have written these events, one has conditions that hold.
    fn one_holds(&self, first: u64, report: &mut Report<'_>) {
        let broken = |append: &Append| {
            append.conditions.iter().find_map(|Condition { filter, after }| {
                let found = self.evidence.log.first_match(filter, (*after, first.saturating_sub(1)))?;
                let what = format!(
                    "the append at {first} rests on no event {filter} after {after}, but {} stands at {}",
                    found.event_type, found.position
                );
                Some((what, self.evidence.owners(&found.id)))
            })
        };
        let writers: Vec<_> = self.evidence.possible_writers(self.append).collect();
        let broken: Option<Vec<_>> = writers.iter().map(|(_, append)| broken(append)).collect();
        if let Some((what, others)) = broken.and_then(|broken| broken.into_iter().next()) {
            let writers = writers.iter().map(|(number, _)| *number);
            report.add(Rule::ConditionBroken, what, writers.chain(others.iter().copied()));
        }
    }

    /// An event that matches a condition, and whose append had begun when the conflict was told.
    fn has_cause(&self, named: Option<u64>, report: &mut Report<'_>) {
        let (log, operations) = (self.evidence.log, &self.evidence.history.operations);
        let told = self.operation.completed.unwrap_or(u64::MAX);
        let was_begun = |found: &LogEvent| {
            let owners = self.evidence.owners(&found.id);
            owners.is_empty() || owners.iter().any(|owner| operations[*owner].invoked < told)
        };
        // Where the same events stand all the same, only what stands before them.
        let own = self.append.events.first().and_then(|event| log.with_id(&event.id).next());
        let up_to = own.map_or(log.head(), |own| own.position - 1);
        let is_cause = |condition: &Condition, found: &LogEvent| {
            found.position > condition.after
                && found.position <= up_to
                && condition.filter.matches(&found.event_type, &found.payload)
                && was_begun(found)
        };
        let is_broken = |condition: &Condition| match named {
            Some(position) => log.at(position).is_some_and(|found| is_cause(condition, found)),
            None => log.matching(&condition.filter, (condition.after, up_to)).into_iter().any(was_begun),
        };
        // What the conflict was with may have been lost later.
        let may_be_lost = named.unwrap_or(u64::MAX) > self.evidence.kept(self.operation);
        if !self.append.conditions.iter().any(is_broken) && !may_be_lost {
            let named = named.map_or_else(String::new, |position| format!(" with {position}"));
            let what = format!("a conflict{named}, but no such event was there");
            report.add(Rule::ConflictWithoutCause, what, [self.number]);
        }
    }
}
