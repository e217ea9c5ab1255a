//! What is known of projections, and what operators do with them.

use std::time::Duration;

use time::OffsetDateTime;
use tokio_postgres::Row;
use tokio_postgres::types::Type;
use uuid::Uuid;

use crate::error::{Error, ErrorKind};
use crate::pool::{self, Param};
use crate::position::Position;
use crate::projection::applying;
use crate::projection::calls::Calls;
use crate::projection::definition::Views;
use crate::sql::{self, projection};
use crate::sqlstate;
use crate::store::EventStore;
use crate::token::Token;

/// A generation of a projection, as the primary has it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ProjectionStatus {
    /// The projection.
    pub name: String,
    /// Which one it is, from 1.
    pub generation: u32,
    /// The version of the application's that it is built by.
    pub version: u32,
    /// Whether it is the one that is read. Another one is being built.
    pub is_live: bool,
    /// Whether the projection is paused.
    pub is_paused: bool,
    /// Everything up to here is in its tables.
    pub checkpoint: Token,
    /// How many events of the log lie behind that; most of them may not match.
    pub events_behind: u64,
    /// How long ago the first of these was recorded; zero if there are none.
    pub behind: Duration,
    /// How many positions it has come on a second since it went on last, if it has.
    pub positions_per_second: Option<f64>,
    /// Who runs it, or ran it last.
    pub run_by: Option<String>,
    /// Whether somebody runs it who has not missed two heartbeats.
    pub is_alive: bool,
    /// What has stopped it.
    pub failure: Option<ProjectionFailure>,
}

/// What a projection has stopped at.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProjectionFailure {
    /// Where the event stands.
    pub position: Position,
    /// Why it could not be applied.
    pub why: String,
    /// When that was, by the database's clock, in UTC.
    pub at: OffsetDateTime,
}

impl ProjectionStatus {
    /// How long it takes to come to the head that the log had then, at the pace it has had so far.
    #[must_use]
    pub fn remaining(&self) -> Option<Duration> {
        let per_second = self.positions_per_second.filter(|pace| *pace > 0.0)?;
        Duration::try_from_secs_f64(self.events_behind as f64 / per_second).ok()
    }
}

impl EventStore {
    /// The generations of all projections, by name and number, as the primary has them.
    ///
    /// # Errors
    /// As [`head`](Self::head).
    pub async fn projections(&self) -> Result<Vec<ProjectionStatus>, Error> {
        self.list_projections(None).await
    }

    /// The generations of one: none if it is not there.
    ///
    /// # Errors
    /// As [`head`](Self::head).
    pub async fn projection_status(&self, name: &str) -> Result<Vec<ProjectionStatus>, Error> {
        self.list_projections(Some(name)).await
    }

    /// Has whoever runs a projection pause, with what is being applied at this moment finished, until it is [resumed](Self::resume_projection).
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) if there is no such projection; [`Unavailable`](crate::ErrorKind::Unavailable),
    /// [`Closed`](crate::ErrorKind::Closed).
    pub async fn pause_projection(&self, name: &str) -> Result<(), Error> {
        self.set_paused(name, true).await
    }

    /// Has it go on.
    ///
    /// # Errors
    /// As [`pause_projection`](Self::pause_projection).
    pub async fn resume_projection(&self, name: &str) -> Result<(), Error> {
        self.set_paused(name, false).await
    }

    /// Begins another generation of the live version: whoever runs it builds that beside the live one, which it then replaces.
    ///
    /// # Errors
    /// As [`pause_projection`](Self::pause_projection); [`Invalid`](crate::ErrorKind::Invalid) too if one is being built already.
    pub async fn rebuild_projection(&self, name: &str) -> Result<(), Error> {
        let rows = self.ask_projections(projection::REBUILD, &[(&name, Type::TEXT)]).await?;
        match rows.first().and_then(|row| row.try_get(0).ok()) {
            Some("begun") => Ok(()),
            Some("building") => {
                Err(Error::invalid(format!("a generation of projection {name:?} is being built already")))
            }
            Some("missing") => Err(there_is_none(name)),
            _ => Err(Error::internal("a projection was to be rebuilt, without a verdict")),
        }
    }

    /// Deletes a projection that nobody runs, with all of its tables.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) if there is no such projection; [`Unavailable`](crate::ErrorKind::Unavailable) if somebody
    /// runs it: stop that one first; [`Closed`](crate::ErrorKind::Closed).
    pub async fn delete_projection(&self, name: &str) -> Result<(), Error> {
        self.check_open()?;
        let views = Views::new(&self.inner().schema, name)?;
        match applying::delete(&Calls { store: self.clone(), name: name.to_owned(), views }).await? {
            Ok(()) => Ok(()),
            Err(verdict) if verdict == "held" => Err(Error::unavailable(format!(
                "projection {name:?} is run by somebody who is alive; stop that one first"
            ))),
            Err(_) => Err(there_is_none(name)),
        }
    }

    async fn set_paused(&self, name: &str, is_paused: bool) -> Result<(), Error> {
        let params: [Param<'_>; 2] = [(&name, Type::TEXT), (&is_paused, Type::BOOL)];
        let rows = self.ask_projections(projection::PAUSE, &params).await?;
        match rows.first().and_then(|row| row.try_get(0).ok()) {
            Some(true) => Ok(()),
            _ => Err(there_is_none(name)),
        }
    }

    async fn list_projections(&self, name: Option<&str>) -> Result<Vec<ProjectionStatus>, Error> {
        let rows = self.ask_projections(projection::LIST, &[(&name, Type::TEXT)]).await?;
        let statuses = rows.iter().map(ProjectionStatus::decode).collect::<Result<_, _>>();
        statuses.map_err(|error| self.projection_fault(&error))
    }

    pub(super) async fn ask_projections(&self, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>, Error> {
        self.check_open()?;
        let inner = self.inner();
        let sql = sql::for_schema(sql, &inner.schema);
        pool::read(inner.servers.primary(), &sql, params, self.read_deadline()).await
    }

    pub(super) fn projection_fault(&self, error: &tokio_postgres::Error) -> Error {
        sqlstate::classify(error, self.inner().servers.primary().server())
    }
}

fn there_is_none(name: &str) -> Error {
    Error::new(ErrorKind::Invalid, format!("there is no projection {name:?}"))
}

impl ProjectionStatus {
    fn decode(row: &Row) -> Result<Self, tokio_postgres::Error> {
        let number = |column| row.try_get::<_, i32>(column).map(|number| u32::try_from(number).unwrap_or(0));
        let position = Position::from_sql(row.try_get::<_, Option<i64>>(5)?.unwrap_or_default());
        let id: Option<Uuid> = row.try_get(6)?;
        let head = Position::from_sql(row.try_get(7)?);
        let seconds: Option<f64> = row.try_get(8)?;
        let failed: Option<i64> = row.try_get(12)?;
        let failure = match failed.map(Position::from_sql) {
            None => None,
            Some(position) => {
                Some(ProjectionFailure { position, why: row.try_get(13)?, at: row.try_get(14)? })
            }
        };
        Ok(Self {
            name: row.try_get(0)?,
            generation: number(1)?,
            version: number(2)?,
            is_live: row.try_get(3)?,
            is_paused: row.try_get(4)?,
            checkpoint: Token::stored(position, id.unwrap_or_default()),
            events_behind: head.get().saturating_sub(position.get()),
            behind: Duration::try_from_secs_f64(seconds.unwrap_or_default()).unwrap_or_default(),
            positions_per_second: row.try_get(9)?,
            run_by: row.try_get(10)?,
            is_alive: row.try_get(11)?,
            failure,
        })
    }
}
