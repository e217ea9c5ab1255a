//! A connection that appends, and one call of an append function on it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{Instant, timeout};
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use uuid::Uuid;

use crate::deadline;
use crate::error::{Error, ErrorKind};
use crate::event::EventId;
use crate::known_history::{Found, KnownHistory};
use crate::pool::{Param, Pool, PooledConnection};
use crate::position::Position;
use crate::settings::Settings;
use crate::sqlstate;

/// A call waits for the log's lock for two seconds at most (`lock_timeout` of the append function). A server that
/// says nothing for longer than that and a margin is not waiting: given up earlier, each call would leave a session
/// behind that still waits for the lock.
const LEAST_PATIENCE: Duration = Duration::from_secs(3);

/// A connection to the primary, for one statement.
pub(super) struct Session {
    connection: Box<dyn PooledConnection>,
    server: String,
    patience: Duration,
    /// When it is old enough for another one to take its place.
    old_from: Instant,
}

/// What a call returned that was committed.
pub(super) struct Committed {
    pub(super) rows: Vec<Row>,
    /// Whether the synchronous standby has confirmed it, if the server has one. What it has not may be lost in a failover.
    pub(super) is_confirmed: bool,
}

/// How a call ended that gave no verdicts.
pub(super) enum Failure {
    /// It was not sent: no connection.
    Unsent(Error),
    /// The server refused it, and rolled it back.
    Refused { error: Error, because: Refusal },
    /// It was sent, and whether it was committed is unknown.
    Unknown(Error),
}

/// What to do about a call that was rolled back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// One of its requests may be to blame.
    BadValue,
    /// It may pass by itself: the lock was not free in time, the server can not write now.
    Passing,
    Final,
}

impl Failure {
    pub(super) fn into_error(self) -> Error {
        let (Self::Refused { error, .. } | Self::Unsent(error) | Self::Unknown(error)) = self;
        error
    }

    /// Whether nothing was written, and sending it again may help.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Unsent(error) => error.kind() == ErrorKind::Unavailable,
            Self::Refused { because, .. } => *because == Refusal::Passing,
            Self::Unknown(_) => false,
        }
    }
}

impl Session {
    /// A session in which the statement is prepared.
    pub(super) async fn open(
        pool: &dyn Pool,
        sql: &str,
        types: &[Type],
        settings: &Settings,
    ) -> Result<Self, Error> {
        let connection = pool.acquire(deadline::after(settings.append_timeout)).await?;
        let server = pool.server().to_owned();
        // A stopped server still accepts connections, and then says nothing.
        let limit = settings.connect_timeout;
        let error = match timeout(limit, connection.prepare(sql, types)).await {
            Ok(Ok(())) => {
                // Half of an append's time, if that is long: a silent connection leaves the rest for another one.
                let patience = (settings.append_timeout / 2).max(LEAST_PATIENCE);
                let old_from = deadline::after(settings.connection_lifetime);
                return Ok(Self { connection, server, patience, old_from });
            }
            Ok(Err(error)) => sqlstate::classify(&error, &server),
            Err(_) => Error::timeout(ErrorKind::Unavailable, format!("{server}: no answer within {limit:?}")),
        };
        connection.discard();
        Err(error)
    }

    /// Has what is known of the log looked up where this connection leads to. The session comes back only if it is sound.
    pub(super) async fn verify(self, known: &KnownHistory, sql: &str) -> Result<Self, Error> {
        let (when, tokens) = (known.now(), known.tokens());
        if tokens.is_empty() {
            return Ok(self);
        }
        let positions: Vec<i64> = tokens.iter().map(|token| token.position().to_sql()).collect();
        let params: [Param<'_>; 1] = [(&positions, Type::INT8_ARRAY)];
        let error = match timeout(self.patience, self.connection.query(sql, &params)).await {
            Ok(Ok(rows)) => match found(&rows) {
                Ok(_) if rows.iter().any(|row| row.try_get(2).unwrap_or(false)) => {
                    Error::unavailable(format!("{} is a standby at the moment", self.server))
                }
                Ok(found) => {
                    known.found(&tokens, &found, &when, &self.server);
                    return Ok(self);
                }
                Err(error) => self.classify(&error),
            },
            // Who may append need not have the right to read.
            Ok(Err(error)) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => return Ok(self),
            Ok(Err(error)) => self.classify(&error),
            Err(_) => Error::timeout(ErrorKind::Unavailable, format!("{}: no answer", self.server)),
        };
        self.connection.discard();
        Err(error)
    }

    /// Closes the connection instead of giving it back.
    pub(super) fn discard(self) {
        self.connection.discard();
    }

    pub(super) fn is_old(&self) -> bool {
        Instant::now() >= self.old_from
    }

    pub(super) fn is_closed(&self) -> bool {
        self.connection.client().is_closed()
    }

    /// One call, in a transaction of its own. The session comes back only if it is known to be sound.
    pub(super) async fn call(
        self,
        sql: &str,
        params: &[Param<'_>],
        unconfirmed_commits: &AtomicU64,
    ) -> (Option<Self>, Result<Committed, Failure>) {
        let unconfirmed = unconfirmed_commits.load(Ordering::SeqCst);
        let answer = timeout(self.patience, self.connection.query(sql, params)).await;
        match answer {
            Ok(Ok(rows)) => {
                let is_confirmed = unconfirmed_commits.load(Ordering::SeqCst) == unconfirmed;
                (Some(self), Ok(Committed { rows, is_confirmed }))
            }
            Ok(Err(error)) => {
                let classified = self.classify(&error);
                if !sqlstate::is_rolled_back(&error) {
                    self.connection.discard();
                    return (None, Err(Failure::Unknown(classified)));
                }
                let because = if sqlstate::is_bad_value(&error) {
                    Refusal::BadValue
                } else if sqlstate::is_passing(&error) {
                    Refusal::Passing
                } else {
                    Refusal::Final
                };
                let failure = Failure::Refused { error: classified, because };
                if sqlstate::spoils_session(&error) {
                    self.connection.discard();
                    return (None, Err(failure));
                }
                (Some(self), Err(failure))
            }
            Err(_) => {
                let message = format!("{}: no answer to an append within {:?}", self.server, self.patience);
                self.connection.discard();
                (None, Err(Failure::Unknown(Error::unavailable(message))))
            }
        }
    }

    fn classify(&self, error: &tokio_postgres::Error) -> Error {
        sqlstate::classify(error, &self.server)
    }
}

/// Each row has the head. Where there is no event its id is nil.
fn found(rows: &[Row]) -> Result<Found, tokio_postgres::Error> {
    let mut found = Found { head: Position::START, events: Vec::with_capacity(rows.len()) };
    for row in rows {
        found.head = Position::from_sql(row.try_get(3)?);
        let id: Uuid = row.try_get(1)?;
        if !id.is_nil() {
            found.events.push((Position::from_sql(row.try_get(0)?), EventId::from(id)));
        }
    }
    Ok(found)
}
