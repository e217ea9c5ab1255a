//! What clients do while faults happen: decide, append with and without conditions, read at every consistency; and now and
//! then they lose patience and drop what they wait for.

use std::sync::Arc;
use std::time::Duration;

use eventstore::{Consistency, Error, ErrorKind, EventStore, History as Found, NewEvent, Position, Token};
use rand::Rng as _;
use rand_chacha::ChaCha8Rng;
use serde_json::json;
use testutil::checker::{
    Action, Answer, Append, Condition, Digest, Filter, Outcome, Pending, Read, Recorder,
};
use tokio_util::sync::CancellationToken;

use crate::chaos::progress::Progress;
use crate::engine::{digest, in_words_of_the_store};
use crate::error::RunError;

/// What is asked for, so many that a long run does not read ever more.
pub(super) const PATHS: [&str; 2] = ["Account", "Bank"];
const ACCOUNTS: u32 = 2_000;
const BANKS: u32 = 500;
/// One acknowledged append of so many is sent again.
const AGAIN: u32 = 20;
/// One operation of so many is dropped before it ends, at some moment within its first milliseconds.
const DROPPED: u32 = 50;
const PATIENCE_US: u64 = 4_000;

pub(super) struct Worker {
    number: u64,
    store: EventStore,
    random: ChaCha8Rng,
    recorder: Arc<Recorder>,
    progress: Arc<Progress>,
    /// Of what this client wrote or read last.
    newest: Token,
    /// What it was before.
    older: Token,
}

impl Worker {
    pub(super) fn new(
        number: u64,
        store: EventStore,
        random: ChaCha8Rng,
        recorder: Arc<Recorder>,
        progress: Arc<Progress>,
    ) -> Self {
        Self { number, store, random, recorder, progress, newest: Token::START, older: Token::START }
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
                if let Some(history) = self.read(&filter, Asked::all(Consistency::Strong)).await? {
                    self.append(Some((filter, history.token()))).await?;
                }
            }
            5 => self.append(None).await?,
            6 => self.append(Some((filter, Token::START))).await?,
            7 => drop(self.read(&filter, Asked::all(Consistency::Eventual)).await?),
            8 => drop(self.read(&filter, Asked::all(Consistency::AtLeast(self.newest))).await?),
            _ => {
                let asked = self.asked();
                drop(self.read(&filter, asked).await?);
            }
        }
        Ok(())
    }

    /// A part of what matches.
    fn asked(&mut self) -> Asked {
        let consistency = [Consistency::Strong, Consistency::Eventual, Consistency::AtLeast(self.newest)];
        Asked {
            consistency: consistency[self.random.random_range(0..consistency.len())],
            after: if self.random.random() { self.older } else { Token::START },
            backwards: self.random.random(),
            limit: self.random.random::<bool>().then(|| self.random.random_range(1..5)),
        }
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
        let condition = condition.as_ref();
        let mut outcome = self.send(&events, &digests, condition).await?;
        // The same events again end the doubt; and where there is none, they change nothing.
        let again = self.random.random_ratio(1, AGAIN);
        if outcome == Outcome::Indeterminate || (again && matches!(outcome, Outcome::Accepted { .. })) {
            outcome = self.send(&events, &digests, condition).await?;
        }
        match outcome {
            Outcome::Accepted { .. } => self.progress.acknowledged(),
            Outcome::Failed | Outcome::Indeterminate => self.progress.refused(),
            Outcome::Conflict { .. } => {}
        }
        Ok(())
    }

    async fn send(
        &mut self,
        events: &[NewEvent],
        digests: &[Digest],
        condition: Option<&(Filter, Token)>,
    ) -> Result<Outcome, RunError> {
        let conditions = condition
            .iter()
            .map(|(filter, after)| Condition { filter: filter.clone(), after: after.position().get() });
        let (conditions, outcome) = (conditions.collect(), Outcome::Indeterminate);
        let action = Action::Append(Append { conditions, events: digests.to_vec(), outcome });
        let tokens: Vec<Token> = condition.iter().map(|(_, after)| *after).collect();
        let pending = self.begin(action, &tokens)?;
        let mut call = self.store.append(events.to_vec());
        if let Some((filter, after)) = condition {
            call = call.fail_if_matches(&in_words_of_the_store(filter)).after(*after);
        }
        let outcome = match call.await {
            Ok(receipt) => {
                self.saw(receipt.token());
                Outcome::Accepted { first: receipt.first_position().get() }
            }
            Err(error) => self.refused(&error, &tokens)?,
        };
        self.recorder.end(&pending, Answer::Append(outcome)).map_err(RunError::io("recording"))?;
        Ok(outcome)
    }

    async fn read(&mut self, filter: &Filter, asked: Asked) -> Result<Option<Found>, RunError> {
        let Asked { consistency, after, backwards, limit } = asked;
        let action = Action::Read(Read {
            filter: filter.clone(),
            after: after.position().get(),
            backwards,
            limit,
            at_least: match consistency {
                Consistency::AtLeast(token) => token.position().get(),
                _ => 0,
            },
            strong: consistency == Consistency::Strong,
            complete_to: 0,
            result: Vec::new(),
        });
        let tokens = match consistency {
            Consistency::AtLeast(token) => vec![after, token],
            _ => vec![after],
        };
        let pending = self.begin(action, &tokens)?;
        let mut call = self.store.query(&in_words_of_the_store(filter)).consistency(consistency).after(after);
        if backwards {
            call = call.backwards();
        }
        if let Some(limit) = limit {
            call = call.limit(usize::try_from(limit).unwrap_or(usize::MAX));
        }
        let history = match call.await {
            Ok(history) => history,
            Err(error) => return self.refused(&error, &tokens).map(|_| None),
        };
        let result = history.iter().map(|event| (event.position.get(), digest(event))).collect();
        self.saw(history.token());
        let answer = Answer::Read { complete_to: history.position().get(), result };
        self.recorder.end(&pending, answer).map_err(RunError::io("recording"))?;
        Ok(Some(history))
    }

    fn begin(&self, action: Action, tokens: &[Token]) -> Result<Pending, RunError> {
        let known = tokens.iter().filter(|token| **token != Token::START);
        let rests_on = known.map(|token| (token.position().get(), token.event_id().uuid())).collect();
        self.recorder.begin_on(self.number, action, rests_on).map_err(RunError::io("recording"))
    }

    /// What an error says of a call that rests on tokens; those that no fault explains end the run.
    fn refused(&mut self, error: &Error, tokens: &[Token]) -> Result<Outcome, RunError> {
        if let Some(conflict) = error.conflict() {
            return Ok(Outcome::Conflict { position: Some(conflict.position.get()) });
        }
        self.progress.told(error);
        match error.kind() {
            ErrorKind::Indeterminate => Ok(Outcome::Indeterminate),
            ErrorKind::Unavailable => Ok(Outcome::Failed),
            // That it was lost is checked; and what this client has seen is of another history, perhaps.
            ErrorKind::HistoryDiverged => {
                (self.older, self.newest) = (Token::START, Token::START);
                let furthest = tokens.iter().map(Token::position).max();
                let loss = Action::Loss { position: furthest.map_or(0, Position::get) };
                let pending = self.begin(loss, tokens)?;
                self.recorder.end(&pending, Answer::Done).map_err(RunError::io("recording"))?;
                Ok(Outcome::Failed)
            }
            kind => Err(RunError::new(format!("an error that no fault explains ({kind}): {error}"))),
        }
    }

    fn saw(&mut self, token: Token) {
        if token.position() > self.newest.position() {
            (self.older, self.newest) = (self.newest, token);
        }
    }
}

/// How a filter is asked for.
struct Asked {
    consistency: Consistency,
    after: Token,
    backwards: bool,
    limit: Option<u64>,
}

impl Asked {
    fn all(consistency: Consistency) -> Self {
        Self { consistency, after: Token::START, backwards: false, limit: None }
    }
}
