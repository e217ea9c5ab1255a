//! Every read is exactly the filter of a prefix of the log, at least as new as it must be.

use uuid::Uuid;

use super::evidence::Evidence;
use super::history::{Action, History, Operation, Outcome, Read};
use super::report::{Report, Rule};

pub(super) fn check(evidence: &Evidence<'_>, report: &mut Report<'_>) {
    let newest = Newest::of(evidence.history);
    for (number, operation) in evidence.history.operations.iter().enumerate() {
        let Action::Read(read) = &operation.action else { continue };
        if operation.completed.is_none() || evidence.is_excused(operation) {
            continue;
        }
        is_prefix(number, read, evidence, report);
        is_new_enough(number, (operation, read), &newest, report);
    }
}

fn is_prefix(number: usize, read: &Read, evidence: &Evidence<'_>, report: &mut Report<'_>) {
    if read.complete_to > evidence.log.head() {
        let what = format!(
            "a read is complete to {}, but the log ends at {}",
            read.complete_to,
            evidence.log.head()
        );
        report.add(Rule::Read, what, [number]);
    }
    let mut expected: Vec<(u64, Uuid)> = evidence
        .log
        .matching(&read.filter, (read.after, read.complete_to))
        .iter()
        .map(|event| (event.position, event.id))
        .collect();
    if read.backwards {
        expected.reverse();
    }
    if let Some(limit) = read.limit {
        expected.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    }
    if expected == read.result {
        return;
    }
    let at = expected.iter().zip(&read.result).take_while(|(expected, found)| expected == found).count();
    let place = |events: &[(u64, Uuid)]| {
        events.get(at).map_or_else(|| "no more".to_owned(), |(position, id)| format!("{id} at {position}"))
    };
    let what = format!(
        "a read that is complete to {} has as its event number {} {}, and should have {}",
        read.complete_to,
        at + 1,
        place(&read.result),
        place(&expected)
    );
    let missed = expected.get(at).map(|(_, id)| evidence.owners(id)).unwrap_or_default();
    report.add(Rule::Read, what, std::iter::once(number).chain(missed.iter().copied()));
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
            "{position} was acknowledged before a strong read that is complete to {} only",
            read.complete_to
        );
        report.add(Rule::Stale, what, [by, number]);
    }
}

/// The highest position that was acknowledged at each time.
struct Newest(Vec<(u64, u64, usize)>);

impl Newest {
    fn of(history: &History) -> Self {
        let mut told: Vec<(u64, u64, usize)> = history
            .appends()
            .filter_map(|(number, operation, append)| match append.outcome {
                Outcome::Accepted { first } => Some((
                    operation.completed?,
                    first + (append.events.len() as u64).saturating_sub(1),
                    number,
                )),
                _ => None,
            })
            .collect();
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
