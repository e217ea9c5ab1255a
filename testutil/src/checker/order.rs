//! What was acknowledged before another append began has the lower position.

use super::append::committed_at;
use super::history::{History, Outcome};
use super::log::Log;
use super::report::{Report, Rule};

pub(super) fn check(history: &History, log: &Log, report: &mut Report<'_>) {
    let mut acknowledged = Vec::new();
    let mut begun = Vec::new();
    for (number, operation, append) in history.appends() {
        let Some(first) = committed_at(append, log) else { continue };
        let last = first + (append.events.len() as u64).saturating_sub(1);
        if let (Outcome::Accepted { .. }, Some(completed)) = (append.outcome, operation.completed) {
            acknowledged.push((completed, last, number));
        }
        begun.push((operation.invoked, first, number));
    }
    acknowledged.sort_unstable();
    begun.sort_unstable();
    let mut earlier = acknowledged.into_iter().peekable();
    // The highest position that was acknowledged so far, and by which operation.
    let mut highest = (0, 0);
    for (invoked, first, number) in begun {
        while let Some((_, last, by)) = earlier.next_if(|(completed, ..)| *completed < invoked) {
            highest = highest.max((last, by));
        }
        let (last, by) = highest;
        // The same ids again have the first position again.
        if first <= last && first_of(history, by) != Some(first) && !is_repeated(history, number) {
            let what = format!("an append at {first} began after {last} was acknowledged");
            report.add(Rule::Order, what, [by, number]);
        }
    }
}

fn first_of(history: &History, number: usize) -> Option<u64> {
    match &history.operations.get(number)?.action {
        super::Action::Append(append) => match append.outcome {
            Outcome::Accepted { first } => Some(first),
            _ => None,
        },
        _ => None,
    }
}

/// Whether its ids were sent before. Looked at only where the order seems wrong.
fn is_repeated(history: &History, number: usize) -> bool {
    let super::Action::Append(append) = &history.operations[number].action else { return false };
    let invoked = history.operations[number].invoked;
    history.appends().any(|(other, operation, earlier)| {
        other != number && operation.invoked < invoked && earlier.events.first() == append.events.first()
    })
}
