//! What is known of processes, and what operators do with what was parked.

use std::time::Duration;

use serde_json::Value;
use time::OffsetDateTime;
use tokio_postgres::Row;
use tokio_postgres::types::{Json, Type};
use uuid::Uuid;

use crate::error::Error;
use crate::pool::{self, Param};
use crate::position::Position;
use crate::sql::{self, process};
use crate::sqlstate;
use crate::store::EventStore;

/// What a process has to do, as the primary has it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ProcessStatus {
    /// The process.
    pub name: String,
    /// Commands that are waiting, or being carried out.
    pub commands: u64,
    /// Commands that were started, and are asked after.
    pub started: u64,
    /// Wake-ups, most of them for later.
    pub wake_ups: u64,
    /// How much of all that somebody is at work on.
    pub leased: u64,
    /// How much has failed, and waits for a person.
    pub parked: u64,
    /// How long the first that nobody is at work on has been due; zero if nothing is.
    pub behind: Duration,
}

/// What has failed, and waits for a person.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ParkedWork {
    /// The command, or the wake-up.
    pub id: Uuid,
    /// What it is: `command`, `check` (of a command that was started) or `wake_up`.
    pub kind: &'static str,
    /// What it is called.
    pub name: String,
    /// The instance that it is of.
    pub key: Value,
    /// How often it was tried.
    pub attempts: u32,
    /// Why it has failed.
    pub failure: String,
    /// When that was, by the database's clock, in UTC.
    pub parked_at: OffsetDateTime,
    /// The event that it follows from; [`Position::START`] if that was a wake-up or a failure.
    pub cause: Position,
}

impl EventStore {
    /// The processes that have something to do, by name, as the primary has them. Events that wait, or are parked, are those of the group
    /// `process/<name>`: [`group_status`](Self::group_status) tells of them.
    ///
    /// # Errors
    /// As [`head`](Self::head).
    pub async fn processes(&self) -> Result<Vec<ProcessStatus>, Error> {
        let rows = self.ask_processes(process::LIST, &[(&None::<String>, Type::TEXT)]).await?;
        rows.iter()
            .map(ProcessStatus::decode)
            .collect::<Result<_, _>>()
            .map_err(|error| self.process_fault(&error))
    }

    /// What is parked of a process, at most so much, the last one first.
    ///
    /// # Errors
    /// As [`head`](Self::head).
    pub async fn parked_work(&self, process: &str, limit: u32) -> Result<Vec<ParkedWork>, Error> {
        let limit = i32::try_from(limit).unwrap_or(i32::MAX);
        let params: [Param<'_>; 2] = [(&process, Type::TEXT), (&limit, Type::INT4)];
        let rows = self.ask_processes(process::PARKED, &params).await?;
        rows.iter()
            .map(ParkedWork::decode)
            .collect::<Result<_, _>>()
            .map_err(|error| self.process_fault(&error))
    }

    /// Has parked work done again, as if it had not been tried; tells how much there was of these.
    ///
    /// # Errors
    /// As [`head`](Self::head).
    pub async fn replay_parked_work(&self, process: &str, ids: &[Uuid]) -> Result<u64, Error> {
        self.unpark_work(process, ids, false).await
    }

    /// Drops parked work: nobody does it any more. Tells how much there was of these.
    ///
    /// # Errors
    /// As [`head`](Self::head).
    pub async fn drop_parked_work(&self, process: &str, ids: &[Uuid]) -> Result<u64, Error> {
        self.unpark_work(process, ids, true).await
    }

    async fn unpark_work(&self, process: &str, ids: &[Uuid], is_dropped: bool) -> Result<u64, Error> {
        let params: [Param<'_>; 3] =
            [(&process, Type::TEXT), (&ids, Type::UUID_ARRAY), (&is_dropped, Type::BOOL)];
        let rows = self.ask_processes(process::UNPARK, &params).await?;
        let count = rows.first().map(|row| row.try_get::<_, i64>(0)).transpose();
        Ok(count.map_err(|error| self.process_fault(&error))?.unwrap_or_default().unsigned_abs())
    }

    async fn ask_processes(&self, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>, Error> {
        self.check_open()?;
        let sql = sql::for_schema(sql, &self.inner().schema);
        pool::read(self.inner().servers.primary(), &sql, params, self.read_deadline()).await
    }

    fn process_fault(&self, error: &tokio_postgres::Error) -> Error {
        sqlstate::classify(error, self.inner().servers.primary().server())
    }
}

impl ProcessStatus {
    fn decode(row: &Row) -> Result<Self, tokio_postgres::Error> {
        let count = |column: usize| row.try_get::<_, i64>(column).map(i64::unsigned_abs);
        Ok(Self {
            name: row.try_get(0)?,
            commands: count(1)?,
            started: count(2)?,
            wake_ups: count(3)?,
            leased: count(4)?,
            parked: count(5)?,
            behind: Duration::try_from_secs_f64(row.try_get(6)?).unwrap_or_default(),
        })
    }
}

impl ParkedWork {
    fn decode(row: &Row) -> Result<Self, tokio_postgres::Error> {
        let kind = match row.try_get(1)? {
            "c" => "command",
            "s" => "check",
            _ => "wake_up",
        };
        Ok(Self {
            id: row.try_get(0)?,
            kind,
            name: row.try_get(2)?,
            key: row.try_get::<_, Json<_>>(3)?.0,
            attempts: row.try_get::<_, i32>(4)?.unsigned_abs(),
            failure: row.try_get::<_, Option<String>>(5)?.unwrap_or_default(),
            parked_at: row.try_get(6)?,
            cause: Position::from_sql(row.try_get(7)?),
        })
    }
}
