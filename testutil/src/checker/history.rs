//! What clients asked, and what they were told.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Filter;
use super::actions::{Append, Delivery, Digest, Grouped, Handed, Outcome, Read};

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
    /// Clients were killed, with whatever they had in hand: not before this began, and not after it was completed.
    Killed {
        /// The lowest of their numbers.
        first: u64,
        /// The highest of them.
        last: u64,
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
            Self::Killed { first, last } => write!(f, "clients {first} to {last} were killed"),
            Self::Failover { kept } => write!(f, "failover to a server that had {kept} positions"),
            Self::Loss { position } => write!(f, "told that position {position} is lost"),
        }
    }
}
