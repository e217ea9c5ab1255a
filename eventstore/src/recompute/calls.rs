//! The statements of a recomputed projection, on the primary.

use std::collections::HashMap;
use std::time::Duration;

use tokio_postgres::types::Type;
use tokio_postgres::{Row, Transaction};
use uuid::Uuid;

use crate::deadline;
use crate::error::Error;
use crate::lent::Borrower;
use crate::patience::patiently;
use crate::pool::{self, Param};
use crate::position::Position;
use crate::recompute::held::Claim;
use crate::sql::{self, recompute};
use crate::sqlstate;
use crate::store::EventStore;
use crate::subscription::RECOMPUTED;
use crate::token::Token;

/// How much of a reason is kept.
const MAX_REASON_CHARS: usize = 1_000;
/// How many keys one statement changes.
const PIECE: i32 = 10_000;
/// No statement takes longer unless something is wrong.
const PATIENCE: Duration = Duration::from_secs(5);

/// A recomputed projection, as one process calls it.
#[derive(Debug, Clone)]
pub(super) struct Calls {
    pub(super) store: EventStore,
    pub(super) name: String,
}

/// What could be claimed, and how long it is until there may be more.
#[derive(Debug, Default)]
pub(super) struct Claims {
    pub(super) keys: Vec<Claim>,
    pub(super) next: Option<Duration>,
}

/// Keys that have changed, each with the last event that did so: position and id.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) keys: Vec<String>,
    pub(super) positions: Vec<i64>,
    pub(super) ids: Vec<Uuid>,
}

/// How far a key is, and the notes of events.
#[derive(Debug)]
pub(super) struct KeyState {
    pub(super) checkpoint: Token,
    pub(super) wanted: Option<Position>,
    pub(super) done: Option<Position>,
    pub(super) failure: Option<String>,
}

impl Calls {
    pub(super) fn new(store: &EventStore, name: &str) -> Self {
        Self { store: store.clone(), name: name.to_owned() }
    }

    /// As it borrows connections.
    pub(super) fn borrower(&self) -> Borrower<'_> {
        Borrower { store: &self.store, projection: &self.name }
    }

    /// The name of its checkpoint.
    pub(super) fn subscription(&self) -> String {
        format!("{RECOMPUTED}{}", self.name)
    }

    /// Notes what has changed, in a transaction that moves the checkpoint too.
    pub(super) async fn queue(
        &self,
        transaction: &Transaction<'_>,
        changes: &Changes,
    ) -> Result<(), tokio_postgres::Error> {
        let params: [Param<'_>; 4] = [
            (&self.name, Type::TEXT),
            (&changes.keys, Type::TEXT_ARRAY),
            (&changes.positions, Type::INT8_ARRAY),
            (&changes.ids, Type::UUID_ARRAY),
        ];
        transaction.query_typed(&self.sql(recompute::QUEUE), &params).await.map(|_| ())
    }

    /// Leases so many keys that are due, or fewer.
    pub(super) async fn claim(
        &self,
        limit: usize,
        (lease_for, every): (Duration, Duration),
    ) -> Result<Claims, Error> {
        let (lease, limit) = (Uuid::now_v7(), i32::try_from(limit).unwrap_or(i32::MAX));
        let (lasts, rests) = (in_ms(lease_for), in_ms(every));
        let params: [Param<'_>; 5] = [
            (&self.name, Type::TEXT),
            (&lease, Type::UUID),
            (&limit, Type::INT4),
            (&lasts, Type::FLOAT8),
            (&rests, Type::FLOAT8),
        ];
        let mut claims = Claims::default();
        for row in &self.call(recompute::CLAIM, &params).await? {
            match claimed(row, lease).map_err(|error| self.fault(&error))? {
                Ok(claim) => claims.keys.push(claim),
                Err(next) => claims.next = next,
            }
        }
        Ok(claims)
    }

    /// Says that a key is saved, in the transaction that does so. False if it is not leased to this claim any more.
    pub(super) async fn settle(
        &self,
        transaction: &Transaction<'_>,
        claim: &Claim,
    ) -> Result<bool, tokio_postgres::Error> {
        let done = claim.wanted.position().to_sql();
        let params: [Param<'_>; 4] = [
            (&self.name, Type::TEXT),
            (&claim.key, Type::TEXT),
            (&claim.lease, Type::UUID),
            (&done, Type::INT8),
        ];
        let rows = transaction.query_typed(&self.sql(recompute::SETTLE), &params).await?;
        rows.first().map_or(Ok(false), |row| row.try_get(0))
    }

    /// Says why a key could not be recomputed; it is tried again after the pause.
    pub(super) async fn fail(&self, claim: &Claim, pause: Duration, why: &str) -> Result<(), Error> {
        // PostgreSQL takes no NUL, and nobody reads more.
        let why = why.chars().filter(|char| *char != '\0').take(MAX_REASON_CHARS).collect();
        self.end(claim, pause, Some(why)).await
    }

    /// Hands back a key that nobody has begun.
    pub(super) async fn hand_back(&self, claim: &Claim) -> Result<(), Error> {
        self.end(claim, Duration::ZERO, None).await
    }

    async fn end(&self, claim: &Claim, pause: Duration, why: Option<String>) -> Result<(), Error> {
        let pause = in_ms(pause);
        let params: [Param<'_>; 5] = [
            (&self.name, Type::TEXT),
            (&claim.key, Type::TEXT),
            (&claim.lease, Type::UUID),
            (&pause, Type::FLOAT8),
            (&why, Type::TEXT),
        ];
        self.call(recompute::FAIL, &params).await.map(|_| ())
    }

    /// Has leases last longer; the keys for which they still held, and whether they do.
    pub(super) async fn beat(
        &self,
        (keys, leases): (&[String], &[Uuid]),
        lease_for: Duration,
    ) -> Result<HashMap<String, bool>, Error> {
        let lasts = in_ms(lease_for);
        let params: [Param<'_>; 4] = [
            (&self.name, Type::TEXT),
            (&keys, Type::TEXT_ARRAY),
            (&leases, Type::UUID_ARRAY),
            (&lasts, Type::FLOAT8),
        ];
        let rows = self.call(recompute::BEAT, &params).await?;
        let held = rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect::<Result<_, _>>();
        held.map_err(|error| self.fault(&error))
    }

    /// Has a key recomputed; whether it is there.
    pub(super) async fn requeue_key(&self, key: &str) -> Result<bool, Error> {
        let params: [Param<'_>; 2] = [(&self.name, Type::TEXT), (&key, Type::TEXT)];
        let rows = self.call(recompute::REQUEUE_KEY, &params).await?;
        let is_there = rows.first().map(|row| row.try_get(0)).transpose();
        Ok(is_there.map_err(|error| self.fault(&error))?.unwrap_or_default())
    }

    /// Has all keys recomputed; tells how many there were.
    pub(super) async fn requeue_all(&self) -> Result<u64, Error> {
        let (mut after, mut all) = (String::new(), 0);
        loop {
            let params: [Param<'_>; 3] =
                [(&self.name, Type::TEXT), (&after, Type::TEXT), (&PIECE, Type::INT4)];
            // In pieces, none of which takes long: what is done stays done.
            let rows = patiently(|| self.call(recompute::REQUEUE, &params)).await?;
            let row = rows.first().ok_or_else(|| Error::internal("keys were queued without an answer"))?;
            let piece = row.try_get::<_, i64>(0).and_then(|count| Ok((count, row.try_get(1)?)));
            let (count, last): (i64, Option<String>) = piece.map_err(|error| self.fault(&error))?;
            all += count.unsigned_abs();
            match last {
                Some(last) => after = last,
                None => return Ok(all),
            }
        }
    }

    /// Forgets everything; the verdict.
    pub(super) async fn delete(&self) -> Result<String, Error> {
        loop {
            let params: [Param<'_>; 2] = [(&self.name, Type::TEXT), (&PIECE, Type::INT4)];
            let rows = self.call(recompute::DELETE, &params).await?;
            let verdict = rows.first().map(|row| row.try_get::<_, String>(0)).transpose();
            let verdict = verdict.map_err(|error| self.fault(&error))?.unwrap_or_default();
            if verdict != "more" {
                return Ok(verdict);
            }
        }
    }

    /// How far a key is; `None` if nothing was noted of the projection yet.
    pub(super) async fn key(&self, key: &str) -> Result<Option<KeyState>, Error> {
        let subscription = self.subscription();
        let params: [Param<'_>; 3] =
            [(&self.name, Type::TEXT), (&key, Type::TEXT), (&subscription, Type::TEXT)];
        let rows = self.call(recompute::KEY, &params).await?;
        rows.first().map(KeyState::decode).transpose().map_err(|error| self.fault(&error))
    }

    pub(super) async fn call(&self, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>, Error> {
        self.store.check_open()?;
        let inner = self.store.inner();
        let timeout = PATIENCE.min(inner.settings.query_timeout);
        pool::read(inner.servers.primary(), &self.sql(sql), params, deadline::after(timeout)).await
    }

    pub(super) fn fault(&self, error: &tokio_postgres::Error) -> Error {
        sqlstate::classify(error, self.store.inner().servers.primary().server())
    }

    fn sql(&self, sql: &str) -> String {
        sql::for_schema(sql, &self.store.inner().schema)
    }
}

impl KeyState {
    fn decode(row: &Row) -> Result<Self, tokio_postgres::Error> {
        let position = |column: usize| {
            row.try_get::<_, Option<i64>>(column).map(|position| position.map(Position::from_sql))
        };
        Ok(Self {
            checkpoint: Token::stored(Position::from_sql(row.try_get(0)?), row.try_get(1)?),
            wanted: position(2)?,
            done: position(3)?,
            failure: row.try_get(4)?,
        })
    }
}

/// What was claimed; or how long it is until there may be more.
fn claimed(row: &Row, lease: Uuid) -> Result<Result<Claim, Option<Duration>>, tokio_postgres::Error> {
    let attempts: Option<i32> = row.try_get(3)?;
    let Some(key) = row.try_get(0)? else {
        return Ok(Err(attempts.map(|ms| Duration::from_millis(ms.unsigned_abs().into()))));
    };
    let wanted = Token::stored(Position::from_sql(row.try_get(1)?), row.try_get(2)?);
    Ok(Ok(Claim { key, lease, wanted, attempt: attempts.unwrap_or(1) }))
}

fn in_ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
