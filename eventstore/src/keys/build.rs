//! Building and dropping the keys of a path.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::time::{Duration, Instant};

use tokio::time::sleep;
use tokio_postgres::types::Type;
use tracing::{Instrument as _, debug, info_span};

use crate::deadline;
use crate::error::{Error, ErrorKind};
use crate::filter::Path;
use crate::keys::IndexState;
use crate::pool::{self, Param};
use crate::position::Position;
use crate::sql::{self, keys};
use crate::store::EventStore;

/// How long a step should take: what it writes is in the way of the next append's flush.
const STEP: Duration = Duration::from_millis(2);
/// How much longer than a step the rest after it is.
const REST: u32 = 4;
/// How long a step may take, when it meets payloads a thousand times as large as those before.
const LONGEST_STEP: Duration = Duration::from_secs(5);
const FEWEST_EVENTS: i64 = 20;
/// A key goes to a page of its own, and after a checkpoint the whole page to the WAL: 100 of them are 0.8 MB, which the
/// next append's flush has to wait for.
const MOST_EVENTS: i64 = 100;
/// Where nobody is to be spared.
const MOST_EVENTS_AT_FULL_SPEED: i64 = 10_000;
/// How long it rests between steps, unless said: 100 events every 10 ms are 10,000 a second.
const REST_AT_LEAST: Duration = Duration::from_millis(10);
/// How often a step that failed is tried again, and after which pause: a busy lock, a restart of the server.
const RETRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(250);

/// Declaring or dropping a path that is being described; awaiting it carries it out, beside running appends, and returns
/// when all is done. See [`EventStore::index_path`].
///
/// # Errors
/// [`Invalid`](crate::ErrorKind::Invalid) for a path that is not valid, is being dropped, or was never declared;
/// [`Unavailable`](crate::ErrorKind::Unavailable) if the primary does not answer for some seconds: call again to go on.
///
/// # Cancellation
/// Safe: what was done stays, and the next call goes on from there.
#[must_use = "nothing is done until it is awaited"]
pub struct IndexBuild {
    store: EventStore,
    path: String,
    aim: Aim,
    rest: Duration,
    on_progress: Option<Box<dyn FnMut(IndexProgress) + Send>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Aim {
    Index,
    Drop,
}

/// How far a path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct IndexProgress {
    /// Up to where the events are done.
    pub done: Position,
    /// Up to where they have to be.
    pub target: Position,
}

/// What the log says of a path.
struct Declared {
    state: IndexState,
    progress: IndexProgress,
}

impl IndexBuild {
    pub(crate) fn index(store: &EventStore, path: String) -> Self {
        Self { store: store.clone(), path, aim: Aim::Index, rest: REST_AT_LEAST, on_progress: None }
    }

    pub(crate) fn drop(store: &EventStore, path: String) -> Self {
        Self { store: store.clone(), path, aim: Aim::Drop, rest: REST_AT_LEAST, on_progress: None }
    }

    /// Sets how long it rests after each step, at least: 10 ms unless said, so that appends hardly notice it, and some
    /// 9,000 events are done a second. Without a rest it goes as fast as the server can, at the cost of everybody else.
    pub fn rest(mut self, rest: Duration) -> Self {
        self.rest = rest;
        self
    }

    /// Calls this after each step.
    pub fn on_progress(mut self, tell: impl FnMut(IndexProgress) + Send + 'static) -> Self {
        self.on_progress = Some(Box::new(tell));
        self
    }

    async fn carry_out(mut self) -> Result<(), Error> {
        self.store.check_open()?;
        let build = Build { store: self.store, path: Path::parse(&self.path)? };
        let mut declared = build.begin_patiently(self.aim).await?;
        let (mut events, mut failures) = (FEWEST_EVENTS, 0);
        let most = if self.rest.is_zero() { MOST_EVENTS_AT_FULL_SPEED } else { MOST_EVENTS };
        loop {
            if let (Some(tell), Some(declared)) = (&mut self.on_progress, &declared) {
                tell(declared.progress);
            }
            match (self.aim, &declared) {
                (Aim::Index, Some(Declared { state: IndexState::Ready, .. })) | (Aim::Drop, None) => {
                    return Ok(());
                }
                (Aim::Index, None | Some(Declared { state: IndexState::Dropping, .. })) => {
                    return Err(Error::invalid(format!(
                        "path {:?} is being dropped; drop it to the end before it is indexed again",
                        build.path.canonical()
                    )));
                }
                (Aim::Drop, Some(Declared { state: IndexState::Ready | IndexState::Building, .. })) => {
                    return Err(Error::internal("a path that is being dropped is not"));
                }
                (Aim::Index, Some(Declared { state: IndexState::Building, .. }))
                | (Aim::Drop, Some(Declared { state: IndexState::Dropping, .. })) => {}
            }
            let began = Instant::now();
            match build.step(events).await {
                Ok(found) => (declared, failures) = (found, 0),
                Err(error) if error.kind() == ErrorKind::Unavailable && failures < RETRIES => {
                    failures += 1;
                    debug!(path = build.path.canonical(), %error, "a step of an index failed, it is tried again");
                    // It may have been too large: some events cost a thousand times as much as others.
                    events = (events / 4).max(FEWEST_EVENTS);
                    sleep(PAUSE).await;
                    continue;
                }
                Err(error) => return Err(error),
            }
            let took = began.elapsed();
            // Twice as many or half: what an event costs depends on its payload, and on who else is at work.
            if took < STEP / 2 {
                events = (events * 2).min(most);
            } else if took > STEP {
                events = (events / 2).max(FEWEST_EVENTS);
            }
            if !self.rest.is_zero() {
                sleep(self.rest.max(took * REST)).await;
            }
        }
    }
}

/// A path that is being built or dropped, in its log.
struct Build {
    store: EventStore,
    path: Path,
}

impl Build {
    /// The append lock may be busy.
    async fn begin_patiently(&self, aim: Aim) -> Result<Option<Declared>, Error> {
        for _ in 0..RETRIES {
            match self.begin(aim).await {
                Err(error) if error.kind() == ErrorKind::Unavailable => sleep(PAUSE).await,
                result => return result,
            }
        }
        self.begin(aim).await
    }

    async fn begin(&self, aim: Aim) -> Result<Option<Declared>, Error> {
        let name = (&self.path.canonical() as _, Type::TEXT);
        match aim {
            Aim::Index => {
                let (extract, top_level) = (self.path.to_extract(), self.path.is_top_level());
                self.call(keys::INDEX_PATH, &[name, (&extract, Type::TEXT), (&top_level, Type::BOOL)]).await
            }
            Aim::Drop => {
                let declared = self.call(keys::DROP_PATH, &[name]).await?;
                declared.map(Some).ok_or_else(|| {
                    Error::invalid(format!("path {:?} is not declared in this log", self.path.canonical()))
                })
            }
        }
    }

    async fn step(&self, events: i64) -> Result<Option<Declared>, Error> {
        self.call(keys::STEP, &[(&self.path.canonical(), Type::TEXT), (&events, Type::INT8)]).await
    }

    /// Calls one of the functions; each may be called again whatever became of the last call.
    async fn call(&self, sql: &str, params: &[Param<'_>]) -> Result<Option<Declared>, Error> {
        let inner = self.store.inner();
        let (pool, sql) = (inner.servers.primary(), sql::for_schema(sql, &inner.schema));
        let deadline = deadline::after(inner.settings.query_timeout.min(LONGEST_STEP));
        let rows = pool::read(pool, &sql, params, deadline).await?;
        let declared = rows.first().map(|row| {
            let progress = IndexProgress {
                done: Position::from_sql(row.get(1)),
                target: Position::from_sql(row.get(2)),
            };
            IndexState::stored(row.get(0)).map(|state| Declared { state, progress })
        });
        declared.transpose()
    }
}

impl IntoFuture for IndexBuild {
    type Output = Result<(), Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        let span = info_span!("index_build", path = self.path, aim = ?self.aim);
        Box::pin(self.carry_out().instrument(span))
    }
}

impl fmt::Debug for IndexBuild {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IndexBuild").field("path", &self.path).field("aim", &self.aim).finish_non_exhaustive()
    }
}
