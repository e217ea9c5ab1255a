//! Rows of statements that a server may refuse.

use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, ToSql, Type};

use crate::connect::{Session, Silence};

/// Asks one server, and notes what it refuses.
pub(super) struct Questions<'a> {
    session: &'a Session,
    pub(super) refused: Vec<String>,
}

impl<'a> Questions<'a> {
    pub(super) fn new(session: &'a Session) -> Self {
        Self { session, refused: Vec::new() }
    }

    /// The rows, each made into a value; none if the server refuses.
    ///
    /// # Errors
    /// If the connection is lost.
    pub(super) async fn rows<T>(
        &mut self,
        about: &str,
        statement: &str,
        parameters: &[(&(dyn ToSql + Sync), Type)],
        make: impl Fn(&Figures<'_>) -> T,
    ) -> Result<Vec<T>, String> {
        Ok(self.told(about, statement, parameters, make).await?.unwrap_or_default())
    }

    /// The rows, each made into a value; `None` if the server refuses. `about` names them then.
    ///
    /// # Errors
    /// If the connection is lost.
    pub(super) async fn told<T>(
        &mut self,
        about: &str,
        statement: &str,
        parameters: &[(&(dyn ToSql + Sync), Type)],
        make: impl Fn(&Figures<'_>) -> T,
    ) -> Result<Option<Vec<T>>, String> {
        match self.limited(statement, parameters).await {
            Ok(rows) => Ok(Some(rows.iter().map(|row| make(&Figures(row))).collect())),
            Err(Silence::Refused(why)) => {
                self.refused.push(format!("{about}: {why}"));
                Ok(None)
            }
            Err(Silence::Lost(why)) => Err(why),
        }
    }

    /// In a transaction with limits of its own: what waits for somebody's lock is refused, and the others are asked all the same. Settings
    /// of the session would stay with it where a pooler lends it on.
    async fn limited(
        &self,
        statement: &str,
        parameters: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<Row>, Silence> {
        self.session.rows("BEGIN READ ONLY", &[]).await?;
        self.session.rows(include_str!("../sql/limits.sql"), &[]).await?;
        let rows = self.session.rows(statement, parameters).await;
        // Rolls back where the statement failed.
        self.session.rows("COMMIT", &[]).await?;
        rows
    }

    /// The first row.
    ///
    /// # Errors
    /// If the connection is lost.
    pub(super) async fn one<T>(
        &mut self,
        about: &str,
        statement: &str,
        make: impl Fn(&Figures<'_>) -> T,
    ) -> Result<Option<T>, String> {
        Ok(self.rows(about, statement, &[], make).await?.into_iter().next())
    }
}

/// A row, by the names of its columns. What is NULL, or of another type in a later version, is zero or empty.
pub(super) struct Figures<'a>(&'a Row);

impl Figures<'_> {
    pub(super) fn value<'a, T: FromSql<'a>>(&'a self, name: &str) -> Option<T> {
        self.0.try_get::<_, Option<T>>(name).ok()?
    }

    pub(super) fn text(&self, name: &str) -> String {
        self.value(name).unwrap_or_default()
    }

    pub(super) fn count(&self, name: &str) -> u64 {
        self.value::<i64>(name).and_then(|count| u64::try_from(count).ok()).unwrap_or_default()
    }

    pub(super) fn number(&self, name: &str) -> f64 {
        self.value(name).unwrap_or_default()
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        self.value(name).unwrap_or_default()
    }
}
