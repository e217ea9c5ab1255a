//! Saving, loading and deleting the snapshot of one name and filter.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use time::OffsetDateTime;
use tokio_postgres::Row;
use tokio_postgres::types::Type;
use tracing::debug;
use uuid::Uuid;

use crate::consistency::Consistency;
use crate::deadline;
use crate::error::{Error, ErrorKind};
use crate::filter::{Filter, FilterFingerprint};
use crate::pool::{self, Param};
use crate::position::Position;
use crate::settings::ReplicaFallback;
use crate::sql::{self, JsonText, snapshot};
use crate::store::EventStore;
use crate::token::Token;

const MAX_NAME_BYTES: usize = 255;
/// How long a replica may take to look for a snapshot: the primary has it too.
const PATIENCE: Duration = Duration::from_secs(1);
/// PostgreSQL would take almost 1 GiB; a state this large is not one to be read for each decision.
const MAX_STATE_BYTES: usize = 256 << 20;

/// The place of one snapshot: a name and a filter. See [`EventStore::snapshot`].
#[derive(Debug, Clone)]
pub struct SnapshotKey {
    store: EventStore,
    name: String,
    filter: Filter,
}

/// A state, and the point in history up to which the events of its filter are in it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Snapshot<S> {
    /// The state.
    pub state: S,
    /// Read on from here.
    pub token: Token,
    /// When it was saved, by the database's clock, in UTC.
    pub saved_at: OffsetDateTime,
}

impl SnapshotKey {
    pub(crate) fn new(store: &EventStore, name: String, filter: &Filter) -> Self {
        Self { store: store.clone(), name, filter: filter.clone() }
    }

    /// Saves a state that has every matching event up to `token` in it, unless the one there is newer, or the log does not
    /// have the event of the token. Tells whether it was saved. Of many that save at once the one with the highest position stays.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for a state that JSON can not hold or over 256 MiB of it, or for an empty
    /// or overlong name; [`Unavailable`](crate::ErrorKind::Unavailable), [`Closed`](crate::ErrorKind::Closed).
    ///
    /// # Cancellation
    /// Saved or not.
    pub async fn save<S: Serialize>(&self, state: &S, token: Token) -> Result<bool, Error> {
        let state = serde_json::to_string(state).map_err(|error| {
            Error::invalid(format!("state of snapshot {:?} can not be written as JSON: {error}", self.name))
        })?;
        self.save_text(state, token).await
    }

    pub(super) fn store(&self) -> &EventStore {
        &self.store
    }

    pub(super) async fn save_text(&self, state: String, token: Token) -> Result<bool, Error> {
        if state.len() > MAX_STATE_BYTES {
            return Err(Error::invalid(format!(
                "state of snapshot {:?} has {} bytes of JSON; expected at most {MAX_STATE_BYTES}",
                self.name,
                state.len()
            )));
        }
        let (position, id, state) = (token.position().to_sql(), token.event_id().uuid(), JsonText(state));
        let values: [Param<'_>; 3] = [(&position, Type::INT8), (&id, Type::UUID), (&state, Type::JSON)];
        let rows = self.on_primary(snapshot::SAVE, &values).await?;
        Ok(rows.first().is_some_and(|row| row.get::<_, Option<bool>>(0) == Some(true)))
    }

    /// Loads the snapshot; `None` if there is none. Reads the primary.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) if it does not have the shape of `S`: delete it, or use another name;
    /// [`HistoryDiverged`](crate::ErrorKind::HistoryDiverged) if it rests on events that were lost in a failover;
    /// [`Unavailable`](crate::ErrorKind::Unavailable), [`Closed`](crate::ErrorKind::Closed).
    pub async fn load<S: DeserializeOwned>(&self) -> Result<Option<Snapshot<S>>, Error> {
        self.load_with(Consistency::Strong).await
    }

    /// A replica may have an older snapshot, or none, and that does no harm: what came since is read anyway.
    pub(super) async fn load_with<S: DeserializeOwned>(
        &self,
        consistency: Consistency,
    ) -> Result<Option<Snapshot<S>>, Error> {
        let answered = if consistency == Consistency::Strong { None } else { self.on_replica().await? };
        let rows = match answered {
            Some(rows) => rows,
            None if self.keeps_from_primary(consistency) => return Ok(None),
            None => self.on_primary(snapshot::LOAD, &[]).await?,
        };
        rows.first().map(|row| self.decode(row)).transpose()
    }

    /// Deletes the snapshot, if there is one; tells whether there was.
    ///
    /// # Errors
    /// [`Unavailable`](crate::ErrorKind::Unavailable), after which it may be deleted or not; [`Closed`](crate::ErrorKind::Closed).
    ///
    /// # Cancellation
    /// Deleted or not, and harmless to repeat.
    pub async fn delete(&self) -> Result<bool, Error> {
        let rows = self.on_primary(snapshot::DELETE, &[]).await?;
        Ok(rows.first().is_some_and(|row| row.get::<_, Option<bool>>(0) == Some(true)))
    }

    /// Whether a read that a replica may answer must not go to the primary.
    fn keeps_from_primary(&self, consistency: Consistency) -> bool {
        let inner = self.store.inner();
        consistency != Consistency::Strong
            && !inner.servers.replicas().is_empty()
            && inner.settings.replica_fallback == ReplicaFallback::Fail
    }

    /// What the first sound replica has of this log and this history; `None` if no replica answers.
    async fn on_replica(&self) -> Result<Option<Vec<Row>>, Error> {
        self.store.check_open()?;
        let inner = self.store.inner();
        let (sql, fingerprint) = (sql::for_schema(snapshot::LOAD, &inner.schema), self.check()?);
        for replica in inner.servers.in_rotation() {
            let (key, _counted) = (self.params(&fingerprint), replica.reading());
            let soon = deadline::after(PATIENCE.min(inner.settings.query_timeout));
            match pool::read(replica.pool(), &sql, &key, soon).await {
                Ok(rows) => {
                    let of_this_log = |row: &Row| {
                        let (is_of_this_history, is_standby) = (row.get::<_, bool>(4), row.get::<_, bool>(5));
                        let log = inner.servers.log();
                        is_of_this_history
                            && is_standby
                            && (log.is_none() || row.get::<_, Option<Uuid>>(6) == log)
                    };
                    return Ok(Some(rows.into_iter().filter(of_this_log).collect()));
                }
                // That a large one does not come so soon says nothing of the replica: its watch judges.
                Err(error) => {
                    debug!(server = replica.pool().server(), %error, "no snapshot from the replica");
                }
            }
        }
        Ok(None)
    }

    async fn on_primary(&self, statement: &str, values: &[Param<'_>]) -> Result<Vec<Row>, Error> {
        self.store.check_open()?;
        let inner = self.store.inner();
        let (sql, fingerprint) = (sql::for_schema(statement, &inner.schema), self.check()?);
        let mut params = self.params(&fingerprint);
        params.extend(values.iter().map(|(value, ty)| (*value, ty.clone())));
        pool::read(inner.servers.primary(), &sql, &params, self.store.read_deadline()).await
    }

    fn check(&self) -> Result<Vec<u8>, Error> {
        if self.name.is_empty() || self.name.len() > MAX_NAME_BYTES || self.name.contains('\0') {
            return Err(Error::invalid(format!(
                "snapshot name has {} bytes; expected 1 to {MAX_NAME_BYTES}, without NUL",
                self.name.len()
            )));
        }
        self.filter.fingerprint().map(|fingerprint: FilterFingerprint| fingerprint.as_bytes().to_vec())
    }

    fn params<'a>(&'a self, fingerprint: &'a Vec<u8>) -> Vec<Param<'a>> {
        vec![(&self.name, Type::TEXT), (fingerprint, Type::BYTEA)]
    }

    fn decode<S: DeserializeOwned>(&self, row: &Row) -> Result<Snapshot<S>, Error> {
        let position = Position::from_sql(row.get(0));
        if !row.get::<_, bool>(4) {
            return Err(Error::new(
                ErrorKind::HistoryDiverged,
                format!(
                    "snapshot {:?} rests on an event at position {position} that the log does not have: it was lost in \
                     a failover",
                    self.name
                ),
            ));
        }
        // serde_json's own message may quote the state, so it is not passed on.
        let state = serde_json::from_str(row.get(3)).map_err(|_| {
            Error::invalid(format!(
                "snapshot {:?} at position {position} has another shape than the state it is decoded into; delete it, or \
                 use another name for the new shape",
                self.name
            ))
        })?;
        let token = Token::new(position, row.get::<_, Uuid>(1).into());
        Ok(Snapshot { state, token, saved_at: row.get(2) })
    }
}
