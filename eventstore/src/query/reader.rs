//! Runs page statements on the server that the wanted consistency allows.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tracing::{Instrument as _, debug, info_span, warn};

use crate::consistency::Consistency;
use crate::error::{Error, ErrorKind};
use crate::filter::Path;
use crate::known_history::KnownHistory;
use crate::pool::{self, Param, Pool};
use crate::query::arguments::PageArguments;
use crate::query::blame::Blame;
use crate::query::direct::{self, DirectArguments};
use crate::query::freshness::Freshness;
use crate::query::page::Undecodable;
use crate::query::{Page, PageRequest, Source};
use crate::routing::{PROBATION, Replica, Servers};
use crate::settings::{ReplicaFallback, Settings};
use crate::sql::Statements;
use crate::telemetry::HeadClock;
use crate::token::Token;

/// How long a read waits before it asks again how far a replica has come.
const PAUSES_MS: [u64; 4] = [1, 2, 5, 10];

/// How often a read that was in the way of a replica's replay is asked again.
const REPLAY_CONFLICTS: usize = 3;

/// The reading half of a store handle.
#[derive(Debug)]
pub(crate) struct Reader {
    servers: Arc<Servers>,
    statements: Arc<Statements>,
    heads: Arc<HeadClock>,
    freshness: Freshness,
    known: Arc<KnownHistory>,
    replica_wait: Duration,
    fallback: ReplicaFallback,
}

/// What a server's answer is worth.
enum Answer {
    Good(Page),
    /// The server has not come as far as it must.
    Behind,
    /// It does not have the event that a token names.
    Diverged(Token),
}

/// What a replica made of a read.
enum FromReplica {
    Page(Page),
    /// It serves, but has not come as far as it must.
    Behind,
    /// Another server has to answer.
    Unfit,
}

impl Reader {
    pub(crate) fn new(
        servers: Arc<Servers>,
        statements: Arc<Statements>,
        heads: Arc<HeadClock>,
        known: Arc<KnownHistory>,
        settings: &Settings,
    ) -> Self {
        let (replica_wait, fallback) = (settings.replica_wait, settings.replica_fallback);
        Self { servers, statements, heads, freshness: Freshness::default(), known, replica_wait, fallback }
    }

    /// A page from a server that satisfies the consistency.
    pub(crate) async fn page(
        &self,
        request: &PageRequest,
        consistency: Consistency,
        deadline: Instant,
    ) -> Result<Page, Error> {
        if consistency == Consistency::Strong || self.servers.replicas().is_empty() {
            return self.primary_page(&request.at_least(consistency), deadline).await;
        }
        let request = request.at_least(consistency);
        if let Consistency::MaxLag(lag) = consistency {
            self.know_primary(lag, deadline).await?;
        }
        for replica in self.servers.in_rotation() {
            match self.replica_page(replica, &request, consistency, deadline).await? {
                FromReplica::Page(page) => return Ok(page),
                FromReplica::Behind if matches!(consistency, Consistency::AtLeast(_)) => {
                    if let Some(page) = self.awaited_page(replica, &request, consistency, deadline).await? {
                        return Ok(page);
                    }
                    // The wait is over for the other replicas too.
                    break;
                }
                FromReplica::Behind | FromReplica::Unfit => {}
            }
        }
        match self.fallback {
            ReplicaFallback::Primary => self.primary_page(&request, deadline).await,
            ReplicaFallback::Fail => Err(Error::unavailable(
                "no replica can answer this read now, and Settings::replica_fallback keeps it from the primary",
            )),
        }
    }

    /// Waits for a replica to come as far as the tokens, and reads it then; `None` if it did not in time.
    async fn awaited_page(
        &self,
        replica: &Replica,
        request: &PageRequest,
        consistency: Consistency,
        deadline: Instant,
    ) -> Result<Option<Page>, Error> {
        let until = (Instant::now() + self.replica_wait).min(share_of(deadline));
        let wanted = furthest(&request.witnesses).position();
        let mut pauses = PAUSES_MS.into_iter().chain(std::iter::repeat(PAUSES_MS[PAUSES_MS.len() - 1]));
        while let Some(pause) = pauses.next().map(Duration::from_millis) {
            if Instant::now() + pause > until {
                break;
            }
            sleep(pause).await;
            // The head alone, and then what the read is for: in its own snapshot, which tells again.
            let Ok(page) = self.run(replica.pool(), &PageRequest::new(Source::Nothing), until).await else {
                break;
            };
            if page.head.position() < wanted {
                continue;
            }
            return match self.replica_page(replica, request, consistency, deadline).await? {
                FromReplica::Page(page) => Ok(Some(page)),
                FromReplica::Behind | FromReplica::Unfit => Ok(None),
            };
        }
        Ok(None)
    }

    /// Sees to it that there is a sample of the primary that tells who lags by more.
    async fn know_primary(&self, lag: Duration, deadline: Instant) -> Result<(), Error> {
        if self.freshness.is_known(lag) {
            return Ok(());
        }
        let _turn = self.freshness.turn().await;
        if !self.freshness.is_known(lag) {
            self.primary_page(&PageRequest::new(Source::Nothing), deadline).await?;
        }
        Ok(())
    }

    /// A page from the primary.
    pub(crate) async fn primary_page(&self, request: &PageRequest, deadline: Instant) -> Result<Page, Error> {
        let pool = self.servers.primary();
        let (begun, known_end) = (Instant::now(), self.known.end());
        let page = self.run(pool, request, deadline).await?;
        if page.standby {
            return Err(Error::unavailable(format!("{} is a standby at the moment", pool.server())));
        }
        self.heads.saw_on_primary(page.head.position());
        self.freshness.saw(begun, page.head.position());
        if page.head.position() < known_end {
            self.known.ends_at(page.head.position(), pool.server());
        }
        self.known.saw(page.head);
        page.log.inspect(|log| self.servers.is_log(*log));
        match self.judge(page, request)? {
            Answer::Good(page) => Ok(page),
            Answer::Behind => Err(diverged(furthest(&request.witnesses), pool.server())),
            Answer::Diverged(token) => Err(diverged(token, pool.server())),
        }
    }

    async fn replica_page(
        &self,
        replica: &Replica,
        request: &PageRequest,
        consistency: Consistency,
        deadline: Instant,
    ) -> Result<FromReplica, Error> {
        let server = replica.pool().server();
        let failures = replica.failures();
        if let Err(error) = self.sound_out(replica, deadline).await {
            warn!(server, %error, "replica stays out of rotation");
            replica.rest(failures);
            return Ok(FromReplica::Unfit);
        }
        // Half of the time that is left: the next server needs some too.
        let page = match self.run_on_replica(replica, request, share_of(deadline)).await {
            Ok(page) => page,
            Err(error) => {
                match Blame::of(&error) {
                    Blame::Server => {
                        warn!(server, %error, "replica leaves the rotation: a read failed");
                        replica.rest(failures);
                    }
                    Blame::Unclear => {
                        debug!(server, %error, "replica took too long");
                        replica.suspect(failures);
                    }
                    Blame::Call => debug!(server, %error, "replica can not answer"),
                }
                return Ok(FromReplica::Unfit);
            }
        };
        if !page.standby {
            warn!(server, "replica leaves the rotation: it is a primary at the moment");
            replica.rest(failures);
            return Ok(FromReplica::Unfit);
        }
        if self.servers.log().is_some_and(|log| page.log != Some(log)) {
            warn!(server, "replica leaves the rotation: its log is another one than the primary's");
            replica.rest(failures);
            return Ok(FromReplica::Unfit);
        }
        replica.lags_by(self.heads.lag_of(page.head.position()));
        match self.judge(page, request) {
            Ok(Answer::Good(page)) => {
                replica.has_served();
                let is_fresh = match consistency {
                    Consistency::MaxLag(lag) => self.freshness.covers(page.head.position(), lag),
                    _ => true,
                };
                Ok(if is_fresh { FromReplica::Page(page) } else { FromReplica::Behind })
            }
            Ok(Answer::Behind) => {
                replica.has_served();
                Ok(FromReplica::Behind)
            }
            // It may not have replayed yet what makes the call valid: the primary knows.
            Err(_) => {
                replica.has_served();
                Ok(FromReplica::Unfit)
            }
            Ok(Answer::Diverged(token)) => {
                warn!(
                    server,
                    position = token.position().get(),
                    "replica has another history than its reader"
                );
                replica.rest(failures);
                Ok(FromReplica::Unfit)
            }
        }
    }

    /// What a replica cancels because it is in the way of what it replays is asked again: it is not the server's fault, and the
    /// rows that were in the way are gone then.
    async fn run_on_replica(
        &self,
        replica: &Replica,
        request: &PageRequest,
        deadline: Instant,
    ) -> Result<Page, Error> {
        for _ in 0..REPLAY_CONFLICTS {
            match self.run(replica.pool(), request, deadline).await {
                Err(error) if error.sqlstate() == Some("40001") => debug!(%error, "asked again"),
                result => return result,
            }
        }
        self.run(replica.pool(), request, deadline).await
    }

    /// Asks a replica that has failed for no more than the head, before it is trusted with a read.
    async fn sound_out(&self, replica: &Replica, deadline: Instant) -> Result<(), Error> {
        if !replica.is_on_probation() {
            return Ok(());
        }
        let soon = share_of(deadline).min(Instant::now() + PROBATION);
        self.run(replica.pool(), &PageRequest::new(Source::Nothing), soon).await.map(|_| ())
    }

    fn judge(&self, page: Page, request: &PageRequest) -> Result<Answer, Error> {
        if let Some(path) = &page.missing_path {
            return Err(Path::parse(path)?.unindexed());
        }
        if furthest(&request.witnesses).position() > page.head.position() {
            return Ok(Answer::Behind);
        }
        let ids = page.witness_ids.iter().map(|id| id.map(Into::into));
        let wrong = request.witnesses.iter().zip(ids).find(|(token, id)| *id != Some(token.id()));
        Ok(wrong.map_or(Answer::Good(page), |(token, _)| Answer::Diverged(*token)))
    }

    async fn run(
        &self,
        pool: &Arc<dyn Pool>,
        request: &PageRequest,
        deadline: Instant,
    ) -> Result<Page, Error> {
        if let Some(filter) = direct::filter(request) {
            let sql = self.statements.direct(request.direction);
            let arguments = DirectArguments::new(request, filter);
            let mut page = run_with(sql, &arguments.as_params(), pool, request, deadline).await?;
            if page.is_exact && page.sort_out(filter) {
                return Ok(page);
            }
        }
        let finder = request.finder();
        let sql = self.statements.page(finder, request.direction);
        let arguments = PageArguments::new(request, finder);
        run_with(sql, &arguments.as_params(), pool, request, deadline).await
    }
}

async fn run_with(
    sql: &str,
    arguments: &[Param<'_>],
    pool: &Arc<dyn Pool>,
    request: &PageRequest,
    deadline: Instant,
) -> Result<Page, Error> {
    let span = info_span!("read_page", server = pool.server(), limit = request.limit);
    let rows = pool::read(pool, sql, arguments, deadline).instrument(span).await?;
    Page::decode(&rows, request.direction, request.limit).map_err(|why| match why {
        Undecodable::Column(error) => {
            Error::internal(format!("{}: a page can not be read: {error}", pool.server()))
        }
        Undecodable::NoHeader => Error::internal("a page came without its header"),
        Undecodable::OutOfOrder(first, second) => {
            Error::internal(format!("a page came out of order: position {second} after {first}"))
        }
    })
}

fn share_of(deadline: Instant) -> Instant {
    let now = Instant::now();
    now + deadline.saturating_duration_since(now) / 2
}

fn furthest(witnesses: &[Token]) -> Token {
    witnesses.iter().copied().max_by_key(Token::position).unwrap_or(Token::START)
}

fn diverged(token: Token, server: &str) -> Error {
    Error::new(
        ErrorKind::HistoryDiverged,
        format!(
            "{server} does not have the event that a token names at position {}; the end of the log was lost in a \
             failover, or the token is from another log",
            token.position()
        ),
    )
}
