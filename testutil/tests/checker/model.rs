//! A right history, to be spoilt.

use serde_json::json;
use testutil::checker::{
    Action, Append, Checker, Condition, Delivery, Filter, History, Log, LogEvent, Operation, Outcome, Read,
    Report, Rule,
};

pub(crate) const KEYS: u64 = 40;
pub(crate) const OPERATIONS: u64 = 600;

/// Instants after everything that the model does; at the first of them, where there is a failover, a server becomes primary that
/// had not everything.
pub(crate) const AFTERWARDS: u64 = 8_000_000;

/// A store with one order: every operation takes effect at an instant between its beginning and its end.
pub(crate) struct Model {
    pub(crate) log: Vec<LogEvent>,
    pub(crate) history: History,
    pub(crate) random: u64,
    /// How many of the newest events a condition does not see.
    pub(crate) blind_to: usize,
    /// Whether the last predicate of each item is left out.
    pub(crate) forgetful: bool,
}

impl Model {
    pub(crate) fn new() -> Self {
        Self { log: Vec::new(), history: History::default(), random: 7, blind_to: 0, forgetful: false }
    }

    fn draw(&mut self, below: u64) -> u64 {
        // An LCG, so that each run is the same; its high bits are good enough.
        self.random =
            self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % below
    }

    pub(crate) fn run(mut self) -> (History, Vec<LogEvent>) {
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

pub(crate) fn of_key(key: u64) -> Filter {
    Filter::types(["Taken"]).and_all([("hall", json!("A")), ("seat", json!(key))])
}

pub(crate) fn taken(position: u64, key: u64) -> LogEvent {
    LogEvent::new(position, "Taken", json!({"hall": "A", "seat": key}), json!({}))
}

pub(crate) fn rules(report: &Report<'_>) -> Vec<Rule> {
    let mut rules: Vec<Rule> = report.violations().iter().map(|violation| violation.rule).collect();
    rules.sort_unstable();
    rules.dedup();
    rules
}

/// Checks what is left of a right history after something was done to it.
pub(crate) fn caught(spoil: impl FnOnce(&mut History, &mut Vec<LogEvent>)) -> Vec<Rule> {
    let (mut history, mut log) = Model::new().run();
    spoil(&mut history, &mut log);
    rules(&Checker::default().check(&history, &Log::new(log)))
}

pub(crate) fn accepted(history: &mut History, events: usize) -> &mut Operation {
    let is_it = |operation: &&mut Operation| {
        matches!(&operation.action, Action::Append(append)
            if append.events.len() == events && matches!(append.outcome, Outcome::Accepted { .. }))
    };
    history.operations.iter_mut().filter(is_it).nth(20).unwrap()
}

pub(crate) fn append_of(operation: &mut Operation) -> &mut Append {
    match &mut operation.action {
        Action::Append(append) => append,
        other => panic!("{other}"),
    }
}

pub(crate) fn last_read(history: &mut History) -> &mut Read {
    let reads = history.operations.iter_mut().filter_map(|operation| match &mut operation.action {
        Action::Read(read) if read.result.len() > 2 => Some(read),
        _ => None,
    });
    reads.last().unwrap()
}
