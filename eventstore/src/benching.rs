//! Entrances for `cargo bench`, with the feature `benches` only. No promise of anything.

use std::collections::VecDeque;

use serde_json::Value;
use tokio::time::Instant;
use tokio_postgres::Row;

use crate::append::{Batch, Condition, Request, Ticket};
use crate::condition::AppendCondition;
use crate::error::Error;
use crate::event::{NewEvent, check_events};
use crate::filter::{CheckedFilter, Filter};
use crate::query::Page;
use crate::settings::Settings;
use crate::sql::Direction;

/// A filter that is checked already, as conditions inside a batch have it.
#[derive(Debug)]
pub struct Matcher(CheckedFilter);

impl Matcher {
    /// # Errors
    /// If the filter is not valid.
    pub fn new(filter: &Filter) -> Result<Self, Error> {
        filter.check().map(Self)
    }

    /// Whether an event of this type and payload matches.
    #[must_use]
    pub fn matches(&self, event_type: &str, payload: &Value) -> bool {
        self.0.matched_item(event_type, payload).is_some()
    }
}

/// Appends that wait for the writer.
#[derive(Debug, Default)]
pub struct Waiting {
    requests: VecDeque<Request>,
    tickets: Vec<Ticket>,
    settings: Settings,
}

impl Waiting {
    /// Adds one event, on the condition that none matches the filter.
    ///
    /// # Errors
    /// If event or filter are not valid.
    pub fn push(&mut self, event: NewEvent, filter: &Filter) -> Result<(), Error> {
        let condition = Condition::new(AppendCondition::fail_if_matches(filter).check()?);
        let events = check_events([event], &self.settings)?;
        let (request, ticket) = Request::new(events, vec![condition], Instant::now());
        self.requests.push_back(request);
        self.tickets.push(ticket);
        Ok(())
    }

    /// Makes a batch of those that can go together.
    #[must_use]
    pub fn batch(mut self) -> Made {
        let batch = Batch::take(&mut self.requests, &self.settings);
        Made { batch, _left: self }
    }
}

/// A batch, with what it was made of: dropping it is not what is measured.
#[derive(Debug)]
pub struct Made {
    batch: Batch,
    _left: Waiting,
}

impl Made {
    /// How many requests it has.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.batch.requests.len()
    }

    /// How many pairs of them could refuse each other.
    #[must_use]
    pub fn pairs(&self) -> usize {
        self.batch.pairs.len()
    }
}

/// Decodes the rows of a page; how many events there are.
///
/// # Errors
/// If they are none.
pub fn decode_page(rows: &[Row]) -> Result<usize, Error> {
    let page = Page::decode(rows, Direction::Forwards, rows.len());
    page.map(|page| page.events.len()).map_err(|why| Error::internal(format!("{why:?}")))
}
