//! Runs page statements on the server that the wanted consistency allows.

use std::sync::Arc;

use tokio::time::Instant;
use tracing::{Instrument as _, debug, info_span, warn};

use crate::consistency::Consistency;
use crate::error::{Error, ErrorKind};
use crate::filter::Path;
use crate::pool::{self, Param, Pool};
use crate::query::arguments::PageArguments;
use crate::query::direct::{self, DirectArguments};
use crate::query::page::Undecodable;
use crate::query::{Page, PageRequest, Source};
use crate::routing::{PROBATION, Replica, Servers};
use crate::sql::Statements;
use crate::telemetry::HeadClock;
use crate::token::Token;

/// The reading half of a store handle.
#[derive(Debug)]
pub(crate) struct Reader {
    servers: Arc<Servers>,
    statements: Arc<Statements>,
    heads: Arc<HeadClock>,
}

/// What a server's answer is worth.
enum Answer {
    Good(Page),
    /// The server has not come as far as it must.
    Behind,
    /// It does not have the event that a token names.
    Diverged(Token),
}

impl Reader {
    pub(crate) fn new(servers: Arc<Servers>, statements: Arc<Statements>, heads: Arc<HeadClock>) -> Self {
        Self { servers, statements, heads }
    }

    /// A page from a server that satisfies the consistency.
    pub(crate) async fn page(
        &self,
        request: &PageRequest,
        consistency: Consistency,
        deadline: Instant,
    ) -> Result<Page, Error> {
        let mut request = request.clone();
        if let Consistency::AtLeast(token) = consistency {
            request.witnesses.extend(Some(token).filter(|token| !token.is_start()));
        }
        if consistency != Consistency::Strong {
            for replica in self.servers.in_rotation() {
                if let Some(page) = self.replica_page(replica, &request, deadline).await? {
                    return Ok(page);
                }
            }
        }
        self.primary_page(&request, deadline).await
    }

    /// A page from the primary.
    pub(crate) async fn primary_page(&self, request: &PageRequest, deadline: Instant) -> Result<Page, Error> {
        let pool = self.servers.primary();
        let page = self.run(pool, request, deadline).await?;
        if page.standby {
            return Err(Error::unavailable(format!("{} is a standby at the moment", pool.server())));
        }
        self.heads.saw_on_primary(page.head.position());
        page.log.inspect(|log| self.servers.is_log(*log));
        match self.judge(page, request)? {
            Answer::Good(page) => Ok(page),
            Answer::Behind => Err(diverged(furthest(&request.witnesses), pool.server())),
            Answer::Diverged(token) => Err(diverged(token, pool.server())),
        }
    }

    /// A page from a replica; `None` if another server has to answer.
    async fn replica_page(
        &self,
        replica: &Replica,
        request: &PageRequest,
        deadline: Instant,
    ) -> Result<Option<Page>, Error> {
        let server = replica.pool().server();
        let failures = replica.failures();
        if let Err(error) = self.sound_out(replica, deadline).await {
            warn!(server, %error, "replica stays out of rotation");
            replica.rest(failures);
            return Ok(None);
        }
        // Half of the time that is left: the next server needs some too.
        let page = match self.run(replica.pool(), request, share_of(deadline)).await {
            Ok(page) => page,
            Err(error) => {
                match blame(&error) {
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
                return Ok(None);
            }
        };
        if !page.standby {
            warn!(server, "replica leaves the rotation: it is a primary at the moment");
            replica.rest(failures);
            return Ok(None);
        }
        if self.servers.log().is_some_and(|log| page.log != Some(log)) {
            warn!(server, "replica leaves the rotation: its log is another one than the primary's");
            replica.rest(failures);
            return Ok(None);
        }
        replica.lags_by(self.heads.lag_of(page.head.position()));
        match self.judge(page, request) {
            Ok(Answer::Good(page)) => {
                replica.has_served();
                Ok(Some(page))
            }
            // It may not have replayed yet what makes the call valid: the primary knows.
            Ok(Answer::Behind) | Err(_) => {
                replica.has_served();
                Ok(None)
            }
            Ok(Answer::Diverged(token)) => {
                warn!(
                    server,
                    position = token.position().get(),
                    "replica has another history than its reader"
                );
                replica.rest(failures);
                Ok(None)
            }
        }
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

/// Who a failed read on a replica speaks against.
enum Blame {
    /// The replica: others should not ask it for a while. One that refuses the user is to blame, too.
    Server,
    /// The replica is frozen, or the call was too much for its time.
    Unclear,
    /// The call, or this handle: the primary tells. It may also be something that the replica has not replayed yet, or a
    /// conflict with what it replays.
    Call,
}

fn blame(error: &Error) -> Blame {
    let code = error.sqlstate().unwrap_or_default();
    match error.kind() {
        _ if code.starts_with("28") || code.starts_with("3D") => Blame::Server,
        _ if error.is_exhausted() || matches!(code, "40001" | "40P01" | "57014") => Blame::Call,
        ErrorKind::Unavailable if error.is_timeout() => Blame::Unclear,
        ErrorKind::Unavailable | ErrorKind::Internal => Blame::Server,
        _ => Blame::Call,
    }
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
