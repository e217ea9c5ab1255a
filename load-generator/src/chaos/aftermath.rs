//! What is left, to be audited: not read through the store, whose reading is part of what is checked.

use testutil::checker::{Action, Answer, Filter, LogEvent, Read, Recorder};

use crate::chaos::SCHEMA;
use crate::engine::{self, EngineError};
use crate::error::RunError;

/// The log as a server's tables have it.
pub(super) async fn log(server: &str) -> Result<Vec<LogEvent>, RunError> {
    let session = testutil::connect(server).await.map_err(EngineError::from)?;
    let mut events = Vec::new();
    engine::in_form_of_the_store(&session, SCHEMA, &mut |event| events.push(event)).await?;
    Ok(events)
}

/// What a replica has when it has come to the end: the same, as one more read.
pub(super) async fn read_replica(recorder: &Recorder, primary: &str, replica: &str) -> Result<(), RunError> {
    let read = Read {
        filter: Filter::all(),
        after: 0,
        backwards: false,
        limit: None,
        at_least: 0,
        strong: true,
        complete_to: 0,
        result: Vec::new(),
    };
    let pending = recorder.begin(0, Action::Read(read)).map_err(RunError::io("recording"))?;
    testutil::replayed(primary, replica).await.map_err(EngineError::from)?;
    let events = log(replica).await?;
    let complete_to = events.iter().map(|event| event.position).max().unwrap_or(0);
    let mut result: Vec<_> = events.iter().map(|event| (event.position, event.digest())).collect();
    result.sort_by_key(|(position, _)| *position);
    recorder.end(&pending, Answer::Read { complete_to, result }).map_err(RunError::io("recording"))
}
