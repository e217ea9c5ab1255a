//! Records what the clients of an engine ask and are told, and has it checked at the end.

use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use testutil::checker::{self, Action, Answer, Digest, Filter, Outcome, Read, Recorder};

use crate::engine::{Append, Appended, Client, Draft, EngineError, Found};

/// A client whose operations are recorded.
pub(crate) struct Audited {
    client: Box<dyn Client>,
    number: u64,
    recorder: Arc<Recorder>,
}

impl Audited {
    /// Clients have different numbers, over all processes.
    pub(crate) fn new(client: Box<dyn Client>, number: u64, recorder: &Arc<Recorder>) -> Self {
        Self { client, number, recorder: Arc::clone(recorder) }
    }
}

#[async_trait]
impl Client for Audited {
    async fn append(&mut self, append: Append) -> Result<Appended, EngineError> {
        let condition = |condition: &crate::engine::Condition| checker::Condition {
            filter: condition.filter.clone(),
            after: condition.after.position,
        };
        let action = Action::Append(checker::Append {
            conditions: append.condition.iter().map(condition).collect(),
            events: append.events.iter().map(digest).collect(),
            outcome: Outcome::Indeterminate,
        });
        let pending = self.recorder.begin(self.number, action).map_err(unrecorded)?;
        let result = self.client.append(append).await;
        let outcome = match &result {
            Ok(Appended::At(first)) => Outcome::Accepted { first: *first },
            Ok(Appended::Conflict(position)) => Outcome::Conflict { position: *position },
            Err(error) if error.is_unknown => Outcome::Indeterminate,
            Err(_) => Outcome::Failed,
        };
        self.recorder.end(&pending, Answer::Append(outcome)).map_err(unrecorded)?;
        result
    }

    async fn query(&mut self, filter: &Filter) -> Result<Found, EngineError> {
        let action = |is_strong| {
            Action::Read(Read {
                filter: filter.clone(),
                after: 0,
                backwards: false,
                limit: None,
                at_least: 0,
                strong: is_strong,
                complete_to: 0,
                result: Vec::new(),
            })
        };
        let pending =
            self.recorder.begin(self.number, action(self.client.reads_strongly())).map_err(unrecorded)?;
        let found = self.client.query(filter).await?;
        let answer = Answer::Read { complete_to: found.after.position, result: found.events.clone() };
        self.recorder.end(&pending, answer).map_err(unrecorded)?;
        Ok(found)
    }

    fn reads_strongly(&self) -> bool {
        self.client.reads_strongly()
    }
}

fn digest(draft: &Draft) -> Digest {
    Digest::new(draft.id, draft.event_type, &draft.payload, &draft.metadata)
}

fn unrecorded(error: io::Error) -> EngineError {
    EngineError::new(format!("the history can not be written: {error}"))
}
