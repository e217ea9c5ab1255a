//! A subscription hands over every event that matches, in order; what it handed over before only after a start.

use std::collections::BTreeMap;

use super::actions::Delivery;
use super::evidence::Evidence;
use super::filter::Filter;
use super::history::Action;
use super::log::LogEvent;
use super::report::{Report, Rule};

pub(super) fn check(evidence: &Evidence<'_>, report: &mut Report<'_>) {
    let mut subscriptions: BTreeMap<&str, Subscription<'_>> = BTreeMap::new();
    for (number, operation) in evidence.history.operations.iter().enumerate() {
        // What stood above may have been lost later.
        let kept = evidence.kept(operation);
        let name = match &operation.action {
            Action::Subscribed { subscription, filter, after } => {
                let known = subscriptions.entry(subscription);
                known.or_insert_with(|| Subscription::new(filter, *after, evidence)).begins(
                    (*after).min(kept),
                    number,
                    report,
                );
                continue;
            }
            Action::Delivery(delivery) => &delivery.subscription,
            Action::CaughtUp { subscription, .. } => subscription,
            _ => continue,
        };
        match (subscriptions.get_mut(name.as_str()), &operation.action) {
            (None, _) => report.add(Rule::Delivery, format!("{name} has not begun"), [number]),
            (Some(known), Action::Delivery(delivery)) if delivery.position <= kept => {
                known.delivered(number, delivery, report);
            }
            (Some(known), Action::CaughtUp { position, .. }) => {
                known.caught_up(number, (*position).min(kept), report);
            }
            _ => {}
        }
    }
}

struct Subscription<'a> {
    expected: Vec<&'a LogEvent>,
    /// How many of them were handed over at least once.
    reached: usize,
    /// Which one comes next.
    next: usize,
    /// The operation before, by its number.
    before: Option<usize>,
}

impl<'a> Subscription<'a> {
    fn new(filter: &Filter, after: u64, evidence: &Evidence<'a>) -> Self {
        let expected = evidence.log.matching(filter, (after, evidence.log.head()));
        Self { expected, reached: 0, next: 0, before: None }
    }

    fn begins(&mut self, after: u64, number: usize, report: &mut Report<'_>) {
        let next = self.expected.partition_point(|event| event.position <= after);
        if next > self.reached {
            let what =
                format!("a subscription began after {after}, but {} was never handed over", self.due());
            report.add(Rule::Delivery, what, self.before.into_iter().chain([number]));
        }
        (self.next, self.before) = (next, Some(number));
    }

    fn delivered(&mut self, number: usize, delivery: &Delivery, report: &mut Report<'_>) {
        let place = self.expected.binary_search_by_key(&delivery.position, |event| event.position);
        let place = place.ok().filter(|place| self.expected[*place].digest() == delivery.event);
        let blamed = self.before.into_iter().chain([number]);
        match place {
            None => {
                let what = format!("no matching event {} stands at {}", delivery.event.id, delivery.position);
                report.add(Rule::Delivery, what, blamed);
            }
            Some(place) if place == self.next => {}
            Some(place) => {
                let rule = if place > self.next { "skipped" } else { "went back" };
                let what =
                    format!("a subscription {rule}: {} was next, {} came", self.due(), delivery.position);
                report.add(Rule::Delivery, what, blamed);
            }
        }
        if let Some(place) = place {
            self.next = place + 1;
            self.reached = self.reached.max(self.next);
        }
        self.before = Some(number);
    }

    fn caught_up(&self, number: usize, up_to: u64, report: &mut Report<'_>) {
        if self.expected.get(self.next).is_some_and(|due| due.position <= up_to) {
            let what = format!("a subscription had handed over all up to {up_to}, but not {}", self.due());
            report.add(Rule::Delivery, what, self.before.into_iter().chain([number]));
        }
    }

    fn due(&self) -> String {
        self.expected.get(self.next).map_or_else(|| "nothing".to_owned(), |event| event.position.to_string())
    }
}
