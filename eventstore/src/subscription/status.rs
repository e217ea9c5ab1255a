//! What is known of subscriptions, and setting their checkpoints.

use std::time::Duration;

use time::OffsetDateTime;
use tokio_postgres::Row;
use tokio_postgres::types::Type;
use uuid::Uuid;

use crate::error::{Error, ErrorKind};
use crate::pool::{self, Param};
use crate::position::Position;
use crate::sql::{self, subscription};
use crate::sqlstate;
use crate::store::EventStore;
use crate::subscription::{Start, check_name, check_not_reserved};
use crate::token::Token;
use crate::visibility::once_visible;

/// A subscription as the primary has it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct SubscriptionStatus {
    /// Its name.
    pub name: String,
    /// Its checkpoint: everything up to here is done with.
    pub checkpoint: Token,
    /// When that was committed last, by the database's clock, in UTC.
    pub committed_at: OffsetDateTime,
    /// Who holds it, or held it last.
    pub held_by: Option<String>,
    /// When it gave the last sign of life, by the database's clock, in UTC; `None` if nobody holds it.
    pub beat_at: Option<OffsetDateTime>,
    /// Whether somebody holds it who has not missed two heartbeats.
    pub is_alive: bool,
    /// How many events of the log lie behind the checkpoint; most of them may not match.
    pub events_behind: u64,
    /// How long ago the first of these was recorded; zero if there are none.
    pub behind: Duration,
}

impl EventStore {
    /// The subscriptions that have a checkpoint, by name, as the primary has them.
    ///
    /// # Errors
    /// As [`head`](Self::head).
    pub async fn subscriptions(&self) -> Result<Vec<SubscriptionStatus>, Error> {
        self.list_subscriptions(None).await
    }

    /// One of them, if it is there.
    ///
    /// # Errors
    /// As [`head`](Self::head).
    pub async fn subscription_status(&self, name: &str) -> Result<Option<SubscriptionStatus>, Error> {
        Ok(self.list_subscriptions(Some(name)).await?.pop())
    }

    /// Sets the checkpoint of a subscription that nobody holds; the next start goes on from there. [`Start::Now`] is the head that the
    /// primary has.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) if there is no such subscription;
    /// [`Unavailable`](crate::ErrorKind::Unavailable) if somebody holds it: stop that one first;
    /// [`HistoryDiverged`](crate::ErrorKind::HistoryDiverged) if the log does not have the event of the token;
    /// [`Closed`](crate::ErrorKind::Closed).
    pub async fn reset_subscription(&self, name: &str, to: Start) -> Result<(), Error> {
        let token = match to {
            Start::Now => self.head().await?,
            Start::Beginning | Start::After(_) => to.place().0,
        };
        once_visible(self.read_deadline(), || self.settle_subscription(name, Some(token))).await
    }

    /// Deletes a subscription that nobody holds: with a checkpoint the name can only go on, without one it begins anew, with whatever
    /// filter.
    ///
    /// # Errors
    /// As [`reset_subscription`](Self::reset_subscription).
    pub async fn delete_subscription(&self, name: &str) -> Result<(), Error> {
        self.settle_subscription(name, None).await
    }

    async fn settle_subscription(&self, name: &str, to: Option<Token>) -> Result<(), Error> {
        self.check_open()?;
        check_name("subscription", name)?;
        check_not_reserved(name)?;
        let inner = self.inner();
        let position = to.map(|token| token.position().to_sql());
        let id = to.map(|token| token.event_id().uuid());
        let params: [Param<'_>; 3] = [(&name, Type::TEXT), (&position, Type::INT8), (&id, Type::UUID)];
        let sql = sql::for_schema(subscription::RESET, &inner.schema);
        let rows = pool::read(inner.servers.primary(), &sql, &params, self.read_deadline()).await?;
        match rows.first().and_then(|row| row.try_get(0).ok()) {
            Some("reset") => Ok(()),
            Some("missing") => Err(Error::invalid(format!("there is no subscription {name:?}"))),
            Some("held") => Err(Error::new(
                ErrorKind::Unavailable,
                format!("subscription {name:?} is held by somebody who is alive; stop that one first"),
            )),
            Some("diverged") => Err(Error::diverged(
                to.unwrap_or_default().position(),
                format!("the log does not have the event that subscription {name:?} was to be set to"),
            )),
            _ => Err(Error::internal("a subscription was reset without a verdict")),
        }
    }

    async fn list_subscriptions(&self, name: Option<&str>) -> Result<Vec<SubscriptionStatus>, Error> {
        self.check_open()?;
        let inner = self.inner();
        let sql = sql::for_schema(subscription::LIST, &inner.schema);
        let primary = inner.servers.primary();
        let rows = pool::read(primary, &sql, &[(&name, Type::TEXT)], self.read_deadline()).await?;
        let statuses = rows.iter().map(SubscriptionStatus::decode).collect::<Result<_, _>>();
        statuses.map_err(|error| sqlstate::classify(&error, primary.server()))
    }
}

impl SubscriptionStatus {
    fn decode(row: &Row) -> Result<Self, tokio_postgres::Error> {
        let position = Position::from_sql(row.try_get(1)?);
        let head = Position::from_sql(row.try_get(7)?);
        let seconds: Option<f64> = row.try_get(8)?;
        Ok(Self {
            name: row.try_get(0)?,
            checkpoint: Token::stored(position, row.try_get::<_, Uuid>(2)?),
            committed_at: row.try_get(3)?,
            held_by: row.try_get(4)?,
            beat_at: row.try_get(5)?,
            is_alive: row.try_get(6)?,
            events_behind: head.get().saturating_sub(position.get()),
            behind: Duration::try_from_secs_f64(seconds.unwrap_or_default()).unwrap_or_default(),
        })
    }
}
