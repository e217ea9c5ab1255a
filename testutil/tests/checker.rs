//! What the checker must catch, each on a history of a small model store that is right but for one thing.

#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

use serde_json::json;
use testutil::checker::{
    Action, Answer, Append, Checker, Condition, Delivery, Filter, History, Log, LogEvent, Operation, Outcome,
    Read, Recorder, Report, Rule,
};

const KEYS: u64 = 40;
const OPERATIONS: u64 = 600;

/// A store with one order: every operation takes effect at an instant between its beginning and its end.
struct Model {
    log: Vec<LogEvent>,
    history: History,
    random: u64,
    /// How many of the newest events a condition does not see.
    blind_to: usize,
    /// Whether the last predicate of each item is left out.
    forgetful: bool,
}

impl Model {
    fn new() -> Self {
        Self { log: Vec::new(), history: History::default(), random: 7, blind_to: 0, forgetful: false }
    }

    fn draw(&mut self, below: u64) -> u64 {
        // An LCG, so that each run is the same; its high bits are good enough.
        self.random =
            self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % below
    }

    fn run(mut self) -> (History, Vec<LogEvent>) {
        for number in 1..=OPERATIONS {
            let (client, key) = (number % 16, self.draw(KEYS));
            // Operation number n takes effect at 1000 n; several are under way at once.
            let began = (1_000 * number).saturating_sub(self.draw(8_000));
            let ended = 1_000 * number + self.draw(8_000);
            let action = match self.draw(4) {
                0 => self.read(key),
                1 => self.append(key, 2),
                _ => self.append(key, 1),
            };
            self.history.operations.push(Operation::new(client, (began, Some(ended)), action));
        }
        let subscription = || "mails".to_owned();
        let deliveries = self.log.iter().map(|event| {
            let (position, event) = (event.position, event.digest());
            Action::Delivery(Delivery { subscription: subscription(), position, event })
        });
        let begins =
            Action::Subscribed { subscription: subscription(), filter: Filter::types(["Taken"]), after: 0 };
        let ends = Action::CaughtUp { subscription: subscription(), position: self.log.len() as u64 };
        for (action, time) in [begins].into_iter().chain(deliveries).chain([ends]).zip(1_000_000..) {
            let (client, completed) = (99, Some(time));
            self.history.operations.push(Operation::new(client, (time, completed), action));
        }
        (self.history, self.log)
    }

    fn matching(&self, filter: &Filter, after: u64, blind_to: usize) -> Vec<&LogEvent> {
        let mut filter = filter.clone();
        if self.forgetful {
            filter.items.iter_mut().for_each(|item| drop(item.all.pop()));
        }
        let seen = self.log.len().saturating_sub(blind_to);
        let is_match =
            |event: &&LogEvent| event.position > after && filter.matches(&event.event_type, &event.payload);
        self.log[..seen].iter().filter(is_match).collect()
    }

    fn read(&mut self, key: u64) -> Action {
        let filter = of_key(key);
        let result =
            self.matching(&filter, 0, 0).iter().map(|event| (event.position, event.digest())).collect();
        let complete_to = self.log.len() as u64;
        let (after, backwards, limit, at_least, strong) = (0, false, None, 0, true);
        Action::Read(Read { filter, after, backwards, limit, at_least, strong, complete_to, result })
    }

    /// Takes what is free, as far as the model sees it.
    fn append(&mut self, key: u64, events: u64) -> Action {
        let filter = of_key(key);
        // What a client read before may be old by now.
        let after = self.draw(self.log.len() as u64 + 1);
        let first = self.log.len() as u64 + 1;
        let fresh: Vec<LogEvent> = (first..first + events).map(|position| taken(position, key)).collect();
        let digests = fresh.iter().map(LogEvent::digest).collect();
        let found = self.matching(&filter, after, self.blind_to).first().map(|event| event.position);
        let outcome = match found {
            Some(position) => Outcome::Conflict { position: Some(position) },
            None => {
                self.log.extend(fresh);
                Outcome::Accepted { first }
            }
        };
        Action::Append(Append { conditions: vec![Condition { filter, after }], events: digests, outcome })
    }
}

fn of_key(key: u64) -> Filter {
    Filter::types(["Taken"]).and_all([("hall", json!("A")), ("seat", json!(key))])
}

fn taken(position: u64, key: u64) -> LogEvent {
    LogEvent::new(position, "Taken", json!({"hall": "A", "seat": key}), json!({}))
}

fn rules(report: &Report<'_>) -> Vec<Rule> {
    let mut rules: Vec<Rule> = report.violations().iter().map(|violation| violation.rule).collect();
    rules.sort_unstable();
    rules.dedup();
    rules
}

/// Checks what is left of a right history after something was done to it.
fn caught(spoil: impl FnOnce(&mut History, &mut Vec<LogEvent>)) -> Vec<Rule> {
    let (mut history, mut log) = Model::new().run();
    spoil(&mut history, &mut log);
    rules(&Checker::default().check(&history, &Log::new(log)))
}

fn accepted(history: &mut History, events: usize) -> &mut Operation {
    let is_it = |operation: &&mut Operation| {
        matches!(&operation.action, Action::Append(append)
            if append.events.len() == events && matches!(append.outcome, Outcome::Accepted { .. }))
    };
    history.operations.iter_mut().filter(is_it).nth(20).unwrap()
}

fn append_of(operation: &mut Operation) -> &mut Append {
    match &mut operation.action {
        Action::Append(append) => append,
        other => panic!("{other}"),
    }
}

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

fn last_read(history: &mut History) -> &mut Read {
    let reads = history.operations.iter_mut().filter_map(|operation| match &mut operation.action {
        Action::Read(read) if read.result.len() > 2 => Some(read),
        _ => None,
    });
    reads.last().unwrap()
}

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
        for (read, time) in [(newer, FAILOVER), (older, FAILOVER + 2)] {
            let (completed, action) = (Some(time + 1), Action::Read(read));
            history.operations.push(Operation::new(1, (time, completed), action));
        }
    });
    assert_eq!(found, [Rule::Stale]);
}

/// The append of one event that was accepted, sent again after it was acknowledged, and told something else.
fn told_otherwise(outcome: impl FnOnce(u64) -> Outcome) -> Vec<Rule> {
    caught(|history, _| {
        let mut again = accepted(history, 1).clone();
        (again.invoked, again.completed) = (FAILOVER, Some(FAILOVER + 1));
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

#[test]
fn a_read_with_other_content() {
    let found = caught(|history, _| {
        let (_, event) = last_read(history).result.last_mut().unwrap();
        event.content += 1;
    });
    assert_eq!(found, [Rule::Read]);
}

/// Instants after everything that the model does; at the first of them a server becomes primary that had not everything.
const FAILOVER: u64 = 8_000_000;

fn failover(history: &mut History, kept: u64) {
    let (invoked, completed, action) = (FAILOVER - 1, Some(FAILOVER), Action::Failover { kept });
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
            let (invoked, completed) = (FAILOVER + 1, Some(FAILOVER + 2));
            let action = Action::Loss { position: kept + 2 };
            history.operations.push(Operation::new(1, (invoked, completed), action));
            let next = taken(log.len() as u64 + 1, KEYS + 1);
            let (conditions, outcome) = (vec![], Outcome::Accepted { first: next.position });
            let append = Append { conditions, events: vec![next.digest()], outcome };
            history.append(1, (FAILOVER + 3, FAILOVER + 4), append);
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
        let (invoked, completed) = (FAILOVER + 1, Some(FAILOVER + 2));
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
    let operation = Operation::new(1, (FAILOVER + 3, Some(FAILOVER + 4)), append);
    history.operations.push(Operation { rests_on, ..operation });
}

fn tell(history: &mut History, position: u64) {
    let told = Operation::new(1, (FAILOVER + 1, Some(FAILOVER + 2)), Action::Loss { position });
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
        (again.invoked, again.completed) = (FAILOVER + 5, Some(FAILOVER + 6));
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
        history.operations.push(Operation::new(1, (FAILOVER, Some(FAILOVER)), action));
    });
    assert_eq!(found, [Rule::LossWithoutCause]);
}

#[test]
fn a_recorder_that_is_killed_leaves_what_was_under_way() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history");
    let append =
        Append { conditions: vec![], events: vec![taken(1, 1).digest()], outcome: Outcome::Indeterminate };
    for recorder in [Recorder::to_file(&path).unwrap(), Recorder::in_memory()] {
        let first = recorder.begin(1, Action::Append(append.clone())).unwrap();
        let _second = recorder.begin(2, Action::Append(append.clone())).unwrap();
        recorder.end(&first, Answer::Append(Outcome::Accepted { first: 1 })).unwrap();
        let mut history = recorder.take();
        if history.operations.is_empty() {
            history = Recorder::load(&path).unwrap();
        }
        let answered: Vec<bool> =
            history.operations.iter().map(|operation| operation.completed.is_some()).collect();
        assert_eq!(answered, [true, false]);
        assert_eq!(append_of(&mut history.operations[0]).outcome, Outcome::Accepted { first: 1 });
    }
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, &text[..text.len() - 9]).unwrap();
    assert_eq!(Recorder::load(&path).unwrap().operations.len(), 2, "killed in the middle of a line");
    std::fs::write(&path, format!("no line\n{text}")).unwrap();
    Recorder::load(&path).unwrap_err();
}
