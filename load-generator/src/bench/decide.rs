//! `bench decide`: a query of what concerns a book or a reader, then an append on the condition that there is nothing new.

use async_trait::async_trait;
use serde_json::json;

use crate::bench::Stage;
use crate::bench::closed_loop::{self, Operation};
use crate::bench::lending::{Lending, of_either};
use crate::bench::rounds::Case;
use crate::engine::{Append, Appended, Books, Client, Condition, Draft, EVENT_TYPE, EngineError, EngineName};
use crate::error::RunError;

pub(super) async fn cases(stage: &Stage) -> Result<(Vec<Case>, Vec<String>), RunError> {
    let engines = stage.filled(&[EngineName::Eventstore, EngineName::Cte], Books::of_ancestor()).await?;
    let lends = |number| Lends(Lending::new(Books::of_ancestor(), number));
    Ok((closed_loop::cases(stage.clients(&[50]), &engines, lends), Vec::new()))
}

/// Lends books of the log to readers of the log. What meets another decision does not count.
struct Lends(Lending);

#[async_trait]
impl Operation for Lends {
    async fn once(&mut self, client: &mut dyn Client) -> Result<bool, EngineError> {
        let (book, reader) = (self.0.book(), self.0.reader());
        let filter = of_either(&book, &reader);
        let found = client.query(&filter).await?;
        let payload =
            json!({"BookID": book, "ReaderID": reader, "OccurredAt": "2026-11-21T10:00:00.123456789Z"});
        let events = vec![Draft::new(EVENT_TYPE, payload)];
        let condition = Some(Condition { filter, after: found.after });
        Ok(matches!(client.append(Append { events, condition }).await?, Appended::At(_)))
    }
}
