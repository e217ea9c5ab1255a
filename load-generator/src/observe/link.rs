//! A connection that is opened again when it is lost.

use std::time::Duration;

use testutil::Session;
use tokio_postgres::Error;

use crate::connection;

/// Less than the second between two looks.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_millis(900);

/// The one connection to a server. After a failure there is none until the next look.
pub(crate) struct Link {
    name: String,
    dsn: String,
    session: Option<Session>,
}

impl Link {
    pub(crate) fn new(name: String, dsn: &str) -> Self {
        Self { name, dsn: dsn.to_owned(), session: None }
    }

    /// The server's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The connection, a new one if there is none. Given up at any time, it leaves nothing half open.
    pub(crate) async fn open(&mut self) -> Result<&Session, Error> {
        let session = match self.session.take() {
            Some(session) if !session.is_closed() => session,
            _ => connection::connect(&self.dsn).await?,
        };
        Ok(self.session.insert(session))
    }

    /// Gives the connection up: one that was silent may stay silent for minutes after its server is back.
    pub(crate) fn lose(&mut self) {
        self.session = None;
    }
}
