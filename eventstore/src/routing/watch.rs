//! The tasks that look at the servers.
//!
//! *States.* A task sleeps until its next tick, or until a read makes its replica suspect; then it asks, for [`PATIENCE`] at
//! most, and says what it found. It waits for nobody and holds nothing meanwhile.
//!
//! *The primary* is asked too, once a tick and whatever reads do: for the head that tells by how much replicas lag, and for the
//! events that this handle knows, so that one which only reads notices what a failover lost. A primary that does not answer
//! changes nothing: its reads tell their callers.
//!
//! *The end.* Dropping the watch, or closing the store, aborts the tasks wherever they are: they only read.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_postgres::Row;
use tokio_postgres::types::Type;
use tracing::debug;
use uuid::Uuid;

use crate::error::Error;
use crate::event::EventId;
use crate::pool::{self, Param, Pool};
use crate::position::Position;
use crate::routing::{Blame, Replica, Servers};
use crate::settings::Settings;
use crate::sqlstate;
use crate::token::Token;

/// How long a server has to answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// The tasks of one handle; they end with it.
#[derive(Debug)]
pub(crate) struct Watch(Vec<AbortHandle>);

/// What a server says of itself.
struct View {
    standby: bool,
    log: Option<Uuid>,
    head: Token,
    /// How much WAL it has written, or replayed, in bytes.
    wal: Option<i64>,
    /// What stands where it was asked.
    found: Vec<(Position, EventId)>,
}

/// What the tasks share.
struct Watched {
    servers: Arc<Servers>,
    sql: String,
    every: Duration,
    max_lag: Duration,
    /// How much WAL the primary has written, in bytes; 0 before it told.
    written: AtomicI64,
}

impl Watch {
    /// Starts a task for each server, with a pool of one connection each: the primary's, and the replicas' in their order.
    /// Without replicas there is nothing to choose, and so nothing to watch.
    pub(crate) fn start(
        servers: &Arc<Servers>,
        sql: String,
        settings: &Settings,
        primary: Arc<dyn Pool>,
        replicas: Vec<Arc<dyn Pool>>,
    ) -> Self {
        if replicas.is_empty() {
            return Self(Vec::new());
        }
        let watched = Arc::new(Watched {
            servers: Arc::clone(servers),
            sql,
            every: settings.replica_watch_every,
            max_lag: settings.replica_max_lag,
            written: AtomicI64::new(0),
        });
        let of_primary = tokio::spawn(Arc::clone(&watched).primary(primary)).abort_handle();
        let of_replicas = replicas
            .into_iter()
            .enumerate()
            .map(|(number, pool)| tokio::spawn(Arc::clone(&watched).replica(number, pool)).abort_handle());
        Self([of_primary].into_iter().chain(of_replicas).collect())
    }

    pub(crate) fn end(&self) {
        self.0.iter().for_each(AbortHandle::abort);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.end();
    }
}

impl Watched {
    async fn primary(self: Arc<Self>, pool: Arc<dyn Pool>) {
        let mut ticks = self.ticks();
        loop {
            ticks.tick().await;
            let (begun, when) = (Instant::now(), self.servers.known.now());
            let known = self.servers.known.tokens();
            let lacked = self.servers.replicas().iter().map(|replica| replica.lacked());
            let lacked: Vec<Option<Token>> = lacked.collect();
            let tokens: Vec<Token> = known.iter().copied().chain(lacked.iter().flatten().copied()).collect();
            match self.look(&pool, &tokens).await {
                Ok(view) if !view.standby => {
                    view.wal.inspect(|wal| self.written.store(*wal, Ordering::Relaxed));
                    self.servers.known.found(&known, &view.found, &when, pool.server());
                    self.servers.saw_primary((begun, &when), view.head, view.log);
                    // What nobody has any more no replica can be asked for.
                    let replicas = self.servers.replicas().iter().zip(lacked);
                    for (replica, _) in
                        replicas.filter(|(_, lacked)| lacked.is_some_and(|token| !view.has(token)))
                    {
                        replica.lacks_nothing();
                    }
                }
                Ok(_) => debug!(server = pool.server(), "the primary is a standby at the moment"),
                Err(error) => debug!(server = pool.server(), %error, "the primary does not answer"),
            }
        }
    }

    async fn replica(self: Arc<Self>, number: usize, pool: Arc<dyn Pool>) {
        let Some(replica) = self.servers.replicas().get(number) else { return };
        let mut ticks = self.ticks();
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = replica.is_doubted() => {}
            }
            let mut tokens = self.servers.known.tokens();
            tokens.extend(replica.lacked());
            match self.look(&pool, &tokens).await {
                Ok(view) => match self.judge(&view, &tokens, replica) {
                    Ok(()) => {
                        replica.lacks_nothing();
                        replica.is_sound();
                    }
                    Err(why) => replica.leaves(&why),
                },
                Err(error) => match Blame::of(&error) {
                    Blame::Server => replica.leaves(&error.to_string()),
                    Blame::Unclear => replica.leaves(&format!("it does not answer within {PATIENCE:?}")),
                    // It answers: the log has not been made there yet, or is not for this user.
                    Blame::Call => replica.is_sound(),
                },
            }
        }
    }

    /// Why a replica should not be read.
    fn judge(&self, view: &View, tokens: &[Token], replica: &Replica) -> Result<(), String> {
        let (servers, head) = (&self.servers, view.head.position());
        if !view.standby {
            return Err("it is a primary at the moment".to_owned());
        }
        if servers.log().is_some_and(|log| view.log != Some(log)) {
            return Err("its log is another one than the primary's".to_owned());
        }
        let lag = servers.heads.lag_of(head);
        let bytes = view.wal.map(|replayed| (self.written.load(Ordering::Relaxed) - replayed).max(0));
        replica.lag.lags_by(lag, servers.heads.newest().get().saturating_sub(head.get()), bytes);
        if tokens.iter().any(|token| token.position() <= head && !view.has(*token)) {
            return Err("it has another history than the primary".to_owned());
        }
        if lag > self.max_lag {
            return Err(format!("it is more than {:?} behind", self.max_lag));
        }
        Ok(())
    }

    async fn look(&self, pool: &Arc<dyn Pool>, tokens: &[Token]) -> Result<View, Error> {
        let positions: Vec<i64> = tokens.iter().map(|token| token.position().to_sql()).collect();
        let params: [Param<'_>; 1] = [(&positions, Type::INT8_ARRAY)];
        let rows = pool::read(pool, &self.sql, &params, Instant::now() + PATIENCE).await?;
        let row = rows.first().ok_or_else(|| Error::internal("a server says nothing of itself"))?;
        View::decode(row, tokens).map_err(|error| sqlstate::classify(&error, pool.server()))
    }

    /// All servers were looked at when the store connected.
    fn ticks(&self) -> tokio::time::Interval {
        let mut ticks = interval_at(Instant::now() + self.every, self.every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks
    }
}

impl View {
    fn decode(row: &Row, tokens: &[Token]) -> Result<Self, tokio_postgres::Error> {
        let position = Position::from_sql(row.try_get(2)?);
        let head = row.try_get::<_, Option<Uuid>>(3)?;
        let ids: Vec<Option<Uuid>> = row.try_get(5)?;
        let found = tokens.iter().zip(ids).filter_map(|(token, id)| Some((token.position(), id?.into())));
        Ok(Self {
            standby: row.try_get(0)?,
            log: row.try_get(1)?,
            head: head.map_or(Token::START, |id| Token::new(position, id.into())),
            wal: row.try_get(4)?,
            found: found.collect(),
        })
    }

    fn has(&self, token: Token) -> bool {
        self.found.contains(&(token.position(), token.event_id()))
    }
}
