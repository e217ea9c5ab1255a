//! One page: what is asked, and what came.

use serde::Deserialize;
use serde_json::Value;
use time::OffsetDateTime;
use tokio_postgres::Row;
use tokio_postgres::types::{Json, Type};
use uuid::Uuid;

use crate::event::{EventId, EventType, RecordedEvent};
use crate::filter::{CheckedFilter, CheckedItem};
use crate::pool::Param;
use crate::position::Position;
use crate::sql::{Direction, Finder, JsonText, Recheck, key_columns, sql_number};
use crate::telemetry::Target;
use crate::token::Token;

/// Each key that is walked may bring a page of whole events, which are sorted together: with more keys than this, positions
/// are sorted first.
const MOST_DIRECT_PROBES: usize = 8;

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
    fn are_none(&self) -> bool {
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

    /// The quickest statement that may do.
    pub(super) fn finder(&self) -> Finder {
        match &self.source {
            Source::Keys(filter)
                if self.times.are_none()
                    && filter.probes() <= MOST_DIRECT_PROBES
                    && filter.items().iter().all(CheckedItem::has_one_driver) =>
            {
                Finder::Direct
            }
            _ => self.thorough_finder(),
        }
    }

    /// The statement that leaves nothing to do.
    pub(super) fn thorough_finder(&self) -> Finder {
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

/// The arguments of a page's statement, in the order of its parameters.
#[derive(Debug)]
pub(super) struct PageArguments<'a> {
    low: i64,
    high: Option<i64>,
    limit: i64,
    max_bytes: i64,
    times: Times,
    witnesses: Vec<i64>,
    paths: Vec<&'a str>,
    top_level: Vec<bool>,
    items: Vec<i32>,
    drivers: Vec<i32>,
    probe_types: Vec<Option<&'a str>>,
    probe_paths: Vec<Option<&'a str>>,
    probe_values: Vec<Option<JsonText<String>>>,
    types: Vec<Option<JsonText<String>>>,
    predicates: Vec<Option<String>>,
    everything: bool,
    id: Option<Uuid>,
    finder: Finder,
}

impl<'a> PageArguments<'a> {
    pub(super) fn new(request: &'a PageRequest, finder: Finder) -> Self {
        let mut arguments = Self {
            low: request.low.to_sql(),
            high: request.high.map(Position::to_sql).or((finder == Finder::Direct).then_some(i64::MAX)),
            limit: i64::try_from(request.limit).unwrap_or(i64::MAX),
            max_bytes: i64::try_from(request.max_bytes).unwrap_or(i64::MAX),
            times: request.times,
            witnesses: request.witnesses.iter().map(|token| token.position().to_sql()).collect(),
            paths: Vec::new(),
            top_level: Vec::new(),
            items: Vec::new(),
            drivers: Vec::new(),
            probe_types: Vec::new(),
            probe_paths: Vec::new(),
            probe_values: Vec::new(),
            types: Vec::new(),
            predicates: Vec::new(),
            everything: false,
            id: None,
            finder,
        };
        match &request.source {
            Source::Keys(filter) => {
                for path in filter.paths() {
                    arguments.paths.push(path.canonical());
                    arguments.top_level.push(path.is_top_level());
                }
                match finder {
                    Finder::Direct => arguments.add_direct_probes(filter),
                    _ => arguments.add_probes(filter),
                }
            }
            Source::Scan(filter) => {
                arguments.everything = filter.is_all();
                arguments.add_items(filter);
            }
            Source::Id(id) => arguments.id = Some(id.uuid()),
            Source::Nothing => {
                arguments.everything = true;
                arguments.limit = 0;
            }
        }
        arguments
    }

    fn add_items(&mut self, filter: &CheckedFilter) {
        for item in filter.items() {
            self.add_recheck(Recheck::new(item, None));
        }
    }

    fn add_probes(&mut self, filter: &'a CheckedFilter) {
        for (item, checked) in filter.items().iter().enumerate() {
            for (driver, keys) in checked.drivers().into_iter().enumerate() {
                for key in keys {
                    let (event_type, path, value) = key_columns(key);
                    self.items.push(sql_number(item));
                    self.drivers.push(sql_number(driver));
                    self.probe_types.push(event_type);
                    self.probe_paths.push(path);
                    self.probe_values.push(value);
                    self.add_recheck(Recheck::new(checked, Some(key)));
                }
            }
        }
    }

    fn add_direct_probes(&mut self, filter: &'a CheckedFilter) {
        for item in filter.items() {
            for key in item.default_driver() {
                let (event_type, path, value) = key_columns(key);
                self.probe_types.push(event_type);
                self.probe_paths.push(path);
                self.probe_values.push(value);
                // An event that a collision brings here is sorted out afterwards.
                let types = if event_type.is_none() { Recheck::new(item, Some(key)).types } else { None };
                self.types.push(types);
            }
        }
    }

    fn add_recheck(&mut self, recheck: Recheck) {
        self.types.push(recheck.types);
        self.predicates.push(recheck.predicate);
    }

    pub(super) fn as_params(&self) -> Vec<Param<'_>> {
        let times = &self.times;
        if self.finder == Finder::Direct {
            return vec![
                (&self.low, Type::INT8),
                (&self.high, Type::INT8),
                (&self.limit, Type::INT8),
                (&self.witnesses, Type::INT8_ARRAY),
                (&self.paths, Type::TEXT_ARRAY),
                (&self.top_level, Type::BOOL_ARRAY),
                (&self.max_bytes, Type::INT8),
                (&self.probe_types, Type::TEXT_ARRAY),
                (&self.probe_paths, Type::TEXT_ARRAY),
                (&self.probe_values, Type::JSONB_ARRAY),
                (&self.types, Type::JSONB_ARRAY),
            ];
        }
        let mut params: Vec<Param<'_>> = vec![
            (&self.low, Type::INT8),
            (&self.high, Type::INT8),
            (&self.limit, Type::INT8),
            (&times.recorded_since, Type::TIMESTAMPTZ),
            (&times.recorded_until, Type::TIMESTAMPTZ),
            (&times.occurred_since, Type::TIMESTAMPTZ),
            (&times.occurred_until, Type::TIMESTAMPTZ),
            (&self.witnesses, Type::INT8_ARRAY),
            (&self.paths, Type::TEXT_ARRAY),
            (&self.top_level, Type::BOOL_ARRAY),
            (&self.max_bytes, Type::INT8),
        ];
        match self.finder {
            Finder::Direct | Finder::OnlyDriver | Finder::CheapestDriver => {
                let probes: [Param<'_>; 7] = [
                    (&self.items, Type::INT4_ARRAY),
                    (&self.drivers, Type::INT4_ARRAY),
                    (&self.probe_types, Type::TEXT_ARRAY),
                    (&self.probe_paths, Type::TEXT_ARRAY),
                    (&self.probe_values, Type::JSONB_ARRAY),
                    (&self.types, Type::JSONB_ARRAY),
                    (&self.predicates, Type::TEXT_ARRAY),
                ];
                params.extend(probes);
            }
            Finder::Scan => {
                let items: [Param<'_>; 3] = [
                    (&self.everything, Type::BOOL),
                    (&self.types, Type::JSONB_ARRAY),
                    (&self.predicates, Type::TEXT_ARRAY),
                ];
                params.extend(items);
            }
            Finder::Id => params.push((&self.id, Type::UUID)),
        }
        params
    }
}

/// One page, and the state of the log in its snapshot.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) events: Vec<RecordedEvent>,
    pub(crate) head: Token,
    /// The end of the range that was looked at: the least of head, upper bound and bound on time.
    pub(crate) complete: Token,
    pub(super) standby: bool,
    /// The identity of the log.
    pub(super) log: Option<Uuid>,
    /// Whether more events would have matched than were read.
    pub(super) is_full: bool,
    /// Whether the quickest statement gave up: a key has too many events, or these have too many bytes.
    pub(super) is_too_much: bool,
    pub(super) missing_path: Option<String>,
    pub(super) witness_ids: Vec<Option<Uuid>>,
}

#[derive(Deserialize)]
struct Header {
    high: i64,
    high_id: Option<Uuid>,
    verified: Option<Vec<Option<Uuid>>>,
    missing: Option<String>,
    standby: bool,
    log: Option<Uuid>,
    hits: usize,
    #[serde(default)]
    too_much: bool,
}

/// Why rows are not a page.
#[derive(Debug)]
pub(super) enum Undecodable {
    Column(tokio_postgres::Error),
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

    /// Whether there is an event that a hash collision has brought here.
    pub(super) fn has_strangers(&self, source: &Source) -> bool {
        let Source::Keys(filter) = source else { return false };
        let is_strange =
            |event: &RecordedEvent| filter.matched_item(event.event_type.as_str(), &event.payload).is_none();
        self.events.iter().any(is_strange)
    }

    pub(super) fn decode(rows: &[Row], direction: Direction, limit: usize) -> Result<Self, Undecodable> {
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
            events.push(RecordedEvent {
                position,
                id: EventId::from(row.try_get::<_, Uuid>(1)?),
                event_type: EventType::stored(event_type),
                occurred_at: row.try_get(3)?,
                recorded_at: row.try_get(2)?,
                payload: row.try_get::<_, Value>(5)?,
                metadata: row.try_get::<_, Value>(6)?,
            });
        }
        let (head, header) = header.ok_or(Undecodable::NoHeader)?;
        let is_full = header.hits >= limit || header.hits > events.len();
        Ok(Self {
            events,
            head,
            complete: token(Position::from_sql(header.high), header.high_id),
            standby: header.standby,
            log: header.log,
            is_full,
            is_too_much: header.too_much,
            missing_path: header.missing,
            witness_ids: header.verified.unwrap_or_default(),
        })
    }
}

fn token(position: Position, id: Option<Uuid>) -> Token {
    id.map_or(Token::START, |id| Token::new(position, id.into()))
}
