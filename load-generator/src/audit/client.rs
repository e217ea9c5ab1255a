//! A client whose operations are recorded.

use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use testutil::checker::{self, Action, Answer, Digest, Filter, Outcome, Pending, Read, Recorder};

use crate::engine::{Append, Appended, Client, Draft, EngineError, Found, Part, View, Viewed};

/// How many events of a state are read with it.
const OF_STATE: u64 = 20;

/// Passes on what is asked, and notes it before and after.
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

    fn begin_read(&self, filter: &Filter, part: Part, strong: bool) -> Result<Pending, EngineError> {
        let read = Read {
            filter: filter.clone(),
            after: part.after.position,
            backwards: part.newest_first,
            limit: part.limit,
            at_least: 0,
            strong,
            complete_to: 0,
            result: Vec::new(),
        };
        self.recorder.begin(self.number, Action::Read(read)).map_err(unrecorded)
    }

    fn end_read(&self, pending: &Pending, found: Found) -> Result<Found, EngineError> {
        let result = found.events.iter().map(|event| (event.position, event.digest())).collect();
        let answer = Answer::Read { complete_to: found.after.position, result };
        self.recorder.end(pending, answer).map_err(unrecorded)?;
        Ok(found)
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

    async fn query_part(&mut self, filter: &Filter, part: Part) -> Result<Found, EngineError> {
        let pending = self.begin_read(filter, part, self.client.reads_strongly())?;
        let found = self.client.query_part(filter, part).await?;
        self.end_read(&pending, found)
    }

    async fn query_eventually(&mut self, filter: &Filter, part: Part) -> Result<Found, EngineError> {
        let pending = self.begin_read(filter, part, false)?;
        let found = self.client.query_eventually(filter, part).await?;
        self.end_read(&pending, found)
    }

    /// A history has events and no states. So the newest events of the state are read from where it came from, and
    /// recorded.
    async fn fold_eventually(&mut self, view: &View) -> Result<Viewed, EngineError> {
        let newest = Part { newest_first: true, limit: Some(OF_STATE), ..Part::default() };
        self.query_eventually(&view.filter, newest).await?;
        self.client.fold_eventually(view).await
    }

    fn knows_ids(&self) -> bool {
        self.client.knows_ids()
    }

    fn retries(&self) -> u64 {
        self.client.retries()
    }

    fn is_closed(&self) -> bool {
        self.client.is_closed()
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
