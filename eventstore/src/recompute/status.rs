//! What is known of recomputed projections, and what operators do with them.

use std::time::Duration;

use tokio_postgres::Row;
use tokio_postgres::types::Type;
use uuid::Uuid;

use crate::error::Error;
use crate::position::Position;
use crate::recompute::calls::Calls;
use crate::sql::recompute;
use crate::store::EventStore;
use crate::token::Token;

/// A recomputed projection, as the primary has it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct RecomputeStatus {
    /// The projection.
    pub name: String,
    /// The keys that events have named so far.
    pub keys: u64,
    /// How many of them are to be recomputed and nobody is at work on, those too whose interval has not passed.
    pub due: u64,
    /// How many are being recomputed.
    pub running: u64,
    /// How many have failed when they were computed last, and are tried again.
    pub failing: u64,
    /// For how long something has been missing of what is shown of a key, at most; zero if nothing is. It counts from when the event was
    /// noted, or from the begin of the recompute during which it came.
    pub oldest_wait: Duration,
    /// Events up to here were noted.
    pub checkpoint: Token,
    /// How many events of the log lie behind that; most of them may not match.
    pub events_behind: u64,
    /// Who follows the log, or did so last.
    pub run_by: Option<String>,
    /// Whether somebody follows it who has not missed two heartbeats.
    pub is_alive: bool,
    /// The key that has failed most often.
    pub failure: Option<RecomputeFailure>,
}

/// A key that could not be recomputed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecomputeFailure {
    /// Which one.
    pub key: String,
    /// How often it was tried since it was saved last.
    pub attempts: u32,
    /// Why it failed the last time.
    pub why: String,
}

impl EventStore {
    /// The recomputed projections, by name, or the one that is named: none if nobody has run it. It reads all of their keys.
    ///
    /// # Errors
    /// As [`head`](Self::head).
    pub async fn recomputes(&self, name: Option<&str>) -> Result<Vec<RecomputeStatus>, Error> {
        let calls = Calls::new(self, name.unwrap_or_default());
        let rows = calls.call(recompute::LIST, &[(&name, Type::TEXT)]).await?;
        let statuses = rows.iter().map(RecomputeStatus::decode).collect::<Result<_, _>>();
        statuses.map_err(|error| calls.fault(&error))
    }

    /// Has a key recomputed though it has no new event, as soon as its interval allows, and anew if it is being recomputed: what is shown of
    /// it was changed by mistake, say. Whoever runs the projection finds it within [`Settings::poll_every`](crate::Settings::poll_every).
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) if no event has named the key yet; [`Unavailable`](crate::ErrorKind::Unavailable),
    /// [`Closed`](crate::ErrorKind::Closed).
    pub async fn recompute_key(&self, name: &str, key: &str) -> Result<(), Error> {
        match Calls::new(self, name).requeue_key(key).await? {
            true => Ok(()),
            false => Err(Error::invalid(format!("recomputed projection {name:?} has no key {key:?}"))),
        }
    }

    /// The same for all keys that a projection has: `compute` or `save` has changed, say; stop whoever runs the old code first. Tells how many
    /// there are. Servers that do not answer are waited for.
    ///
    /// # Errors
    /// As [`head`](Self::head).
    pub async fn recompute_all(&self, name: &str) -> Result<u64, Error> {
        Calls::new(self, name).requeue_all().await
    }

    /// Forgets the keys and the checkpoint of a projection that nobody runs: run again, it begins with the first event, with another
    /// filter if need be. What was saved stays.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) if there is no such projection; [`Unavailable`](crate::ErrorKind::Unavailable) if somebody
    /// runs it: stop that one first; [`Closed`](crate::ErrorKind::Closed).
    pub async fn delete_recomputed(&self, name: &str) -> Result<(), Error> {
        match Calls::new(self, name).delete().await?.as_str() {
            "deleted" => Ok(()),
            "missing" => Err(Error::invalid(format!("there is no recomputed projection {name:?}"))),
            "held" => Err(Error::unavailable(format!(
                "recomputed projection {name:?} is run by somebody who is alive; stop that one first"
            ))),
            _ => Err(Error::internal("a recomputed projection was deleted without a verdict")),
        }
    }
}

impl RecomputeStatus {
    fn decode(row: &Row) -> Result<Self, tokio_postgres::Error> {
        let count = |column: usize| row.try_get::<_, i64>(column).map(i64::unsigned_abs);
        let position = Position::from_sql(row.try_get(1)?);
        let key: Option<String> = row.try_get(11)?;
        let failure = match key {
            None => None,
            Some(key) => Some(RecomputeFailure {
                key,
                attempts: row.try_get::<_, i32>(12)?.unsigned_abs(),
                why: row.try_get(13)?,
            }),
        };
        Ok(Self {
            name: row.try_get(0)?,
            keys: count(6)?,
            due: count(7)?,
            running: count(8)?,
            failing: count(9)?,
            oldest_wait: Duration::try_from_secs_f64(row.try_get(10)?).unwrap_or_default(),
            checkpoint: Token::stored(position, row.try_get::<_, Uuid>(2)?),
            events_behind: count(3)?.saturating_sub(position.get()),
            run_by: row.try_get(4)?,
            is_alive: row.try_get(5)?,
            failure,
        })
    }
}
