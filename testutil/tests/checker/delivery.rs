//! Subscriptions that break a promise.

use testutil::checker::{Action, Filter, History, Operation, Rule};

use crate::model::caught;

/// The place of the eleventh delivery in the history.
fn a_delivery(history: &History) -> usize {
    let is_it = |operation: &Operation| matches!(operation.action, Action::Delivery(_));
    history.operations.iter().position(is_it).unwrap() + 10
}

#[test]
fn a_delivery_skipped() {
    let found = caught(|history, _| drop(history.operations.remove(a_delivery(history))));
    assert_eq!(found, [Rule::Delivery]);
}

#[test]
fn a_delivery_reordered() {
    let found = caught(|history, _| {
        let place = a_delivery(history);
        history.operations.swap(place, place + 1);
    });
    assert_eq!(found, [Rule::Delivery]);
}

/// Begins again after the delivery before this one: twelve in all were made.
fn begin_again(history: &mut History, after: u64) {
    let place = a_delivery(history);
    let again = history.operations[place].clone();
    let (client, invoked, completed) = (again.client, again.invoked, again.completed);
    let filter = Filter::types(["Taken"]);
    let action = Action::Subscribed { subscription: "mails".to_owned(), filter, after };
    let begins = Operation::new(client, (invoked, completed), action);
    history.operations.splice(place + 1..place + 1, [begins, again]);
}

#[test]
fn a_delivery_doubled() {
    let found = caught(|history, _| {
        let place = a_delivery(history);
        let again = history.operations[place].clone();
        history.operations.insert(place + 1, again);
    });
    assert_eq!(found, [Rule::Delivery]);
    // The model delivers all positions: the eleventh delivery is of position 11.
    for (confirmed, expected) in [(10, vec![]), (9, vec![Rule::Delivery]), (12, vec![Rule::Delivery])] {
        assert_eq!(caught(|history, _| begin_again(history, confirmed)), expected, "{confirmed}");
    }
}

#[test]
fn a_delivery_that_never_came() {
    let is_it = |operation: &Operation| matches!(operation.action, Action::Delivery(_));
    let found = caught(|history, _| {
        let last = history.operations.iter().rposition(is_it).unwrap();
        history.operations.remove(last);
    });
    assert_eq!(found, [Rule::Delivery]);
    let found = caught(|history, _| history.operations.retain(|operation| !is_it(operation)));
    assert_eq!(found, [Rule::Delivery], "nothing was handed over, and it said that it had caught up");
}
