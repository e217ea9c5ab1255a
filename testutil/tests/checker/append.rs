//! Appends that break a promise.

use serde_json::json;
use testutil::checker::{
    Action, Append, Checker, Condition, Filter, History, Log, LogEvent, Operation, Outcome, Rule,
};

use crate::model::{AFTERWARDS, Model, accepted, append_of, caught, of_key, rules, taken};

#[test]
fn a_right_history_is_clean() {
    let (history, log) = Model::new().run();
    let count = |wanted: fn(&Outcome) -> bool| {
        let is_it = |operation: &&Operation| matches!(&operation.action, Action::Append(append) if wanted(&append.outcome));
        history.operations.iter().filter(is_it).count()
    };
    assert!(count(|outcome| matches!(outcome, Outcome::Accepted { .. })) > 100);
    assert!(count(|outcome| matches!(outcome, Outcome::Conflict { .. })) > 100);
    let log = Log::new(log);
    let report = Checker::default().check(&history, &log);
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.operations(), history.operations.len());
}

#[test]
fn an_acknowledged_event_removed() {
    let found = caught(|_, log| drop(log.remove(40)));
    assert!(found.contains(&Rule::Lost) && found.contains(&Rule::Positions), "{found:?}");
    let found = caught(|_, log| drop(log.pop()));
    assert!(found.contains(&Rule::Lost), "at the end, where no gap shows it: {found:?}");
}

#[test]
fn an_event_doubled() {
    let found = caught(|_, log| log.push(LogEvent { position: log.len() as u64 + 1, ..log[40].clone() }));
    assert!(found.contains(&Rule::Doubled), "{found:?}");
    let found = caught(|_, log| {
        log.push(LogEvent { event_type: "Other".to_owned(), ..taken(log.len() as u64 + 1, 999) });
    });
    assert_eq!(found, [Rule::FromNowhere], "under another id");
}

#[test]
fn two_events_swapped() {
    let found = caught(|_, log| {
        let (one, other) = (log[40].position, log[44].position);
        (log[40].position, log[44].position) = (other, one);
    });
    assert!(found.contains(&Rule::Misplaced), "{found:?}");
}

#[test]
fn an_event_changed() {
    let found = caught(|_, log| log[40].metadata = json!({"changed": true}));
    assert_eq!(found, [Rule::Misplaced, Rule::Read, Rule::Delivery]);
}

#[test]
fn a_condition_evaluated_on_a_stale_replica() {
    let (history, log) = Model { blind_to: 3, ..Model::new() }.run();
    let log = Log::new(log);
    let report = Checker::default().check(&history, &log);
    assert_eq!(rules(&report), [Rule::ConditionBroken], "{report}");
    let text = report.to_string();
    assert!(text.contains("rests on no event Taken(hall=\"A\", seat=") && text.contains("client "), "{text}");
}

#[test]
fn a_matcher_that_ignores_one_predicate() {
    let (history, log) = Model { forgetful: true, ..Model::new() }.run();
    let found = rules(&Checker::default().check(&history, &Log::new(log)));
    assert_eq!(found, [Rule::ConflictWithoutCause, Rule::Read]);
}

#[test]
fn a_conflict_without_cause() {
    let refused = |position| Append {
        conditions: vec![Condition { filter: of_key(777), after: 0 }],
        events: vec![taken(0, 777).digest()],
        outcome: Outcome::Conflict { position },
    };
    for position in [None, Some(5)] {
        let found = caught(|history, _| history.append(3, (5_000_000, 5_000_001), refused(position)));
        assert_eq!(found, [Rule::ConflictWithoutCause]);
    }
    let found = caught(|history, log| {
        let later = LogEvent { event_type: "Later".to_owned(), ..taken(log.len() as u64 + 1, 777) };
        let mut too_early = refused(None);
        too_early.conditions[0].filter = Filter::types(["Later"]);
        history.append(3, (5_000_000, 5_000_001), too_early);
        let outcome = Outcome::Accepted { first: later.position };
        let append = Append { conditions: vec![], events: vec![later.digest()], outcome };
        history.append(4, (5_000_002, 5_000_003), append);
        log.push(later);
    });
    assert_eq!(found, [Rule::ConflictWithoutCause], "what came later is no cause");
}

/// An append of two events whose answer never came, of which so many are in the log.
fn unanswered(history: &mut History, log: &mut Vec<LogEvent>, written: usize) {
    let last = log.len() as u64;
    let fresh = [1, 2].map(|nth| LogEvent { event_type: "Late".to_owned(), ..taken(last + nth, 800) });
    let events = fresh.iter().map(LogEvent::digest).collect();
    let append = Append { conditions: vec![], events, outcome: Outcome::Indeterminate };
    history.append(3, (5_000_000, 5_000_001), append);
    log.extend(fresh.into_iter().take(written));
}

#[test]
fn a_batch_half_committed() {
    assert_eq!(caught(|history, log| unanswered(history, log, 1)), [Rule::Torn]);
    assert_eq!(caught(|history, log| unanswered(history, log, 0)), [], "not at all");
    assert_eq!(caught(|history, log| unanswered(history, log, 2)), [], "or whole");
}

#[test]
fn an_append_that_failed_and_is_there() {
    let found = caught(|history, _| append_of(accepted(history, 1)).outcome = Outcome::Failed);
    assert_eq!(found, [Rule::RefusedButWritten]);
}

#[test]
fn a_retry_with_a_receipt_of_its_own() {
    let again = |history: &mut History, offset| {
        let mut again = accepted(history, 2).clone();
        (again.invoked, again.completed) = (6_000_000, Some(6_000_001));
        if let Outcome::Accepted { first } = &mut append_of(&mut again).outcome {
            *first += offset;
        }
        history.operations.push(again);
    };
    assert_eq!(caught(|history, _| again(history, 0)), [], "the first receipt again");
    assert!(caught(|history, _| again(history, 1)).contains(&Rule::Misplaced));
}

/// An append is sent again, under another condition; what was taken before stands at 1.
#[test]
fn of_appends_of_the_same_ids_one_must_have_a_condition_that_holds() {
    let (taken_before, event) = (taken(1, 7), taken(2, 7));
    let verdict = |first_outcome, first_after, second_after| {
        let append = |after, outcome| Append {
            conditions: vec![Condition { filter: of_key(7), after }],
            events: vec![event.digest()],
            outcome,
        };
        let mut history = History::default();
        let free = Append {
            conditions: vec![],
            events: vec![taken_before.digest()],
            outcome: Outcome::Accepted { first: 1 },
        };
        history.append(1, (10, 20), free);
        history.append(2, (30, 40), append(first_after, first_outcome));
        history.append(2, (50, 60), append(second_after, Outcome::Accepted { first: 2 }));
        rules(&Checker::default().check(&history, &Log::new(vec![taken_before.clone(), event.clone()])))
    };
    let refused = Outcome::Conflict { position: Some(1) };
    assert_eq!(verdict(refused, 0, 1), [], "read again, and sent again");
    assert_eq!(verdict(refused, 0, 0), [Rule::ConditionBroken], "refused, and then accepted all the same");
    assert_eq!(verdict(Outcome::Indeterminate, 0, 1), [], "the second wrote it");
    assert_eq!(verdict(Outcome::Indeterminate, 0, 0), [Rule::ConditionBroken], "neither may have");
}

#[test]
fn an_order_that_is_not_that_of_time() {
    let found = caught(|history, _| {
        let early = accepted(history, 1);
        (early.invoked, early.completed) = (7_000_000, Some(7_000_001));
    });
    assert!(found.contains(&Rule::Order), "{found:?}");
}

/// The append of one event that was accepted, sent again after it was acknowledged, and told something else.
fn told_otherwise(outcome: impl FnOnce(u64) -> Outcome) -> Vec<Rule> {
    caught(|history, _| {
        let mut again = accepted(history, 1).clone();
        (again.invoked, again.completed) = (AFTERWARDS, Some(AFTERWARDS + 1));
        let append = append_of(&mut again);
        let Outcome::Accepted { first } = append.outcome else { unreachable!("it was accepted") };
        append.outcome = outcome(first);
        history.operations.push(again);
    })
}

#[test]
fn a_retry_that_is_refused_for_its_own_event() {
    assert_eq!(told_otherwise(|first| Outcome::Accepted { first }), []);
    let conflict = |position| move |_| Outcome::Conflict { position };
    assert_eq!(told_otherwise(|first| conflict(Some(first))(first)), [Rule::ConflictWithoutCause]);
    assert_eq!(told_otherwise(conflict(None)), [Rule::ConflictWithoutCause]);
}

#[test]
fn an_order_that_is_not_that_of_time_for_a_retry() {
    let found = caught(|history, log| {
        // A first attempt without an answer, and a second one that is acknowledged at once.
        let first = accepted(history, 1);
        let mut again = first.clone();
        let began = first.invoked;
        (first.completed, append_of(first).outcome) = (None, Outcome::Indeterminate);
        again.completed = Some(began + 1);
        again.invoked = began + 1;
        let Outcome::Accepted { first: position } = append_of(&mut again).outcome else { return };
        history.operations.push(again);
        // One that begins later stands before it.
        let swapped = log.iter().position(|event| event.position == position).unwrap();
        let before = log[swapped - 1].id;
        let earlier = history.operations.iter_mut().find(|operation| match &operation.action {
            Action::Append(append) => append.events.iter().any(|event| event.id == before),
            _ => false,
        });
        let earlier = earlier.unwrap();
        (earlier.invoked, earlier.completed) = (began + 10, Some(began + 20_000));
    });
    assert!(found.contains(&Rule::Order), "{found:?}");
}
