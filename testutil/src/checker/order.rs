//! What was acknowledged before another append began has the lower position.

use super::evidence::Evidence;
use super::report::{Report, Rule};

pub(super) fn check(evidence: &Evidence<'_>, report: &mut Report<'_>) {
    let mut acknowledged = Vec::new();
    let mut begun = Vec::new();
    for (number, operation, append) in evidence.history.appends() {
        let Some(first) = evidence.committed_at(append) else { continue };
        let last = (first + append.events.len() as u64).saturating_sub(1);
        // What was lost may stand elsewhere, written again.
        let is_kept = append.acknowledged_up_to().is_some_and(|last| last <= evidence.kept(operation));
        if let Some(completed) = operation.completed.filter(|_| is_kept) {
            acknowledged.push((completed, last, number));
        }
        // The same ids again have the first position again.
        if !evidence.is_sent_again(number, append) {
            begun.push((operation.invoked, first, number));
        }
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
        if first <= last {
            let what = format!("an append at {first} began after {last} was acknowledged");
            report.add(Rule::Order, what, [by, number]);
        }
    }
}
