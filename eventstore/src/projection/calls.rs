//! The statements of a projector, on the primary.

use std::time::Duration;

use tokio_postgres::types::Type;
use tokio_postgres::{Row, Transaction};

use crate::error::Error;
use crate::lent::Borrower;
use crate::pool::{self, Param};
use crate::position::Position;
use crate::projection::definition::{Views, quoted};
use crate::sql::{self, projection};
use crate::sqlstate;
use crate::store::EventStore;

const LONGEST_LOCK_WAIT: Duration = Duration::from_secs(1);

/// A projection, as its projector calls it.
#[derive(Debug, Clone)]
pub(super) struct Calls {
    pub(super) store: EventStore,
    pub(super) name: String,
    pub(super) views: Views,
}

/// What there is to be run.
#[derive(Debug, Default)]
pub(super) struct Joined {
    /// Those of this version.
    pub(super) generations: Vec<i32>,
    pub(super) live_version: Option<i32>,
}

/// What a transaction finds at its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begun {
    /// Everything up to here is applied.
    At(Position),
    Paused,
    /// The generation is not there any more.
    Gone,
}

/// What came of a swap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Swap {
    Swapped,
    /// Not as far as the live one, whose checkpoint is locked now; or somebody is at work on one of both.
    Behind(Option<Position>),
    IsLive,
    Gone,
}

impl Calls {
    /// As it borrows connections.
    pub(super) fn borrower(&self) -> Borrower<'_> {
        Borrower { store: &self.store, projection: &self.name }
    }

    /// Begins it too, if it may be.
    pub(super) async fn join(&self, version: i32, may_begin: bool) -> Result<Joined, Error> {
        let params: [Param<'_>; 3] =
            [(&self.name, Type::TEXT), (&version, Type::INT4), (&may_begin, Type::BOOL)];
        let rows = self.call(projection::JOIN, &params).await?;
        let mut joined = Joined::default();
        for row in &rows {
            let generation: Option<i32> = row.try_get(0).map_err(|error| self.fault(&error))?;
            joined.live_version = row.try_get(2).map_err(|error| self.fault(&error))?;
            joined.generations.extend(generation);
        }
        Ok(joined)
    }

    pub(super) async fn resume(&self, generation: i32) -> Result<(), Error> {
        let params: [Param<'_>; 2] = [(&self.name, Type::TEXT), (&generation, Type::INT4)];
        self.call(projection::RESUME, &params).await.map(|_| ())
    }

    pub(super) async fn fail(&self, generation: i32, at: Position, why: &str) -> Result<(), Error> {
        let (at, why) = (at.to_sql(), why.replace('\0', "\u{fffd}"));
        let params: [Param<'_>; 4] =
            [(&self.name, Type::TEXT), (&generation, Type::INT4), (&at, Type::INT8), (&why, Type::TEXT)];
        self.call(projection::FAIL, &params).await.map(|_| ())
    }

    /// Whether the tables are to be made in this transaction; `None` if the generation is gone.
    pub(super) async fn make(
        &self,
        transaction: &Transaction<'_>,
        generation: i32,
    ) -> Result<Option<bool>, tokio_postgres::Error> {
        let limit = self.lock_limit();
        let params: [Param<'_>; 3] =
            [(&self.name, Type::TEXT), (&generation, Type::INT4), (&limit, Type::TEXT)];
        let rows = transaction.query_typed(&self.sql(projection::MAKE), &params).await?;
        rows.first().map_or(Ok(None), |row| row.try_get(0))
    }

    /// Puts a schema first in the search path, before the role's own.
    pub(super) async fn view_first(
        &self,
        transaction: &Transaction<'_>,
        schema: &str,
    ) -> Result<(), tokio_postgres::Error> {
        transaction.query_typed(projection::PATH, &[(&schema, Type::TEXT)]).await.map(|_| ())
    }

    /// Puts the generation's schema first in the search path.
    pub(super) async fn begin(
        &self,
        transaction: &Transaction<'_>,
        generation: i32,
    ) -> Result<Begun, tokio_postgres::Error> {
        let (live, built) = (self.views.live(), self.views.of_generation(generation));
        let limit = self.lock_limit();
        let params: [Param<'_>; 5] = [
            (&self.name, Type::TEXT),
            (&generation, Type::INT4),
            (&live, Type::TEXT),
            (&built, Type::TEXT),
            (&limit, Type::TEXT),
        ];
        let rows = transaction.query_typed(&self.sql(projection::BEGIN_APPLY), &params).await?;
        let Some(row) = rows.first() else { return Ok(Begun::Gone) };
        Ok(if row.try_get(0)? { Begun::Paused } else { Begun::At(Position::from_sql(row.try_get(1)?)) })
    }

    /// Has a generation take the place of the live one in this transaction, tables and all. Nothing that matches and is not applied
    /// stands up to a position, if that is known.
    pub(super) async fn swap(
        &self,
        transaction: &Transaction<'_>,
        generation: i32,
        nothing_up_to: Option<Position>,
    ) -> Result<Swap, tokio_postgres::Error> {
        let (nothing_up_to, limit) = (nothing_up_to.unwrap_or_default().to_sql(), self.lock_limit());
        let params: [Param<'_>; 4] = [
            (&self.name, Type::TEXT),
            (&generation, Type::INT4),
            (&nothing_up_to, Type::INT8),
            (&limit, Type::TEXT),
        ];
        let rows = transaction.query_typed(&self.sql(projection::SWAP), &params).await?;
        let Some(row) = rows.first() else { return Ok(Swap::Gone) };
        let old: i32 = match row.try_get(0)? {
            "swapped" => row.try_get(1)?,
            "behind" => return Ok(Swap::Behind(row.try_get::<_, Option<i64>>(2)?.map(Position::from_sql))),
            "live" => return Ok(Swap::IsLive),
            _ => return Ok(Swap::Gone),
        };
        let live = quoted(self.views.live());
        let [out, into] = [old, generation].map(|number| quoted(&self.views.of_generation(number)));
        if self.is_own(transaction, self.views.live()).await? {
            transaction.batch_execute(&format!("ALTER SCHEMA {live} RENAME TO {out}")).await?;
        }
        transaction.batch_execute(&format!("ALTER SCHEMA {into} RENAME TO {live}")).await?;
        Ok(Swap::Swapped)
    }

    /// Drops a schema, if it is there and has this projection's tables.
    pub(super) async fn drop_schema(
        &self,
        transaction: &Transaction<'_>,
        schema: &str,
    ) -> Result<(), tokio_postgres::Error> {
        if self.is_own(transaction, schema).await? {
            let drop = format!("SET LOCAL lock_timeout = '1s'; DROP SCHEMA {} CASCADE", quoted(schema));
            transaction.batch_execute(&drop).await?;
        }
        Ok(())
    }

    /// Drops the schemas of generations that are not there any more. The caller keeps the projection from being deleted meanwhile, so that
    /// none of their numbers comes again.
    pub(super) async fn drop_orphans(
        &self,
        transaction: &Transaction<'_>,
    ) -> Result<(), tokio_postgres::Error> {
        let (mark, live) = (self.views.mark(), self.views.live());
        let params: [Param<'_>; 3] = [(&self.name, Type::TEXT), (&mark, Type::TEXT), (&live, Type::TEXT)];
        for row in transaction.query_typed(&self.sql(projection::ORPHANS), &params).await? {
            self.drop_schema(transaction, row.try_get(0)?).await?;
        }
        Ok(())
    }

    /// The generations that were deleted; the verdict if they were not.
    pub(super) async fn delete(
        &self,
        transaction: &Transaction<'_>,
    ) -> Result<Result<Vec<i32>, String>, tokio_postgres::Error> {
        let limit = self.lock_limit();
        let params: [Param<'_>; 2] = [(&self.name, Type::TEXT), (&limit, Type::TEXT)];
        let rows = transaction.query_typed(&self.sql(projection::DELETE), &params).await?;
        let Some(row) = rows.first() else { return Ok(Err(String::new())) };
        let verdict: String = row.try_get(0)?;
        if verdict == "deleted" { row.try_get(1).map(Ok) } else { Ok(Err(verdict)) }
    }

    async fn is_own(
        &self,
        transaction: &Transaction<'_>,
        schema: &str,
    ) -> Result<bool, tokio_postgres::Error> {
        let mark = self.views.mark();
        let params: [Param<'_>; 2] = [(&schema, Type::TEXT), (&mark, Type::TEXT)];
        Ok(!transaction.query_typed(projection::IS_OWN, &params).await?.is_empty())
    }

    pub(super) async fn call(&self, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>, Error> {
        let primary = self.store.inner().servers.primary();
        pool::read(primary, &self.sql(sql), params, self.store.read_deadline()).await
    }

    pub(super) fn fault(&self, error: &tokio_postgres::Error) -> Error {
        sqlstate::classify(error, self.store.inner().servers.primary().server())
    }

    /// How long a lock is waited for, in milliseconds: a statement that takes longer than a read may is given up, and whoever holds the lock
    /// is then waited for again.
    fn lock_limit(&self) -> String {
        let limit = (self.store.settings().query_timeout / 2).min(LONGEST_LOCK_WAIT);
        limit.as_millis().max(1).to_string()
    }

    fn sql(&self, sql: &str) -> String {
        sql::for_schema(sql, &self.store.inner().schema)
    }
}
