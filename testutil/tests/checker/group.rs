//! Consumer groups that break a promise.

use serde_json::json;
use testutil::checker::{
    Action, Append, Checker, Filter, Grouped, Handed, History, KeyOrder, Log, LogEvent, Operation, Outcome,
    Rule,
};

const LEASE_NS: u64 = 10_000_000_000;

/// What a worker did, and when.
#[derive(Clone, Copy)]
enum Step {
    /// Was handed a position.
    Handed(u64),
    /// Said that it is done, and was acknowledged.
    Done(u64),
    /// Gave it back, or was told that it is somebody else's.
    Back(u64),
    /// It was killed, and another one goes on under its name.
    Killed,
}

/// Four events of two keys, in turn; each step a second after the last one.
fn found(order: KeyOrder, steps: &[Step]) -> Vec<Rule> {
    let events: Vec<LogEvent> =
        (1..=4).map(|n| LogEvent::new(n, "T", json!({"key": n % 2}), json!({}))).collect();
    let mut history = History::default();
    for event in &events {
        let outcome = Outcome::Accepted { first: event.position };
        let append = Append { conditions: Vec::new(), events: vec![event.digest()], outcome };
        history.append(0, (event.position, event.position + 1), append);
    }
    let group = || "g".to_owned();
    let grouped =
        Grouped { group: group(), filter: Filter::types(["T"]), order, after: 0, lease_ns: LEASE_NS };
    let mut at = 1_000;
    let mut note = |action| {
        at += 1_000_000_000;
        history.operations.push(Operation::new(1, (at, Some(at + 1_000)), action));
    };
    note(Action::Grouped(grouped));
    for step in steps {
        note(match *step {
            Step::Handed(position) => {
                let event = events[position as usize - 1].digest();
                Action::Handed(Handed { group: group(), position, event })
            }
            Step::Done(position) => Action::Settled { group: group(), position, is_done: true },
            Step::Back(position) => Action::Settled { group: group(), position, is_done: false },
            Step::Killed => Action::Killed { first: 1, last: 3 },
        });
    }
    note(Action::Drained { group: group(), position: 4 });
    let report = Checker::default().check(&history, &Log::new(events));
    report.violations().iter().map(|violation| violation.rule).collect()
}

use Step::{Back, Done, Handed as Given, Killed};

#[test]
fn all_done_once_is_well() {
    let steps = [Given(2), Given(1), Done(1), Given(3), Done(2), Given(4), Done(4), Done(3)];
    assert_eq!(found(KeyOrder::By("key".to_owned()), &steps), []);
    let steps =
        [Given(1), Back(1), Given(1), Done(1), Given(2), Done(2), Given(3), Done(3), Given(4), Done(4)];
    assert_eq!(found(KeyOrder::All, &steps), []);
}

#[test]
fn one_that_was_never_done() {
    let steps = [Given(1), Done(1), Given(2), Done(2), Given(3), Done(3), Given(4)];
    assert_eq!(found(KeyOrder::None, &steps), [Rule::Delivery]);
}

#[test]
fn one_that_two_had_at_once() {
    let steps = [Given(1), Given(1), Done(1), Given(2), Done(2), Given(3), Done(3), Given(4), Done(4)];
    assert_eq!(found(KeyOrder::None, &steps), [Rule::HandedTwice]);
    // Ten seconds later: whoever had it was dead.
    let rest = [Given(2), Done(2), Given(3), Done(3), Given(4), Done(4)];
    let after = |end: &[Step]| {
        [Given(1)].iter().chain(&rest).chain(&[Back(4); 3]).chain(end).copied().collect::<Vec<_>>()
    };
    assert_eq!(found(KeyOrder::None, &after(&[Killed, Given(1), Done(1)])), []);
    // … or too late, and was told so, or died before it could be, but not much later.
    assert_eq!(found(KeyOrder::None, &after(&[Given(1), Back(1), Done(1)])), []);
    assert_eq!(found(KeyOrder::None, &after(&[Given(1), Killed, Done(1)])), []);
    let much_later: Vec<Step> =
        [Given(1)].into_iter().chain([Back(4); 12]).chain([Killed, Done(1)]).collect();
    assert_eq!(found(KeyOrder::None, &after(&much_later)), [Rule::HandedTwice]);
    // … or nothing is known of it.
    assert_eq!(found(KeyOrder::None, &after(&[Given(1), Done(1)])), [Rule::HandedTwice]);
}

#[test]
fn one_that_was_done() {
    let steps = [Given(1), Done(1), Given(2), Done(2), Given(3), Done(3), Given(4), Done(4), Given(1)];
    assert_eq!(found(KeyOrder::None, &steps), [Rule::HandedTwice]);
}

#[test]
fn one_that_two_said_was_done() {
    let rest = [Given(2), Done(2), Given(3), Done(3), Given(4), Done(4)];
    let steps: Vec<Step> = [Given(1), Done(1), Done(1)].into_iter().chain(rest).collect();
    assert_eq!(found(KeyOrder::None, &steps), [Rule::HandedTwice]);
}

#[test]
fn one_again_when_a_later_one_of_its_key_was_done() {
    // Its first holder never said more, and ten seconds later it comes again.
    let waits = [Given(2), Done(2), Given(4), Done(4), Back(4), Back(4), Back(4), Back(4), Back(4), Back(4)];
    let steps: Vec<Step> =
        [Given(1), Given(3), Done(3)].into_iter().chain(waits).chain([Killed, Given(1), Done(1)]).collect();
    let found = found(KeyOrder::By("key".to_owned()), &steps);
    assert!(found.contains(&Rule::KeyOrder) && !found.contains(&Rule::HandedTwice), "{found:?}");
}

#[test]
fn one_before_an_earlier_one_of_its_key() {
    let steps = [Given(1), Given(2), Done(2), Given(3), Done(1), Done(3), Given(4), Done(4)];
    assert_eq!(found(KeyOrder::By("key".to_owned()), &steps), [Rule::KeyOrder]);
    let steps = [Given(1), Given(2), Done(1), Done(2), Given(3), Done(3), Given(4), Done(4)];
    assert_eq!(found(KeyOrder::All, &steps), [Rule::KeyOrder]);
}
