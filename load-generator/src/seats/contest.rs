//! The fight of the clients of one process.

use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::json;
use testutil::checker::{Filter, Recorder};
use tokio::task::JoinSet;

use crate::audit::Audited;
use crate::engine::{After, Append, Appended, Client, Condition, Draft, Engine, EngineError};
use crate::error::RunError;

const EVENT_TYPE: &str = "SeatTaken";
/// What is asked for.
pub(super) const PATHS: &[&str] = &["Seat"];
/// One attempt of so many reads first.
const READ_EVERY: u64 = 8;

/// What came of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tally {
    /// Conditional appends that were answered: taken or refused.
    pub(super) appends: u64,
    pub(super) taken: u64,
    pub(super) conflicts: u64,
    /// Seats that were left alone, as a read found them taken.
    pub(super) left: u64,
    pub(super) errors: u64,
}

impl Tally {
    pub(super) fn add(&mut self, other: Self) {
        self.appends += other.appends;
        self.taken += other.taken;
        self.conflicts += other.conflicts;
        self.left += other.left;
        self.errors += other.errors;
    }
}

/// Clients that are connected and wait for the start.
pub(super) struct Contest {
    seats: u64,
    clients: Vec<(u64, Box<dyn Client>)>,
}

impl Contest {
    pub(super) async fn prepare(
        engine: &dyn Engine,
        seats: u64,
        numbers: Range<u64>,
        recorder: Option<&Arc<Recorder>>,
    ) -> Result<Self, RunError> {
        let mut clients: Vec<(u64, Box<dyn Client>)> = Vec::new();
        for number in numbers {
            let client = engine.client().await?;
            clients.push(match recorder {
                Some(recorder) => (number, Box::new(Audited::new(client, number, recorder))),
                None => (number, client),
            });
        }
        Ok(Self { seats, clients })
    }

    /// Until every client has fought for every seat.
    pub(super) async fn fight(self) -> Result<Tally, RunError> {
        let mut fighting = JoinSet::new();
        for (number, mut client) in self.clients {
            fighting.spawn(async move {
                let mut tally = Tally::default();
                for seat in 1..=self.seats {
                    let reads_first = (seat + number).is_multiple_of(READ_EVERY);
                    match attempt(&mut *client, number, seat, reads_first).await {
                        Ok(Some(Appended::At(_))) => tally.taken += 1,
                        Ok(Some(Appended::Conflict(_))) => tally.conflicts += 1,
                        Ok(None) => tally.left += 1,
                        Err(error) => {
                            tracing::warn!(%error, client = number, seat, "attempt failed");
                            tally.errors += 1;
                        }
                    }
                }
                tally.appends = tally.taken + tally.conflicts;
                tally
            });
        }
        let mut total = Tally::default();
        while let Some(ended) = fighting.join_next().await {
            total.add(ended.map_err(RunError::task)?);
        }
        Ok(total)
    }
}

async fn attempt(
    client: &mut dyn Client,
    number: u64,
    seat: u64,
    reads_first: bool,
) -> Result<Option<Appended>, EngineError> {
    let filter = Filter::types([EVENT_TYPE]).and_all([("Seat", json!(seat))]);
    let mut after = After::default();
    if reads_first {
        let found = client.query(&filter).await?;
        if !found.events.is_empty() {
            return Ok(None);
        }
        after = found.after;
    }
    let events = vec![Draft::new(EVENT_TYPE, json!({"Seat": seat, "Client": number}))];
    client.append(Append { events, condition: Some(Condition { filter, after }) }).await.map(Some)
}
