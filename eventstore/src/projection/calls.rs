//! The statements of a projector, on the primary.

use tokio_postgres::types::Type;
use tokio_postgres::{Row, Transaction};

use crate::error::Error;
use crate::pool::{self, Param};
use crate::position::Position;
use crate::projection::definition::{Views, quoted};
use crate::sql::{self, projection};
use crate::sqlstate;
use crate::store::EventStore;

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
    /// In the place of this one.
    Swapped(i32),
    Behind,
    IsLive,
    Gone,
}

impl Calls {
    pub(super) async fn join(&self, version: i32) -> Result<Joined, Error> {
        let rows = self.call(projection::JOIN, &[(&self.name, Type::TEXT), (&version, Type::INT4)]).await?;
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
        let params: [Param<'_>; 2] = [(&self.name, Type::TEXT), (&generation, Type::INT4)];
        let rows = transaction.query_typed(&self.sql(projection::MAKE), &params).await?;
        rows.first().map_or(Ok(None), |row| row.try_get(0))
    }

    /// Puts the generation's schema first in the search path.
    pub(super) async fn begin(
        &self,
        transaction: &Transaction<'_>,
        generation: i32,
    ) -> Result<Begun, tokio_postgres::Error> {
        let (live, built) = (self.views.live(), self.views.of_generation(generation));
        let params: [Param<'_>; 4] =
            [(&self.name, Type::TEXT), (&generation, Type::INT4), (&live, Type::TEXT), (&built, Type::TEXT)];
        let rows = transaction.query_typed(&self.sql(projection::BEGIN_APPLY), &params).await?;
        let Some(row) = rows.first() else { return Ok(Begun::Gone) };
        Ok(if row.try_get(0)? { Begun::Paused } else { Begun::At(Position::from_sql(row.try_get(1)?)) })
    }

    /// Has a generation take the place of the live one in this transaction, tables and all.
    pub(super) async fn swap(
        &self,
        transaction: &Transaction<'_>,
        generation: i32,
    ) -> Result<Swap, tokio_postgres::Error> {
        let params: [Param<'_>; 2] = [(&self.name, Type::TEXT), (&generation, Type::INT4)];
        let rows = transaction.query_typed(&self.sql(projection::SWAP), &params).await?;
        let Some(row) = rows.first() else { return Ok(Swap::Gone) };
        let old: i32 = match row.try_get(0)? {
            "swapped" => row.try_get(1)?,
            "behind" => return Ok(Swap::Behind),
            "live" => return Ok(Swap::IsLive),
            _ => return Ok(Swap::Gone),
        };
        let live = quoted(self.views.live());
        let [out, into] = [old, generation].map(|number| quoted(&self.views.of_generation(number)));
        // The old one may never have had tables.
        let rename = format!(
            "DO $$ BEGIN IF to_regnamespace({}) IS NOT NULL THEN ALTER SCHEMA {live} RENAME TO {out}; END IF; END $$;
             ALTER SCHEMA {into} RENAME TO {live}",
            literal(&live)
        );
        transaction.batch_execute(&rename).await?;
        Ok(Swap::Swapped(old))
    }

    pub(super) async fn call(&self, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>, Error> {
        let primary = self.store.inner().servers.primary();
        pool::read(primary, &self.sql(sql), params, self.store.read_deadline()).await
    }

    pub(super) fn fault(&self, error: &tokio_postgres::Error) -> Error {
        sqlstate::classify(error, self.store.inner().servers.primary().server())
    }

    fn sql(&self, sql: &str) -> String {
        sql::for_schema(sql, &self.store.inner().schema)
    }
}

/// A text in a statement that takes no parameters.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
