//! One page: what is asked, and what came.

use serde::Deserialize;
use serde_json::Value;
use time::OffsetDateTime;
use tokio_postgres::Row;
use tokio_postgres::types::Json;
use uuid::Uuid;

use crate::consistency::Consistency;
use crate::event::{EventId, EventType, RecordedEvent};
use crate::filter::{CheckedFilter, CheckedItem};
use crate::position::Position;
use crate::sql::{Direction, Finder};
use crate::telemetry::Target;
use crate::token::Token;

/// Which events a page is made of.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// Those that match, found by keys; refused if a path has none.
    Keys(CheckedFilter),
    /// Those that match, found by reading all events.
    Scan(CheckedFilter),
    /// The one with this id.
    Id(EventId),
    /// None: only the head is wanted.
    Nothing,
}

impl Source {
    /// The events that match a filter, the cheap way.
    pub(crate) fn filter(filter: CheckedFilter) -> Self {
        if filter.is_all() { Self::Scan(filter) } else { Self::Keys(filter) }
    }
}

/// Bounds on time, inclusive.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Times {
    pub(crate) recorded_since: Option<OffsetDateTime>,
    pub(crate) recorded_until: Option<OffsetDateTime>,
    pub(crate) occurred_since: Option<OffsetDateTime>,
    pub(crate) occurred_until: Option<OffsetDateTime>,
}

impl Times {
    pub(super) fn are_none(&self) -> bool {
        let Self { recorded_since, recorded_until, occurred_since, occurred_until } = self;
        [recorded_since, recorded_until, occurred_since, occurred_until].iter().all(|bound| bound.is_none())
    }
}

/// What one page is to hold: at most `limit` events of (low, high].
#[derive(Debug, Clone)]
pub(crate) struct PageRequest {
    pub(crate) source: Source,
    pub(crate) low: Position,
    pub(crate) high: Option<Position>,
    pub(crate) times: Times,
    pub(crate) limit: usize,
    /// The page ends with the event that reaches so many bytes.
    pub(crate) max_bytes: usize,
    pub(crate) direction: Direction,
    /// Events that the log must have, or the answer is worth nothing.
    pub(crate) witnesses: Vec<Token>,
}

impl PageRequest {
    pub(crate) fn new(source: Source) -> Self {
        Self {
            source,
            low: Position::START,
            high: None,
            times: Times::default(),
            limit: 1,
            max_bytes: usize::MAX,
            direction: Direction::Forwards,
            witnesses: Vec::new(),
        }
    }

    /// The same, from a server that has the event of the token that the consistency names, if it names one.
    pub(super) fn at_least(&self, consistency: Consistency) -> Self {
        let mut request = self.clone();
        if let Consistency::AtLeast(token) = consistency {
            request.witnesses.extend(Some(token).filter(|token| !token.is_start()));
        }
        request
    }

    /// What finds the events, whatever the filter.
    pub(super) fn finder(&self) -> Finder {
        match &self.source {
            Source::Keys(filter) if filter.items().iter().all(CheckedItem::has_one_constraint) => {
                Finder::OnlyDriver
            }
            Source::Keys(_) => Finder::CheapestDriver,
            Source::Scan(_) | Source::Nothing => Finder::Scan,
            Source::Id(_) => Finder::Id,
        }
    }
}

/// One page, and the state of the log in its snapshot.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) events: Vec<RecordedEvent>,
    pub(crate) head: Token,
    /// The end of the range that was looked at: the last event at or below head, upper bound and bound on time.
    pub(crate) complete: Token,
    pub(super) standby: bool,
    /// The identity of the log.
    pub(super) log: Option<Uuid>,
    /// Whether more events would have matched than were read.
    pub(super) is_full: bool,
    /// Whether the statement found what there is: not all of them always do.
    pub(super) is_exact: bool,
    pub(super) missing_path: Option<String>,
    pub(super) witness_ids: Vec<Option<Uuid>>,
}

/// As an object, or as an array in this order.
#[derive(Deserialize)]
struct Header {
    high: i64,
    high_id: Option<Uuid>,
    standby: bool,
    log: Option<Uuid>,
    hits: usize,
    verified: Option<Vec<Option<Uuid>>>,
    missing: Option<String>,
    #[serde(default = "always")]
    is_exact: bool,
}

fn always() -> bool {
    true
}

/// Why rows are not a page.
#[derive(Debug)]
pub(crate) enum Undecodable {
    Column(tokio_postgres::Error),
    /// What the event there holds.
    Content(Position, tokio_postgres::Error),
    NoHeader,
    OutOfOrder(Position, Position),
}

impl From<tokio_postgres::Error> for Undecodable {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Column(error)
    }
}

impl Page {
    /// Which kind of server answered.
    pub(crate) fn target(&self) -> Target {
        if self.standby { Target::Replica } else { Target::Primary }
    }

    /// Whether more events would have matched than were read.
    pub(crate) fn is_full(&self) -> bool {
        self.is_full
    }

    /// Reading forwards: up to where the page has everything. Where more would have matched and none came, nothing is passed over.
    pub(crate) fn reached(&self) -> Token {
        if self.is_full {
            self.events.last().map_or(Token::START, RecordedEvent::token)
        } else {
            self.complete
        }
    }

    /// Removes events that do not match. False where others may have to take their place.
    pub(super) fn sort_out(&mut self, filter: &CheckedFilter) -> bool {
        let found = self.events.len();
        self.events.retain(|event| filter.matched_item(event.event_type.as_str(), &event.payload).is_some());
        self.events.len() == found || !self.is_full
    }

    pub(crate) fn decode(rows: &[Row], direction: Direction, limit: usize) -> Result<Self, Undecodable> {
        let mut header = None;
        let mut events: Vec<RecordedEvent> = Vec::with_capacity(rows.len().saturating_sub(1));
        for row in rows {
            let position = Position::from_sql(row.try_get(0)?);
            let Some(event_type) = row.try_get::<_, Option<&str>>(4)? else {
                let id = row.try_get::<_, Option<Uuid>>(1)?;
                header = Some((token(position, id), row.try_get::<_, Json<Header>>(5)?.0));
                continue;
            };
            if let Some(last) = events.last() {
                let ordered = match direction {
                    Direction::Forwards => last.position < position,
                    Direction::Backwards => last.position > position,
                };
                if !ordered {
                    return Err(Undecodable::OutOfOrder(last.position, position));
                }
            }
            let json = |column: usize| {
                row.try_get::<_, Value>(column).map_err(|error| Undecodable::Content(position, error))
            };
            events.push(RecordedEvent {
                position,
                id: EventId::from(row.try_get::<_, Uuid>(1)?),
                event_type: EventType::stored(event_type),
                occurred_at: row.try_get(3)?,
                recorded_at: row.try_get(2)?,
                payload: json(5)?,
                metadata: json(6)?,
            });
        }
        let (head, header) = header.ok_or(Undecodable::NoHeader)?;
        let is_full = header.hits >= limit || header.hits > events.len();
        // What stood at the bound was archived, and which event comes before it the statement did not look up.
        let ends_in_gap = header.high > 0 && header.high_id.is_none();
        Ok(Self {
            events,
            head,
            complete: token(Position::from_sql(header.high), header.high_id),
            standby: header.standby,
            log: header.log,
            is_full,
            is_exact: header.is_exact && !ends_in_gap,
            missing_path: header.missing,
            witness_ids: header.verified.unwrap_or_default(),
        })
    }
}

fn token(position: Position, id: Option<Uuid>) -> Token {
    id.map_or(Token::START, |id| Token::new(position, id.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(position: u64) -> RecordedEvent {
        RecordedEvent {
            position: Position::new(position),
            id: EventId::generate(),
            event_type: EventType::stored("T"),
            occurred_at: OffsetDateTime::UNIX_EPOCH,
            recorded_at: OffsetDateTime::UNIX_EPOCH,
            payload: Value::Null,
            metadata: Value::Null,
        }
    }

    #[test]
    fn a_page_passes_nothing_over_that_it_does_not_have() {
        let head = event(9).token();
        let page = |events, is_full| Page {
            events,
            head,
            complete: head,
            standby: false,
            log: None,
            is_full,
            is_exact: true,
            missing_path: None,
            witness_ids: Vec::new(),
        };
        assert_eq!(page(vec![event(3)], false).reached(), head);
        assert_eq!(page(vec![event(3)], true).reached().position(), Position::new(3));
        assert_eq!(page(vec![], false).reached(), head);
        assert_eq!(page(vec![], true).reached(), Token::START);
    }
}
