//! What single operations were about.

use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::{Filter, Log};

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
