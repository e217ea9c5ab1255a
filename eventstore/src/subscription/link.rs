//! What ties a subscription to its checkpoint.

use std::sync::{Mutex, PoisonError};

use time::OffsetDateTime;
use tokio_postgres::types::Type;
use tokio_postgres::{GenericClient, Row};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::error::{Error, ErrorKind};
use crate::filter::FilterFingerprint;
use crate::pool::{self, Param};
use crate::position::Position;
use crate::sql::{self, subscription};
use crate::sqlstate;
use crate::store::EventStore;
use crate::subscription::Start;
use crate::subscription::places::{Claim, Places};
use crate::telemetry::SubscriptionGauges;
use crate::token::Token;
use crate::visibility::once_visible;

/// A held row, shared by a subscription, its batches, and the heart.
#[derive(Debug)]
pub(crate) struct Link {
    store: EventStore,
    pub(super) name: String,
    /// Of this start alone: it tells this holder from all others.
    pub(super) holder: Uuid,
    places: Mutex<Places>,
    lost: CancellationToken,
    gauges: SubscriptionGauges,
}

/// What the statement that commits is told.
struct Commit<'a> {
    name: &'a str,
    holder: Uuid,
    position: i64,
    event_id: Uuid,
    known: i64,
    claimed: Option<i64>,
    claimed_on: Option<OffsetDateTime>,
}

impl Commit<'_> {
    fn as_params(&self) -> [Param<'_>; 7] {
        [
            (&self.name, Type::TEXT),
            (&self.holder, Type::UUID),
            (&self.position, Type::INT8),
            (&self.event_id, Type::UUID),
            (&self.known, Type::INT8),
            (&self.claimed, Type::INT8),
            (&self.claimed_on, Type::TIMESTAMPTZ),
        ]
    }
}

impl Link {
    /// Takes hold of a subscription, which is made if need be; with where it goes on.
    pub(super) async fn hold(
        store: &EventStore,
        name: &str,
        fingerprint: FilterFingerprint,
        start: Start,
    ) -> Result<(Self, Token), Error> {
        let hold = || Self::hold_now(store, name, fingerprint, start);
        once_visible(store.read_deadline(), hold).await
    }

    async fn hold_now(
        store: &EventStore,
        name: &str,
        fingerprint: FilterFingerprint,
        start: Start,
    ) -> Result<(Self, Token), Error> {
        let inner = store.inner();
        let (holder, (token, from_head)) = (Uuid::now_v7(), start.place());
        let (position, id) = (token.position().to_sql(), token.event_id().uuid());
        let (fingerprint, held_by) = (fingerprint.as_bytes(), who());
        let beat_every = store.settings().heartbeat_every.as_secs_f64() * 1e3;
        let params: [Param<'_>; 8] = [
            (&name, Type::TEXT),
            (&fingerprint, Type::BYTEA),
            (&position, Type::INT8),
            (&id, Type::UUID),
            (&from_head, Type::BOOL),
            (&holder, Type::UUID),
            (&held_by, Type::TEXT),
            (&beat_every, Type::FLOAT8),
        ];
        let sql = sql::for_schema(subscription::HOLD, &inner.schema);
        let primary = inner.servers.primary();
        let rows = pool::read(primary, &sql, &params, store.read_deadline()).await?;
        let row = rows.first().ok_or_else(|| Error::internal("a subscription was held without an answer"))?;
        let place = granted(name, row)
            .map_err(|why| why.unwrap_or_else(|error| sqlstate::classify(&error, primary.server())))?;
        let (places, lost) = (Mutex::new(Places::at(place)), CancellationToken::new());
        let gauges = store.metrics().consumers.subscription(name);
        Ok((Self { store: store.clone(), name: name.to_owned(), holder, places, lost, gauges }, place))
    }

    pub(super) fn places(&self) -> Places {
        *self.lock()
    }

    pub(super) fn hands_over(&self, events: usize, up_to: Token) {
        self.gauges.delivered.inc_by(events as u64);
        let mut places = self.lock();
        (places.handed, places.reached) = (up_to, up_to);
    }

    pub(super) fn has_reached(&self, place: Token) {
        self.lock().reached = place;
    }

    /// The checkpoint is at least here.
    pub(super) fn is_committed(&self, position: Position) {
        let places = {
            let mut places = self.lock();
            places.committed = places.committed.max(position);
            *places
        };
        // Where all that came is done with, so is what lies behind it.
        let done = match places.committed >= places.handed.position() {
            true => places.reached.position().max(places.committed),
            false => places.committed,
        };
        self.gauges.lag.tell(&self.store.inner().heads, done);
    }

    /// Somebody else has it now.
    pub(super) fn is_lost(&self) {
        self.lost.cancel();
    }

    /// Its checkpoint is before a place where it was: a failover lost what was committed.
    pub(super) fn is_behind(&self, position: Position) {
        self.lock().behind = Some(position);
        self.lost.cancel();
    }

    pub(super) fn was_lost(&self) -> bool {
        self.lost.is_cancelled()
    }

    /// Returns when it is, or its checkpoint has gone back.
    pub(super) async fn lost(&self) -> Error {
        self.lost.cancelled().await;
        match self.places().behind {
            Some(position) => self.gone_back(position),
            None => self.lease_lost(),
        }
    }

    pub(super) async fn commit(&self, token: Token) -> Result<(), Error> {
        self.store.check_open()?;
        once_visible(self.store.read_deadline(), || self.commit_now(token)).await
    }

    async fn commit_now(&self, token: Token) -> Result<(), Error> {
        let inner = self.store.inner();
        let (commit, sql) = (self.commit_of(token), sql::for_schema(subscription::COMMIT, &inner.schema));
        let params = commit.as_params();
        let rows = pool::read(inner.servers.primary(), &sql, &params, self.store.read_deadline()).await?;
        self.verdict(&rows, token)?;
        self.is_committed(token.position());
        Ok(())
    }

    pub(super) async fn commit_in<C: GenericClient + Sync>(
        &self,
        client: &C,
        token: Token,
    ) -> Result<(), Error> {
        self.store.check_open()?;
        once_visible(self.store.read_deadline(), || self.commit_in_now(client, token)).await
    }

    async fn commit_in_now<C: GenericClient + Sync>(&self, client: &C, token: Token) -> Result<(), Error> {
        let commit = self.commit_of(token);
        let values: Vec<_> = commit.as_params().map(|(value, ty)| (value, ty)).into();
        let sql = sql::for_schema(subscription::COMMIT, &self.store.inner().schema);
        let classify = |error| sqlstate::classify(&error, "the caller's transaction");
        let rows = client.query_typed(&sql, &values).await.map_err(classify)?;
        self.verdict(&rows, token)?;
        if let Some(server_began) = rows.first().and_then(|row| row.try_get(2).ok()) {
            self.lock().claim(Claim { position: token.position(), server_began });
        }
        Ok(())
    }

    fn commit_of(&self, token: Token) -> Commit<'_> {
        let places = self.places();
        let claim = places.claim_before(token.position());
        Commit {
            name: &self.name,
            holder: self.holder,
            position: token.position().to_sql(),
            event_id: token.event_id().uuid(),
            known: places.committed.to_sql(),
            claimed: claim.map(|claim| claim.position.to_sql()),
            claimed_on: claim.map(|claim| claim.server_began),
        }
    }

    fn verdict(&self, rows: &[Row], token: Token) -> Result<(), Error> {
        match rows.first().and_then(|row| row.try_get(0).ok()) {
            Some("committed") => Ok(()),
            Some("behind") => {
                let position = rows.first().and_then(|row| row.try_get(1).ok()).unwrap_or_default();
                let position = Position::from_sql(position);
                self.is_behind(position);
                Err(self.gone_back(position))
            }
            Some("lost") => {
                self.is_lost();
                Err(self.lease_lost())
            }
            Some("unseen") => Err(Error::unavailable(
                "the caller's transaction is older than the events; begin it after they were handed over",
            )),
            Some("diverged") => {
                let error = Error::diverged(
                    token.position(),
                    format!(
                        "subscription {:?} was handed events up to position {} that were lost in a failover",
                        self.name,
                        token.position()
                    ),
                );
                Err(self.store.inner().known.explain(error))
            }
            _ => Err(Error::internal("a commit of a checkpoint came without a verdict")),
        }
    }

    fn lease_lost(&self) -> Error {
        Error::new(
            ErrorKind::LeaseLost,
            format!("subscription {:?} is held by somebody else now, or was reset", self.name),
        )
    }

    fn gone_back(&self, position: Position) -> Error {
        let error = Error::diverged(
            position,
            format!(
                "the checkpoint of subscription {:?} is at position {position} again: a failover lost what was committed \
                 after it. Start it again, and it goes on from there",
                self.name
            ),
        );
        // Waiting does not bring it back.
        self.store.inner().known.explain(error.by_another_event())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where to go on, or why not.
fn granted(name: &str, row: &Row) -> Result<Token, Result<Error, tokio_postgres::Error>> {
    let position = Position::from_sql(row.try_get(1).map_err(Err)?);
    Err(Ok(match row.try_get(0).map_err(Err)? {
        "granted" => return Ok(Token::stored(position, row.try_get(2).map_err(Err)?)),
        "held" => {
            let (other, ago): (Option<&str>, Option<f64>) =
                (row.try_get(3).map_err(Err)?, row.try_get(4).map_err(Err)?);
            Error::unavailable(format!(
                "subscription {name:?} is held by {}, who gave a sign of life {:.1} s ago; one at a time may hold it: try \
                 again when that one has ended",
                other.unwrap_or("somebody"),
                ago.unwrap_or_default()
            ))
        }
        "filter" => Error::invalid(format!(
            "subscription {name:?} was made with another filter, so that its checkpoint says nothing of this one. Begin under a \
             new name after the old checkpoint (EventStore::subscription_status tells it), or delete the old one first \
             (EventStore::delete_subscription)"
        )),
        "diverged" => Error::diverged(
            position,
            format!(
                "subscription {name:?}: the log does not have the event at position {position} that it should go on from. It was \
                 lost in a failover or by a restore, or is of another log; EventStore::reset_subscription sets another checkpoint"
            ),
        ),
        _ => Error::internal("a subscription was held without a verdict"),
    }))
}

/// For a person who looks for the holder.
pub(crate) fn who() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let host = host.or_else(|| std::env::var("HOSTNAME").ok());
    format!("{} (process {})", host.as_deref().map_or("unknown host", str::trim), std::process::id())
}
