//! Every read is exactly the filter of a prefix of the log, at least as new as it must be.

use std::iter::once;

use super::actions::{Digest, Read};
use super::evidence::Evidence;
use super::history::{Action, Operation};
use super::report::{Report, Rule};

pub(super) fn check(evidence: &Evidence<'_>, report: &mut Report<'_>) {
    let newest = Newest::of(evidence);
    for (number, operation) in evidence.history.operations.iter().enumerate() {
        let Action::Read(read) = &operation.action else { continue };
        if operation.completed.is_none() {
            continue;
        }
        is_prefix(number, read, evidence, report);
        is_new_enough(number, (operation, read), &newest, report);
    }
}

fn is_prefix(number: usize, read: &Read, evidence: &Evidence<'_>, report: &mut Report<'_>) {
    let (log, operation) = (evidence.log, &evidence.history.operations[number]);
    // What stood above was lost in a later failover: nobody knows any more whether it was read rightly.
    let known_to = read.complete_to.min(evidence.kept(operation));
    if known_to == read.complete_to && read.complete_to > log.head() {
        let what = format!("a read is complete to {}, but the log ends at {}", read.complete_to, log.head());
        report.add(Rule::Read, what, [number]);
    }
    let found: Vec<(u64, &Digest)> = read.result.iter().map(|(position, event)| (*position, event)).collect();
    let known: Vec<_> = found.iter().copied().filter(|(position, _)| *position <= known_to).collect();
    let lost = found.len() - known.len();
    let mut expected = log.matching(&read.filter, (read.after, known_to));
    let limit = read.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    if found.len() > limit {
        let what = format!("a read of {limit} events at most has {}", found.len());
        report.add(Rule::Read, what, [number]);
    }
    // Forwards, a read is complete to its last event where the limit was reached. Backwards, older matches are left out.
    if read.backwards {
        expected.reverse();
        expected.truncate(limit.saturating_sub(lost));
    }
    let is_equal = |(expected, found): &(&super::LogEvent, (u64, &Digest))| {
        (expected.position, &expected.digest()) == (found.0, found.1)
    };
    let at = expected.iter().copied().zip(known.iter().copied()).take_while(is_equal).count();
    if at == expected.len() && at == known.len() {
        return;
    }
    let place = |event: Option<(u64, uuid::Uuid)>| {
        event.map_or_else(|| "no more".to_owned(), |(position, id)| format!("{id} at {position}"))
    };
    let has = known.get(at).map(|(position, event)| (*position, event.id));
    let should = expected.get(at).map(|event| (event.position, event.id));
    let content = if has == should { ", with other content" } else { "" };
    let what = format!(
        "a read that is complete to {} has as its event number {} {}, and should have {}{content}",
        read.complete_to,
        at + 1,
        place(has),
        place(should)
    );
    let missed = expected.get(at).map(|event| evidence.owners(&event.id)).unwrap_or_default();
    report.add(Rule::Read, what, once(number).chain(missed.iter().copied()));
}

fn is_new_enough(
    number: usize,
    (operation, read): (&Operation, &Read),
    newest: &Newest,
    report: &mut Report<'_>,
) {
    // Where the limit was reached, it says how far the read came, and not how new it is.
    let is_full = read.limit.is_some_and(|limit| read.result.len() as u64 >= limit);
    if is_full && !read.backwards {
        return;
    }
    if read.complete_to < read.at_least {
        let what =
            format!("a read that must have seen {} is complete to {} only", read.at_least, read.complete_to);
        report.add(Rule::Stale, what, [number]);
    }
    if let Some((position, by)) = newest.before(operation.invoked)
        && read.strong
        && read.complete_to < position
    {
        let what = format!(
            "{position} was acknowledged or read before a strong read that is complete to {} only",
            read.complete_to
        );
        report.add(Rule::Stale, what, [by, number]);
    }
}

/// The highest position that was acknowledged, or seen by a strong read, at each time, of what was not lost.
struct Newest(Vec<(u64, u64, usize)>);

impl Newest {
    fn of(evidence: &Evidence<'_>) -> Self {
        let operations = evidence.history.operations.iter().enumerate();
        let told = operations.filter_map(|(number, operation)| {
            let last = match &operation.action {
                Action::Append(append) => append.acknowledged_up_to()?,
                Action::Read(read) if read.strong => read.complete_to,
                _ => return None,
            };
            (last <= evidence.kept(operation)).then_some((operation.completed?, last, number))
        });
        let mut told: Vec<(u64, u64, usize)> = told.collect();
        told.sort_unstable();
        let mut highest = (0, 0);
        for (_, position, number) in &mut told {
            highest = highest.max((*position, *number));
            (*position, *number) = highest;
        }
        Self(told)
    }

    fn before(&self, instant: u64) -> Option<(u64, usize)> {
        let count = self.0.partition_point(|(completed, ..)| *completed < instant);
        count.checked_sub(1).map(|last| (self.0[last].1, self.0[last].2))
    }
}
