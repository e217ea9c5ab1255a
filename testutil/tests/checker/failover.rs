//! Failovers, what they excuse, and what they do not.

use testutil::checker::{Action, Append, Filter, History, LogEvent, Operation, Outcome, Rule};

use crate::model::{AFTERWARDS, KEYS, append_of, caught, last_read, taken};

fn failover(history: &mut History, kept: u64) {
    let (invoked, completed, action) = (AFTERWARDS - 1, Some(AFTERWARDS), Action::Failover { kept });
    history.operations.push(Operation::new(0, (invoked, completed), action));
}

#[test]
fn a_failover_excuses_what_stood_above_what_it_kept_and_nothing_else() {
    for too_much in [0, 1] {
        let found = caught(|history, log| {
            let kept = log.len() as u64 - 3;
            log.truncate(usize::try_from(kept - too_much).unwrap());
            failover(history, kept);
            // One who is told so, and goes on where the log ends now.
            let (invoked, completed) = (AFTERWARDS + 1, Some(AFTERWARDS + 2));
            let action = Action::Loss { position: kept + 2 };
            history.operations.push(Operation::new(1, (invoked, completed), action));
            let next = taken(log.len() as u64 + 1, KEYS + 1);
            let (conditions, outcome) = (vec![], Outcome::Accepted { first: next.position });
            let append = Append { conditions, events: vec![next.digest()], outcome };
            history.append(1, (AFTERWARDS + 3, AFTERWARDS + 4), append);
            log.push(next);
        });
        assert_eq!(found.is_empty(), too_much == 0, "{found:?}");
        assert_eq!(found.contains(&Rule::Lost), too_much > 0, "{found:?}");
    }
}

#[test]
fn an_order_and_a_strong_read_after_a_failover_are_still_checked() {
    let found = caught(|history, log| {
        let kept = log.len() as u64 - 3;
        log.truncate(usize::try_from(kept).unwrap());
        failover(history, kept);
        tell(history, kept + 1);
        let last_but_one = log[log.len() - 2].digest();
        let mut read = last_read(&mut history.clone()).clone();
        (read.filter, read.complete_to) = (Filter::all(), kept - 1);
        read.result = log[..log.len() - 1].iter().map(|event| (event.position, event.digest())).collect();
        assert_eq!(read.result.last().unwrap().1, last_but_one);
        let (invoked, completed) = (AFTERWARDS + 1, Some(AFTERWARDS + 2));
        history.operations.push(Operation::new(1, (invoked, completed), Action::Read(read)));
    });
    assert_eq!(found, [Rule::Stale]);
}

/// Three positions are lost, and the next append takes the place of the first of them.
fn after_a_loss(then: impl FnOnce(&mut History, &[LogEvent], &LogEvent)) -> Vec<Rule> {
    caught(|history, log| {
        let lost = log.split_off(log.len() - 3);
        let next = taken(log.len() as u64 + 1, KEYS + 1);
        failover(history, log.len() as u64);
        then(history, &lost, &next);
        log.push(next);
    })
}

fn goes_on(history: &mut History, next: &LogEvent, rests_on: Vec<(u64, uuid::Uuid)>) {
    let (conditions, outcome) = (vec![], Outcome::Accepted { first: next.position });
    let append = Action::Append(Append { conditions, events: vec![next.digest()], outcome });
    let operation = Operation::new(1, (AFTERWARDS + 3, Some(AFTERWARDS + 4)), append);
    history.operations.push(Operation { rests_on, ..operation });
}

fn tell(history: &mut History, position: u64) {
    let told = Operation::new(1, (AFTERWARDS + 1, Some(AFTERWARDS + 2)), Action::Loss { position });
    history.operations.push(told);
}

#[test]
fn a_loss_that_nobody_was_told_of() {
    let told = |position: Option<u64>| {
        after_a_loss(|history, lost, next| {
            position.inspect(|above| tell(history, lost[0].position + above));
            goes_on(history, next, vec![]);
        })
    };
    assert_eq!(told(Some(1)), []);
    assert_eq!(told(None), [Rule::LossNotTold]);
}

#[test]
fn an_append_that_rests_on_what_was_lost_and_is_accepted() {
    let resting_on = |of: fn(&LogEvent, &LogEvent) -> (u64, uuid::Uuid)| {
        after_a_loss(|history, lost, next| {
            tell(history, lost[0].position);
            goes_on(history, next, vec![of(&lost[0], next)]);
        })
    };
    assert_eq!(resting_on(|lost, _| (lost.position, lost.id)), [Rule::RestsOnNothing]);
    assert_eq!(resting_on(|_, next| (next.position, next.id)), [], "it stands there");
}

/// The same events again, after they were lost: they stand behind what was written meanwhile.
#[test]
fn what_was_lost_may_be_written_again() {
    let found = caught(|history, log| {
        let lost = log.split_off(log.len() - 3);
        failover(history, log.len() as u64);
        tell(history, lost[0].position);
        let next = taken(log.len() as u64 + 1, KEYS + 1);
        goes_on(history, &next, vec![]);
        log.push(next);
        let is_of_lost = |operation: &&Operation| matches!(&operation.action, Action::Append(append) if append.events.last().unwrap().id == lost[2].id);
        let mut again = history.operations.iter().find(is_of_lost).unwrap().clone();
        (again.invoked, again.completed) = (AFTERWARDS + 5, Some(AFTERWARDS + 6));
        let append = append_of(&mut again);
        append.outcome = Outcome::Accepted { first: log.len() as u64 + 1 };
        for event in lost.iter().filter(|event| append.events.contains(&event.digest())) {
            log.push(LogEvent { position: log.len() as u64 + 1, ..event.clone() });
        }
        history.operations.push(again);
    });
    assert_eq!(found, []);
}

#[test]
fn a_loss_that_was_none() {
    let found = caught(|history, _| {
        let action = Action::Loss { position: 3 };
        history.operations.push(Operation::new(1, (AFTERWARDS, Some(AFTERWARDS)), action));
    });
    assert_eq!(found, [Rule::LossWithoutCause]);
}

#[test]
fn a_refusal_that_names_what_is_there() {
    let refused_for = |which: fn(&LogEvent, &LogEvent) -> (u64, uuid::Uuid)| {
        after_a_loss(|history, lost, next| {
            tell(history, lost[0].position);
            goes_on(history, next, vec![]);
            let refused = Operation::new(
                2,
                (AFTERWARDS + 5, Some(AFTERWARDS + 6)),
                Action::Loss { position: next.position },
            );
            history.operations.push(Operation { rests_on: vec![which(&lost[0], next)], ..refused });
        })
    };
    assert_eq!(refused_for(|lost, _| (lost.position, lost.id)), []);
    assert_eq!(
        refused_for(|_, next| (next.position, next.id)),
        [Rule::LossWithoutCause],
        "it is of the new history"
    );
}

/// It began at the old primary and was sent again to the new one, which must have refused it.
#[test]
fn an_append_under_way_that_rests_on_what_was_lost() {
    for answered in [true, false] {
        let found = after_a_loss(|history, lost, next| {
            tell(history, lost[0].position);
            let outcome = match answered {
                true => Outcome::Accepted { first: next.position },
                false => Outcome::Indeterminate,
            };
            let append = Append { conditions: vec![], events: vec![next.digest()], outcome };
            let completed = answered.then_some(AFTERWARDS + 4);
            let operation = Operation::new(1, (AFTERWARDS - 5, completed), Action::Append(append));
            // Below where it stands, as every event that it can have seen.
            let below = (next.position - 1, lost[0].id);
            history.operations.push(Operation { rests_on: vec![below], ..operation });
        });
        assert_eq!(found, [Rule::RestsOnNothing], "{answered}");
    }
}

/// Each loses two positions, and each is told.
#[test]
fn of_two_failovers_each_must_be_told() {
    for told in [[true, true], [true, false], [false, true]] {
        let found = caught(|history, log| {
            let mut now = AFTERWARDS;
            for is_told in told {
                let lost = log.split_off(log.len() - 2);
                let kept = log.len() as u64;
                history.operations.push(Operation::new(0, (now, Some(now + 1)), Action::Failover { kept }));
                if is_told {
                    let loss = Action::Loss { position: lost[0].position };
                    history.operations.push(Operation::new(1, (now + 2, Some(now + 3)), loss));
                }
                for key in 1..=3 {
                    let next = taken(log.len() as u64 + 1, KEYS + now + key);
                    let (conditions, outcome) = (vec![], Outcome::Accepted { first: next.position });
                    let append = Append { conditions, events: vec![next.digest()], outcome };
                    history.append(1, (now + 4 + 2 * key, now + 5 + 2 * key), append);
                    log.push(next);
                }
                now += 100;
            }
        });
        let expected = if told == [true, true] { vec![] } else { vec![Rule::LossNotTold] };
        assert_eq!(found, expected, "{told:?}");
    }
}
