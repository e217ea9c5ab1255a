//! Runs page statements on the server that the wanted consistency allows.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tokio_postgres::{Row, Transaction};
use tracing::{Instrument as _, debug, info_span};

use crate::consistency::Consistency;
use crate::error::Error;
use crate::event;
use crate::filter::Path;
use crate::pool::{self, Param, Pool};
use crate::query::arguments::PageArguments;
use crate::query::direct::{self, DirectArguments};
use crate::query::page::Undecodable;
use crate::query::replica::FromReplica;
use crate::query::{Page, PageRequest, Source};
use crate::routing::Servers;
use crate::settings::{ReplicaFallback, Settings};
use crate::sql::Statements;
use crate::sqlstate;
use crate::token::Token;
use crate::visibility::once_visible;

/// The reading half of a store handle.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(super) servers: Arc<Servers>,
    statements: Arc<Statements>,
    pub(super) replica_wait: Duration,
    fallback: ReplicaFallback,
}

/// What a server's answer is worth.
pub(super) enum Answer {
    Good(Page),
    /// The server has not come as far as it must.
    Behind,
    /// It does not have the event that a token names.
    Diverged(Token),
}

impl Reader {
    pub(crate) fn new(servers: Arc<Servers>, statements: Arc<Statements>, settings: &Settings) -> Self {
        let (replica_wait, fallback) = (settings.replica_wait, settings.replica_fallback);
        Self { servers, statements, replica_wait, fallback }
    }

    /// A page from a server that satisfies the consistency.
    pub(crate) async fn page(
        &self,
        request: &PageRequest,
        consistency: Consistency,
        deadline: Instant,
    ) -> Result<Page, Error> {
        let of_primary = request.at_least(consistency);
        if consistency == Consistency::Strong || self.servers.replicas().is_empty() {
            return self.primary_page(&of_primary, deadline).await;
        }
        let is_bound_on_lag = matches!(consistency, Consistency::MaxLag(_));
        let of_replica = match consistency {
            Consistency::MaxLag(lag) => {
                let sample = self.sample(lag, deadline).await;
                sample.map(|sample| request.at_least(Consistency::AtLeast(sample)))
            }
            _ => Some(of_primary.clone()),
        };
        let (mut diverged_ones, mut refusal, mut others) = (Vec::new(), None, false);
        if let Some(request) = &of_replica {
            let mut behind = None;
            for replica in self.servers.in_rotation() {
                match self.replica_page(replica, request, deadline).await? {
                    FromReplica::Page(page) => return Ok(page),
                    FromReplica::Behind => {
                        others = true;
                        behind = behind.or(Some(replica));
                    }
                    // The sample may be what a failover lost: nobody has brought it.
                    FromReplica::Diverged(_) if is_bound_on_lag => {}
                    FromReplica::Diverged(token) => diverged_ones.push((replica, token)),
                    FromReplica::Unfit(error) => {
                        others = true;
                        refusal = refusal.or(error);
                    }
                }
            }
            if let (Some(replica), Consistency::AtLeast(_)) = (behind, consistency)
                && let Some(page) = self.awaited_page(replica, request, deadline).await?
            {
                return Ok(page);
            }
        }
        if self.fallback == ReplicaFallback::Fail {
            for (replica, token) in &diverged_ones {
                // Which of the two is right the primary says, and the watch asks it.
                replica.seems_to_lack(*token);
            }
            if let Some((replica, token)) = diverged_ones.first().filter(|_| !others) {
                return Err(diverged(*token, replica.pool().server()));
            }
            return Err(refusal.unwrap_or_else(|| {
                Error::unavailable(
                    "no replica can answer this read now, and Settings::replica_fallback keeps it from the primary",
                )
            }));
        }
        let page = self.primary_page(&of_primary, deadline).await?;
        // The primary has the event: it is the replica that has another history, and not whoever brought the token.
        for (replica, token) in diverged_ones {
            replica.must_have(token);
            replica.is_suspect();
        }
        Ok(page)
    }

    /// A sample of the primary that tells who lags by more. One that is known is not waited for, and renewed by others while it is
    /// good. Those for whom there is none ask one after the other, until somebody has asked after they came.
    async fn sample(&self, lag: Duration, deadline: Instant) -> Option<Token> {
        let (freshness, came, soon) = (&self.servers.freshness, Instant::now(), share_of(deadline));
        if let Some(sample) = freshness.sample(lag) {
            if !freshness.is_known(lag) {
                freshness.want();
            }
            return Some(sample);
        }
        let asked = timeout_at(soon, async {
            let mut last = freshness.turn().await;
            // An answer that took longer than the lag is no sample, and the next one would be none either.
            if freshness.sample(lag).is_some() || last.is_some_and(|begun| begun >= came) {
                return Ok(());
            }
            let begun = Instant::now();
            let answer = self.primary_page(&PageRequest::new(Source::Nothing), soon).await;
            *last = Some(begun);
            answer.map(|_| ())
        });
        if let Ok(Err(error)) = asked.await {
            debug!(%error, "the primary does not say how far it is");
        }
        freshness.sample(lag)
    }

    /// A page from the primary.
    pub(crate) async fn primary_page(&self, request: &PageRequest, deadline: Instant) -> Result<Page, Error> {
        once_visible(deadline, || self.primary_page_now(request, deadline)).await
    }

    async fn primary_page_now(&self, request: &PageRequest, deadline: Instant) -> Result<Page, Error> {
        let pool = self.servers.primary();
        let (begun, known) = (Instant::now(), self.servers.known.now());
        let page = self.run(pool, request, deadline).await?;
        if page.standby {
            pool.renew();
            return Err(Error::unavailable(format!("{} is a standby at the moment", pool.server())));
        }
        self.servers.saw_primary((begun, &known), page.head, page.log);
        self.judge_primary(page, request)
    }

    /// A page from the primary, as a transaction there sees it: whoever holds locks in it must not wait for another connection.
    pub(crate) async fn page_in(
        &self,
        transaction: &Transaction<'_>,
        request: &PageRequest,
    ) -> Result<Page, Error> {
        let (server, finder) = (self.servers.primary().server(), request.finder());
        let sql = self.statements.page(finder, request.direction);
        let arguments = PageArguments::new(request, finder);
        let rows = transaction.query_typed(sql, &arguments.as_params()).await;
        let rows = rows.map_err(|error| sqlstate::classify(&error, server))?;
        self.judge_primary(decoded(&rows, request, server)?, request)
    }

    fn judge_primary(&self, page: Page, request: &PageRequest) -> Result<Page, Error> {
        let server = self.servers.primary().server();
        match self.judge(page, request)? {
            Answer::Good(page) => Ok(page),
            Answer::Behind => Err(diverged(furthest(&request.witnesses), server)),
            Answer::Diverged(token) => Err(diverged(token, server).by_another_event()),
        }
    }

    pub(super) fn judge(&self, page: Page, request: &PageRequest) -> Result<Answer, Error> {
        if let Some(path) = &page.missing_path {
            return Err(Path::parse(path)?.unindexed());
        }
        if furthest(&request.witnesses).position() > page.head.position() {
            return Ok(Answer::Behind);
        }
        let ids = page.witness_ids.iter().map(|id| id.map(Into::into));
        let wrong = request.witnesses.iter().zip(ids).find(|(token, id)| *id != Some(token.event_id()));
        Ok(wrong.map_or(Answer::Good(page), |(token, _)| Answer::Diverged(*token)))
    }

    pub(super) async fn run(
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
    decoded(&rows, request, pool.server())
}

fn decoded(rows: &[Row], request: &PageRequest, server: &str) -> Result<Page, Error> {
    Page::decode(rows, request.direction, request.limit).map_err(|why| match why {
        Undecodable::Column(error) => Error::internal(format!("{server}: a page can not be read: {error}")),
        Undecodable::Content(position, error) => event::unreadable(server, position, &error),
        Undecodable::NoHeader => Error::internal("a page came without its header"),
        Undecodable::OutOfOrder(first, second) => {
            Error::internal(format!("a page came out of order: position {second} after {first}"))
        }
    })
}

pub(super) fn share_of(deadline: Instant) -> Instant {
    let now = Instant::now();
    now + deadline.saturating_duration_since(now) / 2
}

pub(super) fn furthest(witnesses: &[Token]) -> Token {
    witnesses.iter().copied().max_by_key(Token::position).unwrap_or(Token::START)
}

fn diverged(token: Token, server: &str) -> Error {
    Error::diverged(
        token.position(),
        format!(
            "{server} does not have the event that a token names at position {}; the end of the log was lost in a \
             failover, or the token is from another log",
            token.position()
        ),
    )
}
