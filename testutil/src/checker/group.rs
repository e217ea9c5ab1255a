//! A consumer group hands every event that matches to one worker at a time, in the order of its key, until it is done.

use std::collections::{BTreeMap, HashMap};

use super::actions::{Grouped, Handed, KeyOrder};
use super::evidence::Evidence;
use super::history::{Action, Operation};
use super::log::LogEvent;
use super::report::{Report, Rule};

/// By how much a worker may know later than the server that something was leased to it, in nanoseconds.
const SLACK_NS: u64 = 500_000_000;

pub(super) fn check(evidence: &Evidence<'_>, report: &mut Report<'_>) {
    let mut groups: BTreeMap<&str, Group<'_>> = BTreeMap::new();
    let kills: Vec<Kill> = evidence.history.operations.iter().filter_map(Kill::of).collect();
    let mut numbers: Vec<usize> = (0..evidence.history.operations.len()).collect();
    // Of several processes: in the order of time.
    numbers.sort_by_key(|number| evidence.history.operations[*number].invoked);
    for number in numbers {
        let operation = &evidence.history.operations[number];
        let name = match &operation.action {
            Action::Grouped(grouped) => {
                groups.entry(&grouped.group).or_insert_with(|| Group::new(grouped, evidence, &kills));
                continue;
            }
            Action::Handed(Handed { group, .. })
            | Action::Settled { group, .. }
            | Action::Drained { group, .. } => group,
            _ => continue,
        };
        let Some(group) = groups.get_mut(name.as_str()) else {
            report.add(Rule::Delivery, format!("group {name} has not begun"), [number]);
            continue;
        };
        match &operation.action {
            Action::Handed(handed) => group.handed(number, operation, handed, report),
            Action::Settled { position, is_done, .. } => {
                group.settled(number, (*position, *is_done), operation, report);
            }
            Action::Drained { position, .. } => group.drained(number, *position, report),
            _ => {}
        }
    }
}

/// Clients that were killed, and not before when.
#[derive(Debug, Clone, Copy)]
struct Kill {
    first: u64,
    last: u64,
    at: u64,
}

impl Kill {
    fn of(operation: &Operation) -> Option<Self> {
        match operation.action {
            Action::Killed { first, last } => Some(Self { first, last, at: operation.invoked }),
            _ => None,
        }
    }

    fn is_of(&self, client: u64) -> bool {
        (self.first..=self.last).contains(&client)
    }
}

struct Group<'a> {
    lease_ns: u64,
    kills: &'a [Kill],
    /// Handed over again although whoever had it was not killed before: that one is to be refused, or killed soon after.
    doubts: Vec<Doubt>,
    expected: HashMap<u64, Expected<'a>>,
    /// In the order of the log; those of one key that are not said to be done.
    keys: HashMap<String, Key>,
}

struct Expected<'a> {
    event: &'a LogEvent,
    key: Option<String>,
    last: Option<Turn>,
    done: Option<Done>,
}

/// Somebody said that it is done.
#[derive(Clone, Copy)]
struct Done {
    number: usize,
    client: u64,
    acknowledged: Option<u64>,
}

/// Which position, who had it, the operations that handed it to that one, and again, and when that was.
struct Doubt {
    position: u64,
    client: u64,
    numbers: [usize; 2],
    again_at: u64,
}

/// The last time it was handed over.
struct Turn {
    number: usize,
    client: u64,
    at: u64,
    given_back: bool,
}

#[derive(Default)]
struct Key {
    positions: Vec<u64>,
    /// The highest of them that was acknowledged to be done, the operation, and when.
    furthest: Option<(u64, usize, u64)>,
    /// How many of them, from the first, are said to be done.
    done: usize,
}

impl<'a> Group<'a> {
    fn new(grouped: &Grouped, evidence: &Evidence<'a>, kills: &'a [Kill]) -> Self {
        let mut keys: HashMap<String, Key> = HashMap::new();
        let mut expected = HashMap::new();
        for event in evidence.log.matching(&grouped.filter, (grouped.after, evidence.log.head())) {
            let key = match &grouped.order {
                KeyOrder::None => None,
                KeyOrder::All => Some(String::new()),
                KeyOrder::By(field) => event.payload.get(field).map(ToString::to_string),
            };
            if let Some(key) = &key {
                keys.entry(key.clone()).or_default().positions.push(event.position);
            }
            expected.insert(event.position, Expected { event, key, last: None, done: None });
        }
        Self { lease_ns: grouped.lease_ns, kills, doubts: Vec::new(), expected, keys }
    }

    fn handed(&mut self, number: usize, operation: &Operation, handed: &Handed, report: &mut Report<'_>) {
        let (at, client) = (operation.invoked, operation.client);
        let known = self.expected.get_mut(&handed.position);
        let Some(event) = known.filter(|known| known.event.digest() == handed.event) else {
            let what = format!("no matching event {} stands at {}", handed.event.id, handed.position);
            report.add(Rule::Delivery, what, [number]);
            return;
        };
        let position = handed.position;
        if let Some(done) = event.done.filter(|done| done.acknowledged.is_some_and(|then| then < at)) {
            let what = format!("{position} was handed over when it was done");
            report.add(Rule::HandedTwice, what, [done.number, number]);
        } else if let Some(last) = &event.last {
            // Whoever had it may have died, or its process have stopped: then it comes when the lease has run out.
            let lease_is_over = at.saturating_sub(last.at) + SLACK_NS.min(self.lease_ns / 2) >= self.lease_ns;
            if !last.given_back && !lease_is_over {
                let what = format!("{position} was handed over while somebody else had it");
                report.add(Rule::HandedTwice, what, [last.number, number]);
            }
            let was_killed = || self.kills.iter().any(|kill| kill.is_of(last.client) && kill.at <= at);
            // It said that it was done, and nobody told it what came of that.
            let is_in_doubt = event.done.is_some_and(|done| done.client == last.client);
            if lease_is_over && !last.given_back && !is_in_doubt && !was_killed() {
                let numbers = [last.number, number];
                self.doubts.push(Doubt { position, client: last.client, numbers, again_at: at });
            }
        }
        event.last = Some(Turn { number, client, at, given_back: false });
        let key = event.key.as_ref().and_then(|key| self.keys.get(key));
        if let Some((later, done, then)) = key.and_then(|key| key.furthest)
            && later > position
            && then < at
        {
            let what = format!("{position} was handed over when {later} of its key was done");
            report.add(Rule::KeyOrder, what, [done, number]);
        }
        if let Some(key) = key
            && let Some(due) = key.positions[key.done..].iter().find(|due| **due < position)
        {
            let what = format!("{position} was handed over before {due} of its key was done");
            let before = self.expected.get(due).and_then(|due| due.last.as_ref()).map(|turn| turn.number);
            report.add(Rule::KeyOrder, what, before.into_iter().chain([number]));
        }
    }

    fn settled(
        &mut self,
        number: usize,
        (position, is_done): (u64, bool),
        operation: &Operation,
        report: &mut Report<'_>,
    ) {
        let acknowledged = operation.completed;
        let Some(event) = self.expected.get_mut(&position) else { return };
        let mut key = event.key.as_ref().and_then(|key| self.keys.get_mut(key));
        if !is_done {
            self.doubts.retain(|doubt| (doubt.position, doubt.client) != (position, operation.client));
            if let Some(last) = event.last.as_mut().filter(|last| last.client == operation.client) {
                last.given_back = true;
            }
            // What this one said to be done before was refused.
            let is_refused = |done: &mut Done| done.acknowledged.is_none() && done.client == operation.client;
            if event.done.take_if(is_refused).is_some()
                && let Some(key) = &mut key
                && key.done > 0
                && key.positions.get(key.done - 1) == Some(&position)
            {
                key.done -= 1;
            }
            return;
        }
        if let (Some(Done { number: before, acknowledged: Some(_), .. }), Some(_)) =
            (event.done, acknowledged)
        {
            let what = format!("{position} was acknowledged to be done twice");
            report.add(Rule::HandedTwice, what, [before, number]);
        }
        if let (Some(key), Some(then)) = (&mut key, acknowledged)
            && key.furthest.is_none_or(|(further, ..)| further < position)
        {
            key.furthest = Some((position, number, then));
        }
        if event.done.is_none_or(|before| before.acknowledged.is_none()) {
            event.done = Some(Done { number, client: operation.client, acknowledged });
        }
        if acknowledged.is_none() {
            // Nobody told this one what came of it.
            self.doubts.retain(|doubt| (doubt.position, doubt.client) != (position, operation.client));
        }
        if let Some(key) = key
            && key.positions.get(key.done) == Some(&position)
        {
            key.done += 1;
        }
    }

    fn drained(&mut self, number: usize, up_to: u64, report: &mut Report<'_>) {
        // Whoever had lost it may have died before it could be told, but not much later.
        let (kills, lease_ns) = (self.kills, self.lease_ns);
        let explains =
            |kill: &Kill, doubt: &Doubt| kill.is_of(doubt.client) && kill.at <= doubt.again_at + lease_ns;
        for doubt in self.doubts.drain(..).filter(|doubt| !kills.iter().any(|kill| explains(kill, doubt))) {
            let what = format!(
                "{} was handed over again, and whoever had it was neither killed nor refused",
                doubt.position
            );
            report.add(Rule::HandedTwice, what, doubt.numbers);
        }
        let mut left: Vec<u64> = self
            .expected
            .iter()
            .filter(|(position, event)| **position <= up_to && event.done.is_none())
            .map(|(position, _)| *position)
            .collect();
        left.sort_unstable();
        for position in left {
            let what = format!("a group had nothing left to do up to {up_to}, but {position} was never done");
            report.add(Rule::Delivery, what, [number]);
        }
    }
}
