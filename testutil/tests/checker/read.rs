//! Reads that break a promise.

use testutil::checker::{Action, Operation, Outcome, Rule};

use crate::model::{AFTERWARDS, caught, last_read};

#[test]
fn a_read_missing_its_last_event() {
    let found = caught(|history, _| assert!(last_read(history).result.pop().is_some()));
    assert_eq!(found, [Rule::Read]);
}

#[test]
fn a_read_of_what_is_not_in_the_log() {
    let found = caught(|history, log| last_read(history).complete_to = log.len() as u64 + 1);
    assert_eq!(found, [Rule::Read]);
}

#[test]
fn a_read_older_than_it_may_be() {
    for (strong, at_least, expected) in
        [(true, 0, vec![Rule::Stale]), (false, 3, vec![]), (false, 4, vec![Rule::Stale])]
    {
        let found = caught(|history, _| {
            let read = last_read(history);
            (read.complete_to, read.strong, read.at_least) = (3, strong, at_least);
            read.result.retain(|(position, _)| *position <= 3);
        });
        assert_eq!(found, expected);
    }
}

#[test]
fn a_limited_read_that_says_it_is_complete() {
    let found = caught(|history, _| {
        let read = history.operations.iter_mut().rev().find_map(|operation| match &mut operation.action {
            Action::Read(read) if read.result.len() > 2 => Some(read),
            _ => None,
        });
        let read = read.unwrap();
        read.result.truncate(2);
        read.limit = Some(2);
    });
    assert_eq!(found, [Rule::Read]);
}

#[test]
fn a_strong_read_that_goes_back_behind_another() {
    let found = caught(|history, _| {
        let newer = last_read(history).clone();
        let mut older = newer.clone();
        older.complete_to = newer.complete_to - 1;
        older.result.retain(|(position, _)| *position < newer.complete_to);
        // Nothing but reads: no acknowledgement says how new they must be.
        history.operations.retain(|operation| !matches!(operation.action, Action::Read(_)));
        for operation in &mut history.operations {
            if let Action::Append(append) = &mut operation.action
                && matches!(append.outcome, Outcome::Accepted { .. })
            {
                append.outcome = Outcome::Indeterminate;
            }
        }
        for (read, time) in [(newer, AFTERWARDS), (older, AFTERWARDS + 2)] {
            let (completed, action) = (Some(time + 1), Action::Read(read));
            history.operations.push(Operation::new(1, (time, completed), action));
        }
    });
    assert_eq!(found, [Rule::Stale]);
}

#[test]
fn a_read_with_other_content() {
    let found = caught(|history, _| {
        let (_, event) = last_read(history).result.last_mut().unwrap();
        event.content += 1;
    });
    assert_eq!(found, [Rule::Read]);
}
