//! A subscription hands over every event that matches, in order; what it handed over before only after a start.

use std::collections::BTreeMap;

use super::evidence::Evidence;
use super::history::{Action, Delivery};
use super::log::Log;
use super::report::{Report, Rule};

pub(super) fn check(evidence: &Evidence<'_>, report: &mut Report<'_>) {
    let mut subscriptions: BTreeMap<&str, Vec<(usize, &Delivery)>> = BTreeMap::new();
    for (number, operation) in evidence.history.operations.iter().enumerate() {
        if let Action::Delivery(delivery) = &operation.action {
            subscriptions.entry(&delivery.subscription).or_default().push((number, delivery));
        }
    }
    for deliveries in subscriptions.values() {
        check_one(deliveries, evidence.log, report);
    }
}

fn check_one(deliveries: &[(usize, &Delivery)], log: &Log, report: &mut Report<'_>) {
    let Some((_, first)) = deliveries.first() else { return };
    let expected = log.matching(&first.filter, (0, log.head()));
    // How many of them were handed over at least once, and which one comes next.
    let (mut reached, mut next, mut before) = (0, 0, None);
    for (number, delivery) in deliveries {
        let found = expected.binary_search_by_key(&delivery.position, |event| event.position);
        let found = found.ok().filter(|place| expected[*place].id == delivery.id);
        let blamed = before.into_iter().chain([*number]);
        match found {
            None => report.add(
                Rule::Delivery,
                format!("no matching event {} stands at {}", delivery.id, delivery.position),
                blamed,
            ),
            Some(place) if place == next || (delivery.started && place <= reached) => {}
            Some(place) => {
                let due = expected
                    .get(next)
                    .map_or_else(|| "nothing".to_owned(), |event| event.position.to_string());
                let rule = if place > next { "skipped" } else { "went back" };
                let what = format!("a subscription {rule}: {due} was next, {} came", delivery.position);
                report.add(Rule::Delivery, what, blamed);
            }
        }
        if let Some(place) = found {
            next = place + 1;
            reached = reached.max(next);
        }
        before = Some(*number);
    }
}
