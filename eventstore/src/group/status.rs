//! What is known of groups, and what can be done to them from outside.

use std::future::Future;
use std::time::Duration;

use time::OffsetDateTime;
use tokio_postgres::Row;
use tokio_postgres::types::Type;
use uuid::Uuid;

use crate::error::{Error, ErrorKind};
use crate::event::EventId;
use crate::pool::{self, Param};
use crate::position::Position;
use crate::sql::{self, group};
use crate::sqlstate;
use crate::store::EventStore;
use crate::subscription::{Start, check_name};
use crate::token::Token;

/// How many parked events are read at once.
const PARKED_PAGE: i64 = 1_000;

/// A consumer group as the primary has it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct GroupStatus {
    /// Its name.
    pub name: String,
    /// Between which events order is kept: `none`, `all`, or the path behind `by `.
    pub order: String,
    /// Its checkpoint: up to here all is done, but for what is parked, and what waits behind something parked.
    pub checkpoint: Token,
    /// How many events of the log lie behind the checkpoint; most of them may not match, or be done.
    pub events_behind: u64,
    /// How long ago the first of these was recorded; zero if there are none.
    pub behind: Duration,
    /// How many events can be claimed, or could if they did not have to wait for an earlier one of their key.
    pub ready: u64,
    /// How many are being handled.
    pub leased: u64,
    /// How many wait for another attempt.
    pub waiting: u64,
    /// How many are parked.
    pub parked: u64,
    /// How many wait behind something parked.
    pub blocked: u64,
    /// Who takes part.
    pub members: Vec<GroupMember>,
}

/// Somebody who takes part in a group.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupMember {
    /// Its host and process.
    pub label: String,
    /// How many events it had in hand at the last sign of life.
    pub in_flight: u64,
    /// When that came, by the database's clock, in UTC.
    pub beat_at: OffsetDateTime,
    /// Whether it has missed fewer than two.
    pub is_alive: bool,
}

/// An event that was handed over in vain too often.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParkedEvent {
    /// Where it stands.
    pub position: Position,
    /// Its id.
    pub id: EventId,
    /// Its type.
    pub event_type: String,
    /// How often it was handed over.
    pub attempts: u32,
    /// Why it failed last.
    pub failure: String,
    /// Since when it is parked, by the database's clock, in UTC.
    pub parked_at: OffsetDateTime,
    /// How many events wait behind it.
    pub waiting: u64,
}

impl EventStore {
    /// The consumer groups, by name, as the primary has them.
    ///
    /// # Errors
    /// As [`head`](Self::head).
    pub async fn groups(&self) -> Result<Vec<GroupStatus>, Error> {
        self.list_groups(None).await
    }

    /// One of them, if it is there.
    ///
    /// # Errors
    /// As [`head`](Self::head).
    pub async fn group_status(&self, name: &str) -> Result<Option<GroupStatus>, Error> {
        Ok(self.list_groups(Some(name)).await?.pop())
    }

    /// Has a group that nobody takes part in begin again elsewhere, backwards or forwards. What was leased or parked is forgotten.
    /// [`Start::Now`] is the head that the primary has.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) if there is no such group; [`Unavailable`](crate::ErrorKind::Unavailable) if somebody takes
    /// part: stop them first; [`HistoryDiverged`](crate::ErrorKind::HistoryDiverged) if the log does not have the event of the token;
    /// [`Closed`](crate::ErrorKind::Closed).
    pub async fn reset_group(&self, name: &str, to: Start) -> Result<(), Error> {
        let token = match to {
            Start::Now => self.head().await?,
            Start::Beginning | Start::After(_) => to.place().0,
        };
        self.settle_group(name, Some(token)).await
    }

    /// Deletes a group that nobody takes part in, with all that is parked.
    ///
    /// # Errors
    /// As [`reset_group`](Self::reset_group).
    pub async fn delete_group(&self, name: &str) -> Result<(), Error> {
        self.settle_group(name, None).await
    }

    /// What a group has parked, in the order of the log.
    ///
    /// # Errors
    /// As [`head`](Self::head).
    pub async fn parked_events(&self, name: &str) -> Result<Vec<ParkedEvent>, Error> {
        let (mut events, mut after) = (Vec::new(), 0_i64);
        loop {
            let params: [Param<'_>; 3] =
                [(&name, Type::TEXT), (&after, Type::INT8), (&PARKED_PAGE, Type::INT8)];
            let rows = self.ask_groups(group::PARKED, &params).await?;
            let page = self.decode(&rows, ParkedEvent::decode)?;
            let is_last = page.len() < usize::try_from(PARKED_PAGE).unwrap_or(usize::MAX);
            after = page.last().map_or(after, |event: &ParkedEvent| event.position.to_sql());
            events.extend(page);
            if is_last {
                return Ok(events);
            }
        }
    }

    /// Has parked events handed over again, from the first attempt on: those at these positions. What waits behind them goes on.
    /// Returns how many there were.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) if there is no such group; [`Unavailable`](crate::ErrorKind::Unavailable),
    /// [`Closed`](crate::ErrorKind::Closed).
    pub async fn replay_parked(&self, name: &str, positions: &[Position]) -> Result<u64, Error> {
        self.unpark(name, positions, false).await
    }

    /// Drops parked events as if they were done: those at these positions. What waits behind them goes on. Returns how many there
    /// were.
    ///
    /// # Errors
    /// As [`replay_parked`](Self::replay_parked).
    pub async fn drop_parked(&self, name: &str, positions: &[Position]) -> Result<u64, Error> {
        self.unpark(name, positions, true).await
    }

    async fn unpark(&self, name: &str, positions: &[Position], drops: bool) -> Result<u64, Error> {
        let positions: Vec<i64> = positions.iter().map(|position| position.to_sql()).collect();
        let params: [Param<'_>; 3] =
            [(&name, Type::TEXT), (&positions, Type::INT8_ARRAY), (&drops, Type::BOOL)];
        let rows = self.ask_groups(group::UNPARK, &params).await?;
        let found =
            self.decode(&rows, |row| Ok((row.try_get::<_, Option<i32>>(0)?, row.try_get::<_, i64>(1)?)))?;
        let Some((Some(id), count)) = found.first() else {
            return Err(Error::invalid(format!("there is no group {name:?}")));
        };
        self.tell_of_work(*id).await;
        Ok(count.unsigned_abs())
    }

    /// Wakes the members of a group, here and elsewhere.
    pub(super) fn tell_of_work(&self, group: i32) -> impl Future<Output = ()> + Send + 'static {
        self.inner().announcer.tell_of_work(group)
    }

    async fn settle_group(&self, name: &str, to: Option<Token>) -> Result<(), Error> {
        check_name("group", name)?;
        let position = to.map(|token| token.position().to_sql());
        let id = to.map(|token| token.event_id().uuid());
        let params: [Param<'_>; 3] = [(&name, Type::TEXT), (&position, Type::INT8), (&id, Type::UUID)];
        let rows = self.ask_groups(group::RESET, &params).await?;
        match rows.first().and_then(|row| row.try_get(0).ok()) {
            Some("reset") => Ok(()),
            Some("missing") => Err(Error::invalid(format!("there is no group {name:?}"))),
            Some("held") => Err(Error::new(
                ErrorKind::Unavailable,
                format!("somebody who is alive takes part in group {name:?}; stop them first"),
            )),
            Some("diverged") => Err(Error::diverged(
                to.unwrap_or_default().position(),
                format!("the log does not have the event that group {name:?} was to begin after"),
            )),
            _ => Err(Error::internal("a group was reset without a verdict")),
        }
    }

    async fn list_groups(&self, name: Option<&str>) -> Result<Vec<GroupStatus>, Error> {
        let rows = self.ask_groups(group::LIST, &[(&name, Type::TEXT)]).await?;
        let mut groups = self.decode(&rows, GroupStatus::decode)?;
        for status in &mut groups {
            let rows = self.ask_groups(group::MEMBERS, &[(&status.name, Type::TEXT)]).await?;
            status.members = self.decode(&rows, GroupMember::decode)?;
        }
        Ok(groups)
    }

    async fn ask_groups(&self, statement: &str, params: &[Param<'_>]) -> Result<Vec<Row>, Error> {
        self.check_open()?;
        let inner = self.inner();
        let sql = sql::for_schema(statement, &inner.schema);
        pool::read(inner.servers.primary(), &sql, params, self.read_deadline()).await
    }

    fn decode<T>(
        &self,
        rows: &[Row],
        decode: impl Fn(&Row) -> Result<T, tokio_postgres::Error>,
    ) -> Result<Vec<T>, Error> {
        let decoded = rows.iter().map(decode).collect::<Result<_, _>>();
        decoded.map_err(|error| sqlstate::classify(&error, self.inner().servers.primary().server()))
    }
}

impl GroupStatus {
    fn decode(row: &Row) -> Result<Self, tokio_postgres::Error> {
        let done = Position::from_sql(row.try_get(2)?);
        let head = Position::from_sql(row.try_get(4)?);
        let seconds: Option<f64> = row.try_get(5)?;
        let count =
            |column: usize| Ok::<_, tokio_postgres::Error>(row.try_get::<_, i64>(column)?.unsigned_abs());
        Ok(Self {
            name: row.try_get(0)?,
            order: row.try_get(1)?,
            checkpoint: Token::stored(done, row.try_get::<_, Uuid>(3)?),
            events_behind: head.get().saturating_sub(done.get()),
            behind: Duration::try_from_secs_f64(seconds.unwrap_or_default()).unwrap_or_default(),
            ready: count(6)?,
            leased: count(7)?,
            waiting: count(8)?,
            parked: count(9)?,
            blocked: count(10)?,
            members: Vec::new(),
        })
    }
}

impl GroupMember {
    fn decode(row: &Row) -> Result<Self, tokio_postgres::Error> {
        Ok(Self {
            label: row.try_get(0)?,
            in_flight: u64::try_from(row.try_get::<_, i32>(1)?).unwrap_or_default(),
            beat_at: row.try_get(2)?,
            is_alive: row.try_get(3)?,
        })
    }
}

impl ParkedEvent {
    fn decode(row: &Row) -> Result<Self, tokio_postgres::Error> {
        Ok(Self {
            position: Position::from_sql(row.try_get(0)?),
            id: row.try_get::<_, Uuid>(1)?.into(),
            attempts: row.try_get::<_, i32>(2)?.unsigned_abs(),
            failure: row.try_get::<_, Option<String>>(3)?.unwrap_or_default(),
            parked_at: row.try_get(4)?,
            event_type: row.try_get(5)?,
            waiting: row.try_get::<_, i64>(6)?.unsigned_abs(),
        })
    }
}
