//! The tasks that look at the servers.
//!
//! *States.* A task sleeps until its next tick, or until a read makes its replica suspect (once a tick at most); then it asks,
//! and says what it found. A replica that has not answered after [`PATIENCE`] is silent; the task waits on, for as
//! long as connecting may take, and has the answer as soon as there is one. It holds nothing meanwhile.
//!
//! *The primary* is asked too, once a tick, and as long as it answers when reads with a bound on lag will need its head before the next
//! one: for the head that tells by how much replicas lag, and for the events that this handle knows, so that one which only reads
//! notices what a failover lost. What seems to be lost is looked up on a new connection before it is told: the old one may lead to a
//! server that is the primary no more. A primary that does not answer changes nothing: its reads tell their callers.
//!
//! *Another history.* A replica that lacks an event which this handle knows may be another history's; or that event was lost in a
//! failover that nobody has told yet. So the primary is asked, and only a replica that lacks what the primary has is out.
//!
//! *The end.* Dropping the watch, or closing the store, aborts the tasks wherever they are: they only read.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tokio_postgres::Row;
use tokio_postgres::types::Type;
use tracing::debug;
use uuid::Uuid;

use crate::deadline;
use crate::error::Error;
use crate::known_history::Found;
use crate::pool::{self, Param, Pool};
use crate::position::Position;
use crate::routing::{Blame, IS_PRIMARY, Replica, Servers};
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
    found: Found,
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

/// One server, as it is watched: by a pool of one connection, which may take so long to open.
pub(crate) struct Watchtower {
    pub(crate) pool: Arc<dyn Pool>,
    pub(crate) connects_within: Duration,
}

impl Watch {
    /// Starts a task for each server: the primary, and the replicas in their order. Without replicas there is nothing to choose, and
    /// so nothing to watch.
    pub(crate) fn start(
        servers: &Arc<Servers>,
        sql: String,
        settings: &Settings,
        primary: Watchtower,
        replicas: Vec<Watchtower>,
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
            .map(|(number, tower)| tokio::spawn(Arc::clone(&watched).replica(number, tower)).abort_handle());
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
    async fn primary(self: Arc<Self>, tower: Watchtower) {
        let (mut ticks, mut answers) = (self.ticks(), true);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = self.servers.freshness.is_wanted(), if answers => {}
            }
            let looked = self.look_at_primary(&tower).await;
            answers = looked.is_ok();
            if let Err(error) = looked {
                debug!(server = tower.pool.server(), %error, "the primary does not answer the watch");
            }
        }
    }

    async fn look_at_primary(&self, tower: &Watchtower) -> Result<(), Error> {
        let mut looks = 0;
        loop {
            // In this order: tokens that are older than a loss that was told since are not told again.
            let (begun, when) = (Instant::now(), self.servers.known.now());
            let (known, lacks) = (self.servers.known.tokens(), self.lacks());
            let tokens: Vec<Token> = known.iter().chain(&lacks).copied().collect();
            let view = self.look(tower, &tokens).await?;
            looks += 1;
            if looks == 1 && (view.standby || known.iter().any(|token| view.found.excludes(*token))) {
                tower.pool.renew();
                continue;
            }
            let server = tower.pool.server();
            if view.standby {
                return Err(Error::unavailable(format!("{server} is a standby at the moment")));
            }
            view.wal.inspect(|wal| self.written.store(*wal, Ordering::Relaxed));
            self.servers.known.found(&known, &view.found, &when, server);
            self.servers.saw_primary((begun, &when), view.head, view.log);
            for replica in self.servers.replicas() {
                for token in &lacks {
                    match view.found.has(*token) {
                        true => replica.confirm(*token),
                        // What nobody has any more no replica can be asked for.
                        false => replica.does_not_lack(*token),
                    }
                }
            }
            return Ok(());
        }
    }

    /// What replicas seem to lack.
    fn lacks(&self) -> Vec<Token> {
        self.servers.replicas().iter().filter_map(|replica| Some(replica.lack()?.token)).collect()
    }

    async fn replica(self: Arc<Self>, number: usize, tower: Watchtower) {
        let Some(replica) = self.servers.replicas().get(number) else { return };
        let (mut ticks, mut head, mut doubted) = (self.ticks(), Position::START, None::<Instant>);
        loop {
            let may_be_doubted = doubted.is_none_or(|last| last.elapsed() >= self.every);
            tokio::select! {
                _ = ticks.tick() => {}
                () = replica.is_doubted(), if may_be_doubted => doubted = Some(Instant::now()),
            }
            let mut tokens = self.servers.known.tokens();
            tokens.extend(replica.lack().map(|lack| lack.token));
            let look = self.look(&tower, &tokens);
            tokio::pin!(look);
            let answered = match timeout(PATIENCE, &mut look).await {
                Ok(answered) => answered,
                Err(_) => {
                    replica.is_silent(&format!("it does not answer within {PATIENCE:?}"));
                    replica.lag.seconds.set(self.servers.heads.lag_of(head).as_secs_f64());
                    look.await
                }
            };
            match answered {
                Ok(view) => {
                    head = view.head.position();
                    match self.judge(&view, &tokens, replica) {
                        Ok(()) => replica.is_sound(),
                        Err(why) => replica.is_unfit(&why),
                    }
                }
                Err(error) => self.has_failed(replica, &error),
            }
        }
    }

    /// What a look that failed says of a replica.
    fn has_failed(&self, replica: &Replica, error: &Error) {
        match (Blame::of(error), error.sqlstate().unwrap_or_default()) {
            (Blame::Server | Blame::Unclear, "" | "57P01" | "57P02" | "57P03") => {
                replica.is_silent(&error.to_string());
            }
            (Blame::Server | Blame::Unclear, _) => replica.is_unfit(&error.to_string()),
            // The log is not there, or not for this user. Where there is none yet, that is as it should be.
            (Blame::Call, "42P01" | "3F000" | "42501") if self.servers.log().is_some() => {
                replica.is_unfit(&error.to_string());
            }
            (Blame::Call, "42P01" | "3F000") => replica.is_sound(),
            (Blame::Call, _) => replica.is_not_suspect(),
        }
    }

    /// Why a replica should not be read.
    fn judge(&self, view: &View, tokens: &[Token], replica: &Replica) -> Result<(), String> {
        let (servers, head) = (&self.servers, view.head.position());
        if !view.standby {
            return Err(IS_PRIMARY.to_owned());
        }
        if servers.log().is_some_and(|log| view.log != Some(log)) {
            return Err("its log is another one than the primary's".to_owned());
        }
        let lag = servers.heads.lag_of(head);
        let bytes = view.wal.map(|replayed| (self.written.load(Ordering::Relaxed) - replayed).max(0));
        replica.lag.lags_by(lag, servers.heads.newest().get().saturating_sub(head.get()), bytes);
        if let Some(lack) = replica.lack().filter(|lack| view.found.has(lack.token)) {
            replica.does_not_lack(lack.token);
        }
        if let Some(missing) =
            tokens.iter().find(|token| token.position() <= head && view.found.excludes(**token))
        {
            replica.seems_to_lack(*missing);
        }
        // Found by a read while this look was under way, too.
        if replica.lack().is_some_and(|lack| lack.is_confirmed) {
            return Err("it has another history than the primary".to_owned());
        }
        if lag > self.max_lag {
            return Err(format!("it is more than {:?} behind", self.max_lag));
        }
        Ok(())
    }

    async fn look(&self, tower: &Watchtower, tokens: &[Token]) -> Result<View, Error> {
        let Watchtower { pool, connects_within } = tower;
        let positions: Vec<i64> = tokens.iter().map(|token| token.position().to_sql()).collect();
        let params: [Param<'_>; 1] = [(&positions, Type::INT8_ARRAY)];
        let deadline = deadline::after(connects_within.saturating_add(PATIENCE));
        let rows = pool::read(pool, &self.sql, &params, deadline).await?;
        let row = rows.first().ok_or_else(|| Error::internal("a server says nothing of itself"))?;
        View::decode(row, tokens).map_err(|error| sqlstate::classify(&error, pool.server()))
    }

    /// All servers were looked at when the store connected.
    fn ticks(&self) -> tokio::time::Interval {
        let mut ticks = interval_at(deadline::after(self.every), self.every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks
    }
}

impl View {
    fn decode(row: &Row, tokens: &[Token]) -> Result<Self, tokio_postgres::Error> {
        let position = Position::from_sql(row.try_get(2)?);
        let head = row.try_get::<_, Option<Uuid>>(3)?;
        let ids: Vec<Option<Uuid>> = row.try_get(5)?;
        let events = tokens.iter().zip(ids).filter_map(|(token, id)| Some((token.position(), id?.into())));
        Ok(Self {
            standby: row.try_get(0)?,
            log: row.try_get(1)?,
            head: head.map_or(Token::START, |id| Token::new(position, id.into())),
            wal: row.try_get(4)?,
            found: Found { head: position, events: events.collect() },
        })
    }
}
