//! Functions of the database that every append calls, in its own transaction.
//!
//! *Who owns what.* The log has the list of them, and a trigger on its events for as long as there is one: see
//! `migrations/0007/3_call_inline_v1.sql`. Only the log's owner registers one. A writer neither names a function nor hands one over.
//!
//! *What is promised.* What a function writes is committed with the events or not at all, in the order of the log.
//!
//! *Failures.* What a function raises refuses the append. The requests of a batch are then sent one by one where one of them may be to
//! blame, see [`is_bad_value`](crate::sqlstate::is_bad_value).

use time::OffsetDateTime;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::error::Error;
use crate::pool::Param;
use crate::position::Position;
use crate::sql::projection;
use crate::store::EventStore;

/// A function that every append calls.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InlineProjection {
    /// What it is called.
    pub name: String,
    /// The function, as PostgreSQL writes it, with its arguments.
    pub function: String,
    /// Whether appends can call it: it is there, and its owner has the rights of the log's owner. As long as it can not be called every
    /// append is refused.
    pub is_callable: bool,
    /// It is called for what stands after this position.
    pub after: Position,
    /// When it was registered, by the database's clock, in UTC.
    pub registered_at: OffsetDateTime,
}

impl EventStore {
    /// Has every append call a function of the database, in the append's own transaction, with the first and the last position that it
    /// has written: imports and other processes' appends too. The function has two arguments of type `bigint`, and is named with
    /// its schema: `library_views.count_loans`.
    ///
    /// The position is the one after which it is called: whoever wants what stands up to there as well calls the function for it. Again
    /// with the same name and function: the same position.
    ///
    /// It costs every writer: appends are written one batch after the other, and each waits until the functions are done with the batch
    /// before. `docs/projections.md` says what such a function has to heed. The log's owner has to call this, and own the function.
    ///
    /// ```no_run
    /// # async fn example(store: &eventstore::EventStore) -> Result<(), eventstore::Error> {
    /// // CREATE FUNCTION library_views.count_loans(first bigint, last bigint) RETURNS void
    /// // LANGUAGE sql SET search_path = library, library_views, pg_temp
    /// // AS $$ INSERT INTO loans SELECT position, payload->>'BookID' FROM events
    /// //       WHERE position BETWEEN first AND last AND event_type = 'BookCopyLentToReader' $$;
    /// let after = store.register_inline_projection("loans", "library_views.count_loans").await?;
    /// println!("called for every event after {after}");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for a function that is not there or not the owner's, for the name of another one, and where
    /// the rights are missing; [`Unavailable`](crate::ErrorKind::Unavailable), [`Closed`](crate::ErrorKind::Closed).
    pub async fn register_inline_projection(&self, name: &str, function: &str) -> Result<Position, Error> {
        let params: [Param<'_>; 2] = [(&name, Type::TEXT), (&function, Type::TEXT)];
        let rows = self.ask_projections(projection::REGISTER_INLINE, &params).await?;
        match rows.first().and_then(|row| row.try_get(0).ok()) {
            Some(after) => Ok(Position::from_sql(after)),
            None => Err(Error::internal("an inline projection was to be registered, without a position")),
        }
    }

    /// Has appends call it no more. Its function and its tables stay.
    ///
    /// With the last one a lock on the events is needed that waits for reads of the primary, and holds up others, for two seconds at most.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) if there is none of this name, and where the rights are missing;
    /// [`Unavailable`](crate::ErrorKind::Unavailable), with a long read in the way too; [`Closed`](crate::ErrorKind::Closed).
    pub async fn unregister_inline_projection(&self, name: &str) -> Result<(), Error> {
        let rows = self.ask_projections(projection::UNREGISTER_INLINE, &[(&name, Type::TEXT)]).await?;
        match rows.first().and_then(|row| row.try_get(0).ok()) {
            Some(true) => Ok(()),
            _ => Err(Error::invalid(format!("there is no inline projection {name:?}"))),
        }
    }

    /// The inline projections, as the primary has them, in the order in which they are called: that of their names.
    ///
    /// # Errors
    /// As [`head`](Self::head).
    pub async fn inline_projections(&self) -> Result<Vec<InlineProjection>, Error> {
        let rows = self.ask_projections(projection::LIST_INLINE, &[]).await?;
        let inline = rows.iter().map(InlineProjection::decode).collect::<Result<_, _>>();
        inline.map_err(|error| self.projection_fault(&error))
    }
}

impl InlineProjection {
    fn decode(row: &Row) -> Result<Self, tokio_postgres::Error> {
        Ok(Self {
            name: row.try_get(0)?,
            function: row.try_get(1)?,
            is_callable: row.try_get(2)?,
            after: Position::from_sql(row.try_get(3)?),
            registered_at: row.try_get(4)?,
        })
    }
}
