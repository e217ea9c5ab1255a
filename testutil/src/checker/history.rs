//! What clients asked, and what they were told.

use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::{Filter, Log};

/// The operations of a run, of all clients and processes, in any order.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// The deliveries of a subscription are in the order in which it made them.
    pub operations: Vec<Operation>,
}

/// One operation of a client.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    /// Whose it was: one client has one operation under way at a time.
    pub client: u64,
    /// When it began, in nanoseconds of a clock that all recorders share.
    pub invoked: u64,
    /// When its answer was there; none if it never came to that.
    pub completed: Option<u64>,
    /// What it was.
    pub action: Action,
    /// Events that it named as known to be there, by position and id: where they are not, it must be refused.
    #[serde(default)]
    pub rests_on: Vec<(u64, Uuid)>,
}

/// What a client did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Action {
    /// Events were to be written.
    Append(Append),
    /// Events were read.
    Read(Read),
    /// A subscription began, or began again: what comes next is what stands after the last position that it was told is
    /// done with.
    Subscribed {
        /// Which subscription, or consumer of a group.
        subscription: String,
        /// What it is subscribed to, each time the same.
        filter: Filter,
        /// Only higher positions are handed over.
        after: u64,
    },
    /// A subscription handed an event over.
    Delivery(Delivery),
    /// A subscription said that it has handed over all that matches up to a position.
    CaughtUp {
        /// Which subscription.
        subscription: String,
        /// Up to where.
        position: u64,
    },
    /// A consumer group begins.
    Grouped(Grouped),
    /// A worker of a group was handed an event.
    Handed(Handed),
    /// A worker said what came of an event; acknowledged when this was completed. What it did not say, it may have died of.
    Settled {
        /// Of which group.
        group: String,
        /// Where the event stands.
        position: u64,
        /// Whether it is done, or given back.
        is_done: bool,
    },
    /// A group has nothing left to do.
    Drained {
        /// Which group.
        group: String,
        /// Up to where.
        position: u64,
    },
    /// Another server became the primary: it was promoted when this was completed. Whoever runs the servers says so.
    Failover {
        /// The last position that it had. What stood above is lost.
        kept: u64,
    },
    /// The store said that what stood at this position is lost.
    Loss {
        /// Which position.
        position: u64,
    },
}

/// What a client was told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Answer {
    /// How an append ended.
    Append(Outcome),
    /// What was read.
    Read {
        /// Up to where it is complete.
        complete_to: u64,
        /// Positions and events, in their order.
        result: Vec<(u64, Digest)>,
    },
    /// The operation has no other answer than its end.
    Done,
}

impl Operation {
    /// One that names no events as known: whose it was, when it began and ended, and what it was.
    #[must_use]
    pub fn new(client: u64, (invoked, completed): (u64, Option<u64>), action: Action) -> Self {
        Self { client, invoked, completed, action, rests_on: Vec::new() }
    }

    /// Whether it was carried out, as its answer says: a refusal, or nothing, is no answer to rest on.
    pub(super) fn is_served(&self) -> bool {
        let is_refused = matches!(&self.action, Action::Append(append) if !matches!(append.outcome, Outcome::Accepted { .. }));
        self.completed.is_some() && !is_refused
    }
}

impl Action {
    /// Puts an answer to its question.
    pub(super) fn answer(&mut self, answer: Answer) {
        match (self, answer) {
            (Self::Append(append), Answer::Append(outcome)) => append.outcome = outcome,
            (Self::Read(read), Answer::Read { complete_to, result }) => {
                (read.complete_to, read.result) = (complete_to, result);
            }
            _ => {}
        }
    }
}

/// Events that were to be written, all or none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Append {
    /// All must hold.
    pub conditions: Vec<Condition>,
    /// In their order.
    pub events: Vec<Digest>,
    /// What the client was told.
    pub outcome: Outcome,
}

/// No event matches since a position.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Condition {
    /// What must not be there.
    pub filter: Filter,
    /// Only higher positions count; 0 for all.
    pub after: u64,
}

/// What is kept of an event to know it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest {
    /// Unique in its log.
    pub id: Uuid,
    /// Its type.
    pub event_type: String,
    /// A hash of payload and metadata.
    pub content: u64,
}

impl Digest {
    /// Of an event.
    #[must_use]
    pub fn new(id: Uuid, event_type: &str, payload: &Value, metadata: &Value) -> Self {
        let mut hasher = DefaultHasher::new();
        // Objects are sorted: equal values have equal texts.
        payload.to_string().hash(&mut hasher);
        metadata.to_string().hash(&mut hasher);
        Self { id, event_type: event_type.to_owned(), content: hasher.finish() }
    }
}

/// How an append ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// Acknowledged: its events stand from this position.
    Accepted {
        /// Of its first event.
        first: u64,
    },
    /// Refused for an event that matches a condition.
    Conflict {
        /// Where that event stands, if the store said so.
        position: Option<u64>,
    },
    /// Nothing was written, it was said.
    Failed,
    /// It may be written or not. Also of an operation that has no answer.
    Indeterminate,
}

/// Events that were read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Read {
    /// What was asked for.
    pub filter: Filter,
    /// Only higher positions.
    pub after: u64,
    /// Whether the newest come first.
    pub backwards: bool,
    /// How many at most.
    pub limit: Option<u64>,
    /// What it must have seen at least: the position of a token, 0 for none.
    pub at_least: u64,
    /// Whether it must have seen whatever was acknowledged before it began.
    pub strong: bool,
    /// Up to where the result is complete, as the store said.
    pub complete_to: u64,
    /// Positions and events, in the order of the result.
    pub result: Vec<(u64, Digest)>,
}

/// An event that a subscription handed over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Delivery {
    /// Which subscription, or consumer of a group.
    pub subscription: String,
    /// Where the event stands.
    pub position: u64,
    /// The event.
    pub event: Digest,
}

/// A group, and what it promises.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Grouped {
    /// Its name.
    pub group: String,
    /// What it shares.
    pub filter: Filter,
    /// Between which events order is kept.
    pub order: KeyOrder,
    /// Only higher positions are handed over.
    pub after: u64,
    /// How long a lease lasts without a sign of life, in nanoseconds.
    pub lease_ns: u64,
}

/// Between which events a group keeps order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyOrder {
    /// None.
    None,
    /// Those with the same value of this field.
    By(String),
    /// All.
    All,
}

/// An event that a worker of a group was handed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Handed {
    /// Of which group.
    pub group: String,
    /// Where the event stands.
    pub position: u64,
    /// The event.
    pub event: Digest,
}

impl Append {
    /// Whether it was acknowledged, and its first event stands where it was.
    pub(super) fn outcome_stands(&self, log: &Log) -> bool {
        let Outcome::Accepted { first } = self.outcome else { return false };
        let own = self.events.first().map(|event| event.id);
        log.at(first).map(|found| found.id) == own
    }

    /// The position of its last event, if it was acknowledged.
    pub(super) fn acknowledged_up_to(&self) -> Option<u64> {
        match self.outcome {
            Outcome::Accepted { first } => Some(first + (self.events.len() as u64).saturating_sub(1)),
            Outcome::Conflict { .. } | Outcome::Failed | Outcome::Indeterminate => None,
        }
    }
}

impl History {
    /// Adds an append that was answered: its client, when it began and ended, and what it was.
    pub fn append(&mut self, client: u64, (invoked, completed): (u64, u64), append: Append) {
        let action = Action::Append(append);
        self.operations.push(Operation::new(client, (invoked, Some(completed)), action));
    }

    /// The appends, each with its number among the operations.
    pub(super) fn appends(&self) -> impl Iterator<Item = (usize, &Operation, &Append)> {
        self.operations.iter().enumerate().filter_map(|(number, operation)| match &operation.action {
            Action::Append(append) => Some((number, operation, append)),
            _ => None,
        })
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Append(append) => append.fmt(f),
            Self::Read(read) => {
                let order = if read.backwards { " backwards" } else { "" };
                let limit = read.limit.map_or_else(String::new, |limit| format!(", {limit} at most"));
                let positions: Vec<String> =
                    read.result.iter().map(|(position, _)| position.to_string()).collect();
                write!(
                    f,
                    "read {} after {}{limit}{order}: {} events [",
                    read.filter,
                    read.after,
                    positions.len()
                )?;
                match positions.as_slice() {
                    [first @ .., last] if positions.len() > 12 => {
                        write!(f, "{} … {last}", first[..10].join(" "))?;
                    }
                    few => f.write_str(&few.join(" "))?,
                }
                write!(f, "], complete to {}", read.complete_to)
            }
            Self::Subscribed { subscription, filter, after } => {
                write!(f, "{subscription} began with {filter} after {after}")
            }
            Self::Delivery(delivery) => {
                write!(f, "{} was given position {}", delivery.subscription, delivery.position)
            }
            Self::CaughtUp { subscription, position } => {
                write!(f, "{subscription} had handed over everything up to {position}")
            }
            Self::Grouped(Grouped { group, filter, after, .. }) => {
                write!(f, "{group} shares {filter} after {after}")
            }
            Self::Handed(handed) => write!(f, "{} handed over position {}", handed.group, handed.position),
            Self::Settled { group, position, is_done } => {
                write!(
                    f,
                    "{group} was told that position {position} is {}",
                    if *is_done { "done" } else { "given back" }
                )
            }
            Self::Drained { group, position } => write!(f, "{group} had nothing left to do up to {position}"),
            Self::Failover { kept } => write!(f, "failover to a server that had {kept} positions"),
            Self::Loss { position } => write!(f, "told that position {position} is lost"),
        }
    }
}

impl fmt::Display for Append {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let types: Vec<&str> = self.events.iter().map(|event| event.event_type.as_str()).collect();
        write!(f, "append {}", types.join(", "))?;
        if let Some(event) = self.events.first() {
            write!(f, " ({})", event.id)?;
        }
        for condition in &self.conditions {
            write!(f, " unless {} after {}", condition.filter, condition.after)?;
        }
        match self.outcome {
            Outcome::Accepted { first } => write!(f, ": accepted at {first}"),
            Outcome::Conflict { position: Some(position) } => write!(f, ": conflict with {position}"),
            Outcome::Conflict { position: None } => f.write_str(": conflict"),
            Outcome::Failed => f.write_str(": failed, nothing written"),
            Outcome::Indeterminate => f.write_str(": outcome unknown"),
        }
    }
}
