//! The statements of a process manager, on the primary.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use time::OffsetDateTime;
use tokio_postgres::Row;
use tokio_postgres::types::{Json, Type};
use uuid::Uuid;

use crate::deadline;
use crate::error::Error;
use crate::pool::{self, Param, Pool};
use crate::position::Position;
use crate::process::reaction::{Reaction, When};
use crate::process::work::{Answer, Lane, Outcome, Work};
use crate::sql::{self, process};
use crate::sqlstate;
use crate::store::EventStore;

/// How much of a reason is kept.
const MAX_REASON_CHARS: usize = 1_000;
/// No statement takes longer unless something is wrong.
const PATIENCE: Duration = Duration::from_secs(5);

/// A process, as one manager calls it.
#[derive(Debug)]
pub(super) struct Calls {
    primary: Arc<dyn Pool>,
    name: String,
    timeout: Duration,
    claim: String,
    settle: String,
    beat: String,
    react: String,
}

/// What could be claimed, and how long it is until more is due.
#[derive(Debug, Default)]
pub(super) struct Claims {
    pub(super) work: Vec<Work>,
    pub(super) next: Option<Duration>,
}

/// What a reaction follows from, and who may say so.
#[derive(Debug, Clone, Copy)]
pub(super) enum Cause {
    Event { group: i32, position: Position, id: Uuid, lease: Uuid },
    Work { id: Uuid, lease: Uuid },
}

impl Calls {
    pub(super) fn new(store: &EventStore, name: &str) -> Self {
        let inner = store.inner();
        let sql = |statement| sql::for_schema(statement, &inner.schema);
        Self {
            primary: Arc::clone(inner.servers.primary()),
            name: name.to_owned(),
            timeout: PATIENCE.min(inner.settings.query_timeout),
            claim: sql(process::CLAIM),
            settle: sql(process::SETTLE),
            beat: sql(process::BEAT),
            react: sql(process::REACT),
        }
    }

    /// Leases so much work of a lane, or less.
    pub(super) async fn claim(
        &self,
        lane: Lane,
        limit: usize,
        (lease_for, max_attempts): (Duration, u32),
    ) -> Result<Claims, Error> {
        let (lease, limit) = (Uuid::now_v7(), i32::try_from(limit).unwrap_or(i32::MAX));
        let (code, lasts) = (lane.code(), in_ms(lease_for));
        let max_attempts = i32::try_from(max_attempts).unwrap_or(i32::MAX);
        let params: [Param<'_>; 6] = [
            (&self.name, Type::TEXT),
            (&code, Type::TEXT),
            (&lease, Type::UUID),
            (&limit, Type::INT4),
            (&lasts, Type::FLOAT8),
            (&max_attempts, Type::INT4),
        ];
        let mut claims = Claims::default();
        for row in &self.call(&self.claim, &params).await? {
            let claimed = claimed(row, lane, lease).map_err(|error| self.fault(&error))?;
            match claimed {
                Ok(work) => claims.work.push(work),
                Err(next) => claims.next = next,
            }
        }
        Ok(claims)
    }

    /// Says what came of work; the ids for which the lease still held.
    pub(super) async fn settle(&self, answers: &[Answer]) -> Result<Vec<Uuid>, Error> {
        let ids: Vec<_> = answers.iter().map(|answer| answer.id).collect();
        let leases: Vec<_> = answers.iter().map(|answer| answer.lease).collect();
        let outcomes: Vec<_> = answers.iter().map(|answer| answer.outcome.code()).collect();
        let attempts: Vec<_> = answers.iter().map(Answer::attempts).collect();
        let (mut pauses, mut references, mut checks, mut deadlines, mut failures) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for answer in answers {
            let (mut pause, mut reference, mut check, mut deadline, mut failure) =
                (Duration::ZERO, None, None, None, None);
            match &answer.outcome {
                Outcome::Done => {}
                Outcome::Running { reference: to, pause: next, check_every, time_out_after } => {
                    (pause, reference, check, deadline) = (*next, to.as_ref(), *check_every, *time_out_after);
                }
                Outcome::Failed { pause: next, why } => (pause, failure) = (*next, Some(stored(why))),
                Outcome::Parked { why } => failure = Some(stored(why)),
                Outcome::Untouched => {}
            }
            pauses.push(in_ms(pause));
            references.push(reference.map(Json));
            checks.push(check.map(in_ms));
            deadlines.push(deadline.map(in_ms));
            failures.push(failure);
        }
        let params: [Param<'_>; 9] = [
            (&ids, Type::UUID_ARRAY),
            (&leases, Type::UUID_ARRAY),
            (&outcomes, Type::TEXT_ARRAY),
            (&attempts, Type::INT4_ARRAY),
            (&pauses, Type::FLOAT8_ARRAY),
            (&references, Type::JSONB_ARRAY),
            (&checks, Type::FLOAT8_ARRAY),
            (&deadlines, Type::FLOAT8_ARRAY),
            (&failures, Type::TEXT_ARRAY),
        ];
        self.ids(&self.settle, &params).await
    }

    /// Has leases last longer; the ids for which they still held, and whether they do.
    pub(super) async fn beat(
        &self,
        (ids, leases): (Vec<Uuid>, Vec<Uuid>),
        lease_for: Duration,
    ) -> Result<HashMap<Uuid, bool>, Error> {
        let lasts = in_ms(lease_for);
        let params: [Param<'_>; 3] =
            [(&ids, Type::UUID_ARRAY), (&leases, Type::UUID_ARRAY), (&lasts, Type::FLOAT8)];
        let rows = self.call(&self.beat, &params).await?;
        let held = rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect::<Result<_, _>>();
        held.map_err(|error| self.fault(&error))
    }

    /// Writes what follows, and the end of what it follows from. False if that was not to be settled any more.
    pub(super) async fn react(&self, cause: Cause, key: &Value, reaction: &Reaction) -> Result<bool, Error> {
        let (group, position, id, lease) = match cause {
            Cause::Event { group, position, lease, .. } => (Some(group), position.to_sql(), None, lease),
            Cause::Work { id, lease } => (None, 0, Some(id), lease),
        };
        let Reaction { commands, wake_ups, cancelled } = reaction;
        // The nth of its name: where a later release has more follow, what there was keeps its id.
        let nth =
            |at: usize| commands[..at].iter().filter(|earlier| earlier.name == commands[at].name).count();
        let command_ids: Vec<_> = (0..commands.len())
            .map(|at| self.id(cause, &format!("command\0{}\0{}", commands[at].name, nth(at))))
            .collect();
        let command_names: Vec<_> = commands.iter().map(|command| command.name.as_str()).collect();
        let payloads: Vec<_> = commands.iter().map(|command| Json(&command.payload)).collect();
        let wake_up_ids: Vec<_> =
            wake_ups.iter().map(|wake_up| self.id(cause, &format!("wake-up\0{}", wake_up.name))).collect();
        let wake_up_names: Vec<_> = wake_ups.iter().map(|wake_up| wake_up.name.as_str()).collect();
        let (mut at, mut after) = (Vec::<Option<OffsetDateTime>>::new(), Vec::<Option<f64>>::new());
        for wake_up in wake_ups {
            match wake_up.when {
                When::At(instant) => (at.push(Some(instant)), after.push(None)),
                When::After(pause) => (at.push(None), after.push(Some(in_ms(pause)))),
            };
        }
        let key = Json(key);
        let params: [Param<'_>; 14] = [
            (&self.name, Type::TEXT),
            (&key, Type::JSONB),
            (&group, Type::INT4),
            (&position, Type::INT8),
            (&id, Type::UUID),
            (&lease, Type::UUID),
            (&command_ids, Type::UUID_ARRAY),
            (&command_names, Type::TEXT_ARRAY),
            (&payloads, Type::JSONB_ARRAY),
            (&wake_up_ids, Type::UUID_ARRAY),
            (&wake_up_names, Type::TEXT_ARRAY),
            (&at, Type::TIMESTAMPTZ_ARRAY),
            (&after, Type::FLOAT8_ARRAY),
            (cancelled, Type::TEXT_ARRAY),
        ];
        let rows = self.call(&self.react, &params).await?;
        let row = rows.first().ok_or_else(|| Error::internal("a reaction was written without an answer"))?;
        row.try_get(0).map_err(|error| self.fault(&error))
    }

    /// Of what follows: the same whenever it follows from the same, also in another history that has the event.
    fn id(&self, cause: Cause, what: &str) -> Uuid {
        let (Cause::Event { id, .. } | Cause::Work { id, .. }) = cause;
        Uuid::new_v5(&id, format!("{}\0{what}", self.name).as_bytes())
    }

    async fn ids(&self, sql: &str, params: &[Param<'_>]) -> Result<Vec<Uuid>, Error> {
        let rows = self.call(sql, params).await?;
        rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>().map_err(|error| self.fault(&error))
    }

    async fn call(&self, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>, Error> {
        pool::read(&self.primary, sql, params, deadline::after(self.timeout)).await
    }

    fn fault(&self, error: &tokio_postgres::Error) -> Error {
        sqlstate::classify(error, self.primary.server())
    }
}

/// What was claimed; or how long it is until more is due.
fn claimed(
    row: &Row,
    lane: Lane,
    lease: Uuid,
) -> Result<Result<Work, Option<Duration>>, tokio_postgres::Error> {
    let attempts: Option<i32> = row.try_get(1)?;
    let attempts = attempts.map(i32::unsigned_abs);
    let Some(id) = row.try_get(0)? else {
        return Ok(Err(attempts.map(|ms| Duration::from_millis(ms.into()))));
    };
    let check_every: Option<f64> = row.try_get(7)?;
    Ok(Ok(Work {
        id,
        lease,
        lane,
        attempt: attempts.unwrap_or(1),
        cause: Position::from_sql(row.try_get(2)?),
        key: row.try_get::<_, Json<_>>(3)?.0,
        name: row.try_get(4)?,
        payload: row.try_get::<_, Json<_>>(5)?.0,
        reference: row.try_get::<_, Option<Json<_>>>(6)?.map(|json| json.0),
        check_every: check_every.and_then(|ms| Duration::try_from_secs_f64(ms / 1e3).ok()),
        is_late: row.try_get(8)?,
    }))
}

/// PostgreSQL takes no NUL, and nobody reads more.
fn stored(why: &str) -> String {
    why.chars().filter(|char| *char != '\0').take(MAX_REASON_CHARS).collect()
}

fn in_ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
