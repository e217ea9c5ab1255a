//! The statements of a member, on the primary.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio_postgres::Row;
use tokio_postgres::types::Type;
use uuid::Uuid;

use crate::deadline;
use crate::error::Error;
use crate::event::{self, EventId, EventType, RecordedEvent};
use crate::group::book::{Answer, Claimed, Outcome};
use crate::pool::{self, Param, Pool};
use crate::position::Position;
use crate::schema::SchemaName;
use crate::sql::{self, group};
use crate::sqlstate;
use crate::subscription::who;
use crate::tail::Chunk;
use crate::token::Token;

/// How many events may be ready or under way: claims may have to look at all of them.
const WINDOW: i32 = 4_000;

/// A group, as one member calls it.
#[derive(Debug)]
pub(super) struct Calls {
    primary: Arc<dyn Pool>,
    pub(super) group: i32,
    pub(super) member: Uuid,
    label: String,
    pub(super) timeout: Duration,
    feed: String,
    claim_ordered: String,
    claim_unordered: String,
    pub(super) settle: String,
    beat: String,
    leave: String,
}

/// What a feeding came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fed {
    /// The group was fed.
    Now,
    /// Somebody else has fed it as far, or further: up to here.
    ByOthers(Token),
    /// Somebody else is feeding it.
    Busy,
    /// There is work enough.
    Full,
    /// The group is elsewhere in the log, or the log is another: read again from where it is.
    Elsewhere,
    /// It was deleted.
    Gone,
}

/// What could be claimed.
#[derive(Debug, Default)]
pub(super) struct Claims {
    pub(super) claimed: Vec<Claimed>,
    /// How long it is until something is due that is not now, if there were fewer than was wanted.
    pub(super) next: Option<Duration>,
    /// Up to where the group is fed; `None` if there is none any more.
    pub(super) fed: Option<Position>,
}

impl Claims {
    /// How many are the first of their keys: those that others can be handed at once.
    pub(super) fn heads(&self) -> usize {
        self.claimed.iter().filter(|one| one.head == one.event.position).count()
    }
}

/// What a heartbeat found.
#[derive(Debug)]
pub(super) struct Pulse {
    /// What was leased here and is not any more.
    pub(super) lost: Vec<(Position, Uuid)>,
    pub(super) done: Position,
    pub(super) parked: i64,
    /// Whether others take part.
    pub(super) others: bool,
}

/// How claims are made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    pub(super) lease: Duration,
    pub(super) max_attempts: i32,
    /// How many events that follow one under its key are claimed with it at most; none where no order is kept.
    pub(super) run: i32,
}

impl Terms {
    pub(super) fn keeps_order(self) -> bool {
        self.run > 0
    }
}

/// The arguments of a settling, which may go into a transaction of somebody else's.
pub(super) struct SettleArguments {
    group: i32,
    positions: Vec<i64>,
    leases: Vec<Uuid>,
    outcomes: Vec<&'static str>,
    attempts: Vec<i32>,
    pauses: Vec<f64>,
    failures: Vec<Option<String>>,
}

impl Calls {
    pub(super) fn new(
        primary: Arc<dyn Pool>,
        schema: &SchemaName,
        group: i32,
        member: Uuid,
        timeout: Duration,
    ) -> Self {
        let sql = |statement| sql::for_schema(statement, schema);
        Self {
            primary,
            group,
            member,
            label: who(),
            timeout,
            feed: sql(group::FEED),
            claim_ordered: sql(group::CLAIM_ORDERED),
            claim_unordered: sql(group::CLAIM_UNORDERED),
            settle: sql(group::SETTLE),
            beat: sql(group::BEAT),
            leave: sql(group::LEAVE),
        }
    }

    /// Puts the events of a range that begins at a position into the work.
    pub(super) async fn feed(&self, from: Position, chunk: Option<&Chunk>, to: Token) -> Result<Fed, Error> {
        let (from, position, id) = (from.to_sql(), to.position().to_sql(), to.event_id().uuid());
        let positions: Vec<i64> =
            chunk.into_iter().flat_map(Chunk::iter).map(|event| event.position.to_sql()).collect();
        let params: [Param<'_>; 6] = [
            (&self.group, Type::INT4),
            (&from, Type::INT8),
            (&position, Type::INT8),
            (&id, Type::UUID),
            (&positions, Type::INT8_ARRAY),
            (&WINDOW, Type::INT4),
        ];
        let rows = self.call(&self.feed, &params).await?;
        match rows.first().and_then(|row| row.try_get(0).ok()) {
            Some("fed") => Ok(Fed::Now),
            Some("stale") => {
                let fed = rows.first().and_then(|row| Some((row.try_get(1).ok()?, row.try_get(2).ok()?)));
                let (position, id) = fed.ok_or_else(|| Error::internal("a group is fed up to nowhere"))?;
                Ok(Fed::ByOthers(Token::stored(Position::from_sql(position), id)))
            }
            Some("busy") => Ok(Fed::Busy),
            Some("full") => Ok(Fed::Full),
            Some("gap" | "diverged") => Ok(Fed::Elsewhere),
            Some("gone") => Ok(Fed::Gone),
            _ => Err(Error::internal("a group was fed without a verdict")),
        }
    }

    /// Leases so many events, or fewer, and with each so many that follow it where order is kept.
    pub(super) async fn claim(&self, (limit, run): (usize, i32), terms: Terms) -> Result<Claims, Error> {
        let (lease, limit) = (Uuid::now_v7(), i32::try_from(limit).unwrap_or(i32::MAX));
        let lasts = in_ms(terms.lease);
        let mut params: Vec<Param<'_>> = vec![
            (&self.group, Type::INT4),
            (&lease, Type::UUID),
            (&limit, Type::INT4),
            (&lasts, Type::FLOAT8),
            (&terms.max_attempts, Type::INT4),
        ];
        let rows = if terms.keeps_order() {
            params.insert(3, (&run, Type::INT4));
            self.call(&self.claim_ordered, &params).await?
        } else {
            self.call(&self.claim_unordered, &params).await?
        };
        let mut claims = Claims::default();
        for row in &rows {
            match self.claimed(row, lease)? {
                Some(event) => claims.claimed.push(event),
                None => {
                    let ms: Option<i32> = row.try_get(1).map_err(|error| self.fault(&error))?;
                    claims.next = ms.map(|ms| Duration::from_millis(u64::try_from(ms).unwrap_or(0)));
                    let fed: Option<i64> = row.try_get(2).map_err(|error| self.fault(&error))?;
                    claims.fed = fed.map(Position::from_sql);
                }
            }
        }
        Ok(claims)
    }

    /// Says what came of events; the positions for which the lease still held.
    pub(super) async fn settle(&self, answers: &[Answer]) -> Result<Vec<Position>, Error> {
        let arguments = SettleArguments::new(self.group, answers);
        let rows = self.call(&self.settle, &arguments.as_params()).await?;
        positions(&rows).map_err(|error| self.fault(&error))
    }

    /// Has leases last longer.
    pub(super) async fn beat(
        &self,
        in_flight: usize,
        (positions, leases): (Vec<Position>, Vec<Uuid>),
        lease: Duration,
    ) -> Result<Pulse, Error> {
        let (in_flight, lasts) = (i32::try_from(in_flight).unwrap_or(i32::MAX), in_ms(lease));
        let asked = positions.iter().copied().zip(leases.iter().copied());
        let numbers: Vec<i64> = positions.iter().map(|position| position.to_sql()).collect();
        let every = in_ms(lease / 3);
        let params: [Param<'_>; 8] = [
            (&self.group, Type::INT4),
            (&self.member, Type::UUID),
            (&in_flight, Type::INT4),
            (&numbers, Type::INT8_ARRAY),
            (&leases, Type::UUID_ARRAY),
            (&lasts, Type::FLOAT8),
            (&self.label, Type::TEXT),
            (&every, Type::FLOAT8),
        ];
        let rows = self.call(&self.beat, &params).await?;
        let row = rows.first().ok_or_else(|| Error::internal("a heartbeat came without an answer"))?;
        let read = || {
            let held: HashSet<i64> = row.try_get::<_, Vec<i64>>(0)?.into_iter().collect();
            Ok(Pulse {
                lost: asked.filter(|(position, _)| !held.contains(&position.to_sql())).collect(),
                done: Position::from_sql(row.try_get::<_, Option<i64>>(1)?.unwrap_or_default()),
                parked: row.try_get(2)?,
                others: row.try_get(3)?,
            })
        };
        read().map_err(|error| self.fault(&error))
    }

    pub(super) async fn leave(&self) -> Result<(), Error> {
        let params: [Param<'_>; 2] = [(&self.group, Type::INT4), (&self.member, Type::UUID)];
        self.call(&self.leave, &params).await.map(|_| ())
    }

    async fn call(&self, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>, Error> {
        pool::read(&self.primary, sql, params, deadline::after(self.timeout)).await
    }

    /// None of the last row, which tells of the group.
    fn claimed(&self, row: &Row, lease: Uuid) -> Result<Option<Claimed>, Error> {
        let position: Option<i64> = row.try_get(0).map_err(|error| self.fault(&error))?;
        let Some(position) = position.map(Position::from_sql) else { return Ok(None) };
        let content = |column| {
            let server = self.primary.server();
            row.try_get::<_, Value>(column).map_err(|error| event::unreadable(server, position, &error))
        };
        let content = (content(7)?, content(8)?);
        claimed_event(row, (position, lease), content).map(Some).map_err(|error| self.fault(&error))
    }

    fn fault(&self, error: &tokio_postgres::Error) -> Error {
        sqlstate::classify(error, self.primary.server())
    }
}

/// The positions that a settling returned.
pub(super) fn positions(rows: &[Row]) -> Result<Vec<Position>, tokio_postgres::Error> {
    rows.iter().map(|row| row.try_get(0).map(Position::from_sql)).collect()
}

fn claimed_event(
    row: &Row,
    (position, lease): (Position, Uuid),
    (payload, metadata): (Value, Value),
) -> Result<Claimed, tokio_postgres::Error> {
    let head = Position::from_sql(row.try_get(2)?);
    let attempts: i32 = row.try_get(1)?;
    let event = RecordedEvent {
        position,
        id: EventId::from(row.try_get::<_, Uuid>(3)?),
        event_type: EventType::stored(row.try_get(6)?),
        occurred_at: row.try_get(5)?,
        recorded_at: row.try_get(4)?,
        payload,
        metadata,
    };
    // Those that follow count when they are handed over.
    let attempt = if head == position { attempts } else { attempts.saturating_add(1) };
    Ok(Claimed { event, head, attempt, lease })
}

fn in_ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

impl SettleArguments {
    pub(super) fn new(group: i32, answers: &[Answer]) -> Self {
        let outcome = |answer: &Answer| match &answer.outcome {
            Outcome::Done | Outcome::DoneElsewhere => ("d", Duration::ZERO, None, answer.attempt),
            Outcome::Failed { pause, why } => ("f", *pause, Some(why.clone()), answer.attempt),
            Outcome::Parked { why } => ("p", Duration::ZERO, Some(why.clone()), answer.attempt),
            Outcome::Untouched { pause } => ("b", *pause, None, answer.attempt - 1),
        };
        let outcomes: Vec<_> = answers.iter().map(outcome).collect();
        Self {
            group,
            positions: answers.iter().map(|answer| answer.position.to_sql()).collect(),
            leases: answers.iter().map(|answer| answer.lease).collect(),
            outcomes: outcomes.iter().map(|(code, ..)| *code).collect(),
            attempts: outcomes.iter().map(|(.., attempts)| *attempts).collect(),
            pauses: outcomes.iter().map(|(_, pause, ..)| in_ms(*pause)).collect(),
            failures: outcomes.into_iter().map(|(_, _, why, _)| why).collect(),
        }
    }

    pub(super) fn as_params(&self) -> [Param<'_>; 7] {
        [
            (&self.group, Type::INT4),
            (&self.positions, Type::INT8_ARRAY),
            (&self.leases, Type::UUID_ARRAY),
            (&self.outcomes, Type::TEXT_ARRAY),
            (&self.attempts, Type::INT4_ARRAY),
            (&self.pauses, Type::FLOAT8_ARRAY),
            (&self.failures, Type::TEXT_ARRAY),
        ]
    }
}
