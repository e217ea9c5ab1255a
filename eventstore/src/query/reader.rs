//! Runs page statements on the server that the wanted consistency allows.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tracing::{Instrument as _, debug, info_span, warn};

use crate::consistency::Consistency;
use crate::error::{Error, ErrorKind};
use crate::filter::Path;
use crate::pool::{Pool, PooledConnection};
use crate::query::page::{PageArguments, Undecodable};
use crate::query::{Page, PageRequest, Source};
use crate::routing::{PROBATION, Replica, Servers};
use crate::sql::Statements;
use crate::sqlstate;
use crate::token::Token;

/// The reading half of a store handle.
#[derive(Debug)]
pub(crate) struct Reader {
    servers: Arc<Servers>,
    statements: Arc<Statements>,
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
    pub(crate) fn new(servers: Arc<Servers>, statements: Arc<Statements>) -> Self {
        Self { servers, statements }
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
        let result = match self.sound_out(replica, deadline).await {
            // Half of the time that is left: the next server needs some too.
            Ok(()) => self.run(replica.pool(), request, share_of(deadline)).await,
            Err(error) => Err(error),
        };
        let page = match result {
            Ok(page) => page,
            Err(error) if is_fault_of_server(&error) => {
                warn!(server, %error, "replica leaves the rotation: a read failed");
                replica.rest();
                return Ok(None);
            }
            // A replica that has not replayed the migration yet, say. The primary tells whether the call is at fault.
            Err(error) => {
                debug!(server, %error, "replica can not answer");
                return Ok(None);
            }
        };
        if !page.standby {
            warn!(server, "replica leaves the rotation: it is a primary at the moment");
            replica.rest();
            return Ok(None);
        }
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
                replica.rest();
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
        let began = Instant::now();
        let span = info_span!("read_page", server = pool.server(), limit = request.limit);
        match timeout_at(deadline, self.run_without_deadline(pool, request).instrument(span)).await {
            Ok(result) => result,
            Err(_) => Err(Error::timeout(
                ErrorKind::Unavailable,
                format!("{}: a read timed out after {:?}", pool.server(), round(began.elapsed())),
            )),
        }
    }

    async fn run_without_deadline(&self, pool: &Arc<dyn Pool>, request: &PageRequest) -> Result<Page, Error> {
        let fault = |error: &tokio_postgres::Error| sqlstate::classify(error, pool.server());
        let connection = Borrowed::acquire(pool).await?;
        let sql = self.statements.page(request.finder(), request.direction);
        let arguments = PageArguments::new(request);
        let rows = async {
            let statement = connection.prepare(sql).await?;
            connection.client().query(&statement, &arguments.as_params()).await
        };
        let rows = rows.await;
        if !rows.as_ref().is_err_and(sqlstate::spoils_session) {
            connection.give_back();
        }
        Page::decode(&rows.map_err(|error| fault(&error))?, request.direction).map_err(|why| match why {
            Undecodable::Column(error) => fault(&error),
            Undecodable::NoHeader => Error::internal("a page came without its header"),
            Undecodable::OutOfOrder(first, second) => {
                Error::internal(format!("a page came out of order: position {second} after {first}"))
            }
        })
    }
}

/// A connection whose statement is under way. Dropped before its end (by a deadline, or because the caller went
/// away) the connection is closed: the answer that is still coming would keep the next user waiting.
struct Borrowed(Option<Box<dyn PooledConnection>>);

impl Borrowed {
    async fn acquire(pool: &Arc<dyn Pool>) -> Result<Self, Error> {
        pool.acquire().await.map(|connection| Self(Some(connection)))
    }

    fn give_back(mut self) {
        self.0 = None;
    }
}

impl std::ops::Deref for Borrowed {
    type Target = dyn PooledConnection;

    fn deref(&self) -> &Self::Target {
        self.0.as_deref().expect("a borrowed connection is there until it is given back")
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            connection.discard();
        }
    }
}

/// Whether a replica is to blame for an error, and not the call. One that refuses the user is, too.
fn is_fault_of_server(error: &Error) -> bool {
    let refuses_user = error.sqlstate().is_some_and(|code| code.starts_with("28") || code.starts_with("3D"));
    refuses_user || matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Internal)
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

fn round(duration: Duration) -> Duration {
    Duration::from_millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}
