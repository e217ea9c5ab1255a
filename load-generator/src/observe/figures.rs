//! A group of figures that a server may refuse.

use testutil::Session;
use tokio_postgres::types::{FromSql, ToSql, Type};
use tokio_postgres::{Error, Row};

/// The row that has them, if there is one.
pub(super) struct Figures(Option<Row>);

impl Figures {
    /// # Errors
    /// If the connection is lost. What the server refuses is merely not there.
    pub(super) async fn of(
        session: &Session,
        statement: &str,
        parameters: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Self, Error> {
        Ok(Self(rows(session, statement, parameters).await?.into_iter().next()))
    }

    /// A number that is never negative.
    pub(super) fn count(&self, name: &str) -> Option<u64> {
        self.value::<i64>(name).and_then(|count| u64::try_from(count).ok())
    }

    pub(super) fn number(&self, name: &str) -> Option<f64> {
        self.value(name)
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.value(name)
    }

    /// `None` also for another type: a later version may have changed it.
    fn value<'a, T: FromSql<'a>>(&'a self, name: &str) -> Option<T> {
        self.0.as_ref()?.try_get::<_, Option<T>>(name).ok()?
    }
}

/// All rows; none if the server refuses. One round trip, and nothing is left prepared.
///
/// # Errors
/// If the connection is lost.
pub(super) async fn rows(
    session: &Session,
    statement: &str,
    parameters: &[(&(dyn ToSql + Sync), Type)],
) -> Result<Vec<Row>, Error> {
    match session.query_typed(statement, parameters).await {
        Ok(rows) => Ok(rows),
        // A right that is missing, or a view that this version does not have.
        Err(error) if error.code().is_some() => {
            tracing::debug!(%error, "figures that the server does not give");
            Ok(Vec::new())
        }
        Err(error) => Err(error),
    }
}
