//! What clients do while faults happen: decide, append with and without conditions, read at every consistency; and now and
//! then they lose patience and drop what they wait for.

use std::sync::Arc;
use std::time::Duration;

use eventstore::{Consistency, Error, ErrorKind, EventStore, History as Found, NewEvent, Token};
use rand::Rng as _;
use rand_chacha::ChaCha8Rng;
use serde_json::json;
use testutil::checker::{Action, Answer, Append, Condition, Digest, Filter, Outcome, Read, Recorder};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::engine::in_words_of_the_store;
use crate::error::RunError;

/// What is asked for, so many that a long run does not read ever more.
pub(super) const PATHS: [&str; 2] = ["Account", "Bank"];
const ACCOUNTS: u32 = 2_000;
const BANKS: u32 = 500;
/// One operation of so many is dropped before it ends, at some moment within its first milliseconds.
const DROPPED: u32 = 50;
const PATIENCE_US: u64 = 4_000;

pub(super) struct Worker {
    number: u64,
    store: EventStore,
    random: ChaCha8Rng,
    recorder: Arc<Recorder>,
    acknowledged: watch::Sender<u64>,
    refused: watch::Sender<u64>,
    /// Of what this client wrote or read last.
    newest: Token,
}

impl Worker {
    pub(super) fn new(
        number: u64,
        store: EventStore,
        random: ChaCha8Rng,
        recorder: Arc<Recorder>,
        (acknowledged, refused): (watch::Sender<u64>, watch::Sender<u64>),
    ) -> Self {
        Self { number, store, random, recorder, acknowledged, refused, newest: Token::START }
    }

    /// One operation after the other, until it is told to stop.
    pub(super) async fn run(mut self, stop: CancellationToken) -> Result<(), RunError> {
        while !stop.is_cancelled() {
            if self.random.random_ratio(1, DROPPED) {
                let patience = Duration::from_micros(self.random.random_range(0..PATIENCE_US));
                match tokio::time::timeout(patience, self.operation()).await {
                    Ok(result) => result?,
                    Err(_) => tracing::debug!(client = self.number, "an operation was dropped"),
                }
            } else {
                self.operation().await?;
            }
        }
        Ok(())
    }

    async fn operation(&mut self) -> Result<(), RunError> {
        let filter = self.filter();
        match self.random.random_range(0..10) {
            0..5 => {
                if let Some(history) = self.read(&filter, Consistency::Strong).await? {
                    self.append(Some((filter, history.token()))).await?;
                }
            }
            5 => self.append(None).await?,
            6 => self.append(Some((filter, Token::START))).await?,
            7 => drop(self.read(&filter, Consistency::Eventual).await?),
            _ => drop(self.read(&filter, Consistency::AtLeast(self.newest)).await?),
        }
        Ok(())
    }

    /// Of one account, or of either an account or a bank.
    fn filter(&mut self) -> Filter {
        let account = json!(self.random.random_range(0..ACCOUNTS));
        let bank = json!(format!("bank {}", self.random.random_range(0..BANKS)));
        match self.random.random_range(0..4) {
            0 => Filter::types(["Opened", "Closed"]).and_any([("Account", account), ("Bank", bank)]),
            1 => Filter::of([("Account", account), ("Bank", bank)]),
            _ => Filter::types(["Opened"]).and_all([("Account", account)]),
        }
    }

    async fn append(&mut self, condition: Option<(Filter, Token)>) -> Result<(), RunError> {
        let mut events = Vec::new();
        let mut digests = Vec::new();
        for _ in 0..self.random.random_range(1..=3) {
            let event_type = if self.random.random() { "Opened" } else { "Closed" };
            let bank = format!("bank {}", self.random.random_range(0..BANKS));
            let payload = json!({"Account": self.random.random_range(0..ACCOUNTS), "Bank": bank});
            let event = NewEvent::new(event_type, payload.clone());
            digests.push(Digest::new(event.event_id().uuid(), event_type, &payload, &json!({})));
            events.push(event);
        }
        let conditions = condition
            .iter()
            .map(|(filter, after)| Condition { filter: filter.clone(), after: after.position().get() });
        let outcome = Outcome::Indeterminate;
        let action = Action::Append(Append { conditions: conditions.collect(), events: digests, outcome });
        let under = self.recorder.begin(self.number, action).map_err(RunError::io("recording"))?;
        let mut call = self.store.append(events);
        if let Some((filter, after)) = &condition {
            call = call.fail_if_matches(&in_words_of_the_store(filter)).after(*after);
        }
        let outcome = match call.await {
            Ok(receipt) => {
                self.newest = receipt.token();
                Outcome::Accepted { first: receipt.first_position().get() }
            }
            Err(error) => refused(&error)?,
        };
        self.recorder.end(&under, Answer::Append(outcome)).map_err(RunError::io("recording"))?;
        match outcome {
            Outcome::Accepted { .. } => self.acknowledged.send_modify(|count| *count += 1),
            Outcome::Failed | Outcome::Indeterminate => self.refused.send_modify(|count| *count += 1),
            Outcome::Conflict { .. } => {}
        }
        Ok(())
    }

    async fn read(&mut self, filter: &Filter, consistency: Consistency) -> Result<Option<Found>, RunError> {
        let action = Action::Read(Read {
            filter: filter.clone(),
            after: 0,
            backwards: false,
            limit: None,
            at_least: match consistency {
                Consistency::AtLeast(token) => token.position().get(),
                _ => 0,
            },
            strong: consistency == Consistency::Strong,
            complete_to: 0,
            result: Vec::new(),
        });
        let under = self.recorder.begin(self.number, action).map_err(RunError::io("recording"))?;
        let history = match self.store.query(&in_words_of_the_store(filter)).consistency(consistency).await {
            Ok(history) => history,
            Err(error) => return refused(&error).map(|_| None),
        };
        let result = history.iter().map(|event| (event.position.get(), event.id.uuid())).collect();
        if history.position() > self.newest.position() {
            self.newest = history.token();
        }
        let answer = Answer::Read { complete_to: history.position().get(), result };
        self.recorder.end(&under, answer).map_err(RunError::io("recording"))?;
        Ok(Some(history))
    }
}

/// What an error says; those that no fault explains end the run.
fn refused(error: &Error) -> Result<Outcome, RunError> {
    match error.kind() {
        ErrorKind::Conflict => {
            Ok(Outcome::Conflict { position: error.conflict().map(|found| found.position.get()) })
        }
        ErrorKind::Indeterminate => Ok(Outcome::Indeterminate),
        ErrorKind::Unavailable => Ok(Outcome::Failed),
        kind => Err(RunError::new(format!("an error that no fault explains ({kind}): {error}"))),
    }
}
