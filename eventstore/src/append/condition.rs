//! A condition on its way, and what reading before the append found out about it.
//!
//! The append function checks every condition under the log's lock, but passes over a limited number of events that
//! do not match: a hot key far back would hold up every append for as long as the search takes. A condition that
//! reaches the limit comes back undecided. It is then *settled*: searched by a read, which holds nothing up, so that
//! the next check under the lock begins where the read ended. What the read finds is never a verdict. Where events
//! come so fast that this is not enough, the limit grows each time.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::condition::CheckedCondition;
use crate::error::{Error, ErrorKind};
use crate::event::EventType;
use crate::filter::{CheckedFilter, CheckedItem, ProbeKey};
use crate::position::Position;
use crate::query::{PageRequest, Reader, Source};
use crate::sql::{JsonText, Recheck, sql_number};
use crate::token::Token;

/// How long after a failure the search is tried again.
const PAUSE: Duration = Duration::from_millis(50);

/// A checked condition, and how far it is settled.
#[derive(Debug)]
pub(crate) struct Condition {
    pub(crate) checked: CheckedCondition,
    /// Made here, in the caller's task: the writer has the work of all callers.
    pub(super) probes: Vec<Probe>,
    settled: Option<Settled>,
    /// How often it came back undecided.
    rounds: u32,
}

/// One key under which an event that matches would be found, and what is left to check of it.
#[derive(Debug)]
pub(super) struct Probe {
    /// Of which item of the filter.
    pub(super) item: i32,
    /// The key is that of a type …
    pub(super) event_type: Option<EventType>,
    /// … or of a value at a path; neither means any event.
    pub(super) path: Option<String>,
    pub(super) value: Option<JsonText<String>>,
    pub(super) recheck: Recheck,
}

/// No event between `after` and `up_to` matches, in a history that has the event `witness`.
#[derive(Debug, Clone, Copy)]
struct Settled {
    up_to: Position,
    witness: Token,
}

impl Probe {
    fn of(filter: &CheckedFilter) -> Vec<Self> {
        if let Some(all) = filter.items().iter().position(CheckedItem::is_all) {
            let (item, recheck) = (sql_number(all), Recheck::default());
            return vec![Self { item, event_type: None, path: None, value: None, recheck }];
        }
        let mut probes = Vec::new();
        for (nth, item) in filter.items().iter().enumerate() {
            for key in item.default_driver() {
                let (event_type, path, value) = match key {
                    ProbeKey::Type(event_type) => (Some(event_type.clone()), None, None),
                    ProbeKey::Value { predicate, .. } => (
                        None,
                        Some(predicate.path.canonical().to_owned()),
                        Some(JsonText(predicate.value.to_json())),
                    ),
                };
                let recheck = Recheck::new(item, Some(key));
                probes.push(Self { item: sql_number(nth), event_type, path, value, recheck });
            }
        }
        probes
    }
}

impl Condition {
    pub(crate) fn new(checked: CheckedCondition) -> Self {
        let probes = Probe::of(&checked.filter);
        Self { checked, probes, settled: None, rounds: 0 }
    }

    /// That the log has this event, and nothing else.
    pub(crate) fn of_history(token: Token) -> Self {
        Self::new(CheckedCondition { filter: CheckedFilter::nothing(), after: token })
    }

    #[cfg(test)]
    pub(super) fn undecided(checked: CheckedCondition, rounds: u32) -> Self {
        Self { rounds, ..Self::new(checked) }
    }

    /// Where the check under the lock begins (exclusive).
    pub(super) fn since(&self) -> Position {
        let after = self.checked.after.position();
        self.settled.map_or(after, |settled| settled.up_to.max(after))
    }

    /// How often it came back undecided.
    pub(super) fn rounds(&self) -> u32 {
        self.rounds
    }

    /// The events that the log must have: that of `after`, and the one that a reading rests on.
    pub(super) fn witnesses(&self) -> impl Iterator<Item = Token> {
        let after = Some(self.checked.after).filter(|token| !token.is_start());
        let witness = self.settled.map(|settled| settled.witness);
        after.into_iter().chain(witness.filter(|witness| witness.position() > self.checked.after.position()))
    }

    /// Reads on from where the condition is settled.
    pub(super) async fn settle(&mut self, reader: &Reader, deadline: Instant) -> Result<(), Error> {
        self.rounds += 1;
        let filter = &self.checked.filter;
        if filter.is_all() || filter.items().iter().all(CheckedItem::has_one_constraint) {
            return Ok(()); // only hash collisions are passed over: the limit grows
        }
        let request = PageRequest {
            low: self.since(),
            limit: 1,
            witnesses: self.witnesses().collect(),
            ..PageRequest::new(Source::filter(filter.clone()))
        };
        let page = loop {
            match reader.primary_page(&request, deadline).await {
                // A failover came between: begin again. If it is `after` that was lost, the append will say so.
                Err(error) if error.kind() == ErrorKind::HistoryDiverged => {
                    self.settled = None;
                    sleep(PAUSE).await;
                    return Ok(());
                }
                // As an append outlasts a restart of the server, so does this part of it.
                Err(error)
                    if error.kind() == ErrorKind::Unavailable
                        && !error.is_timeout()
                        && Instant::now() + PAUSE < deadline =>
                {
                    sleep(PAUSE).await;
                }
                page => break page?,
            }
        };
        self.settled = match page.events.first() {
            // The check under the lock will find it too.
            Some(event) => {
                Some(Settled { up_to: Position::new(event.position.get() - 1), witness: event.token() })
            }
            None if page.complete.is_start() => None,
            None => Some(Settled { up_to: page.complete.position(), witness: page.complete }),
        };
        Ok(())
    }
}
