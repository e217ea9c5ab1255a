//! `hot-stream`: one conversation that more and more very active users give opinions and votes to at once; on the store, and by the
//! design that it takes the place of.
//!
//! Both begin with the same opinions and votes, and are asked the same by the same users. They run one after the other.

mod baseline;
mod counters;
mod ours;
mod pool;
mod ramp;
mod report;
mod site;
mod tally;
mod users;

use std::collections::HashSet;
use std::future::IntoFuture as _;
use std::sync::Arc;
use std::time::Duration;

use eventstore::EventStore;
use serde::Serialize;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;

use crate::connection;
use crate::deliver::hot_stream::baseline::Baseline;
use crate::deliver::hot_stream::counters::{Counters, Counts, Diary, OPINION, VOTE};
use crate::deliver::hot_stream::ours::{Ours, SCHEMA};
use crate::deliver::hot_stream::report::Report;
use crate::deliver::hot_stream::site::{Failure, Site};
use crate::deliver::hot_stream::tally::Book;
use crate::deliver::{Common, ms, of_server, servers};
use crate::error::RunError;
use crate::live::say;
use crate::output::Output;
use crate::servers::Servers;
use crate::verdict::Verdict;

pub(crate) use ramp::Ramp;

const CONVERSATION: &str = "c-17";
const CONTENT: &str = "We should close the street to cars on Sundays, so that children can play there and shops can put out tables.";
/// Connections to the primary, of either.
const CONNECTIONS: usize = 10;
/// How long the counters may take to have everything.
const PROMPT: Duration = Duration::from_secs(20);
/// How long is waited for them before they count as wrong for good.
const PATIENCE: Duration = Duration::from_secs(300);
/// How often they are looked at meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// The most opinions that one participant has voted on before.
const VOTES_EACH: u64 = 23;

/// What is to be done.
#[derive(Debug, Clone)]
pub(crate) struct HotStreamPlan {
    pub(crate) ramp: Ramp,
    pub(crate) longest_pause: Duration,
    pub(crate) before: Before,
    /// How often the counters are recomputed at most.
    pub(crate) every: Duration,
    pub(crate) window: Duration,
    pub(crate) common: Common,
}

/// What there is before. Opinions are numbered from 1, users and votes from 0; no user has voted twice on an opinion.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Before {
    pub(crate) opinions: u64,
    pub(crate) votes: u64,
}

impl Before {
    /// All of them have voted. The users who come have the numbers after theirs.
    fn participants(self) -> u64 {
        self.votes.div_ceil(VOTES_EACH.min(self.opinions))
    }

    fn author(self, opinion: u64) -> u64 {
        opinion % self.participants()
    }

    /// Who cast the nth vote, and on which opinion.
    fn vote(self, nth: u64) -> (u64, u64) {
        let (user, round) = (nth % self.participants(), nth / self.participants());
        (user, (user * 7 + round) % self.opinions + 1)
    }
}

/// What was looked at when all users had gone.
#[derive(Debug, Serialize)]
struct Audit {
    /// From the end of the load until the counters that requests are shown equalled the log; none where they never did.
    counters_equal_after_ms: Option<f64>,
    counters: Option<Counts>,
    log: Counts,
    recomputes: u64,
    overlapping_recomputes: u64,
    recompute_p95_ms: f64,
    acknowledged_votes: usize,
    acknowledged_opinions: usize,
    /// Acknowledged, and not in the log exactly once.
    wrong_opinions: usize,
    /// Acknowledged, and not in the log.
    lost_votes: usize,
    /// In the log more than once.
    doubled_votes: i64,
    /// In the log, and not acknowledged: there may be as many of them as requests that failed.
    unacknowledged_votes: u64,
}

/// What one of the two came to.
struct Measured {
    book: Book,
    count_statements: u64,
}

/// Carries it out and reports.
pub(crate) async fn run(plan: HotStreamPlan) -> Result<Verdict, RunError> {
    let output = Output::open(plan.common.json.as_deref())?;
    let servers = servers(&plan.common).await?;
    let (ours, audit) = measure_ours(&servers, &plan).await?;
    let baseline = measure_baseline(&servers, &plan).await?;
    let report = Report::new(&plan, servers.replicas.len(), (ours, audit), baseline);
    let verdict = report.verdict();
    output.publish(&report)?;
    Ok(verdict)
}

async fn measure_ours(servers: &Servers, plan: &HotStreamPlan) -> Result<(Measured, Audit), RunError> {
    let Before { opinions, votes } = plan.before;
    say(&format!("ours: {opinions} opinions and {votes} votes are imported"));
    let ours = Arc::new(Ours::open(servers).await?);
    let (diary, end) = (Arc::new(Diary::default()), CancellationToken::new());
    // Two processes would have a handle each: they compete for the keys, and share the diary.
    let other = ours.another_handle(servers).await?;
    let recompute = |store: &EventStore| {
        let counters = Counters { store: store.clone(), diary: Arc::clone(&diary) };
        let recomputer = store.recomputed(counters).every(plan.every).at_once(2);
        tokio::spawn(recomputer.run().until(end.clone().cancelled_owned()).into_future())
    };
    let (mut running, beside) = (recompute(&ours.store), recompute(&other));
    ours.fill(plan.before).await?;
    let session = connection::connect(&servers.primary).await.map_err(of_server)?;
    let filled = counted(&session).await?;
    if shown_as(filled, &ours, &mut running).await?.is_none() {
        return Err(RunError::new("what there is before was not counted"));
    }
    rest(servers, &session).await?;
    say(&format!("ours: users come, for {} s", plan.ramp.length().as_secs_f64()));
    let site: Arc<dyn Site> = Arc::clone(&ours) as Arc<dyn Site>;
    let book = users::load(site, plan).await?;
    let ended = Instant::now();
    let log = counted(&session).await?;
    let equal_at = shown_as(log, &ours, &mut running).await?;
    end.cancel();
    for running in [running, beside] {
        running.await.map_err(RunError::task)??;
    }
    other.close().await?;
    let counters = ours.shown().await.map_err(of_failure)?;
    let recomputes = diary.recomputes();
    let votes = Votes::compare(&session, plan.before, &book).await?;
    ours.store.close().await?;
    let audit = Audit {
        counters_equal_after_ms: equal_at.map(|at| ms(at.duration_since(ended))),
        counters,
        log,
        recomputes: recomputes.made,
        overlapping_recomputes: recomputes.overlapping,
        recompute_p95_ms: recomputes.took.quantile_ms(0.95),
        acknowledged_votes: book.voted.len(),
        acknowledged_opinions: book.given.len(),
        wrong_opinions: wrong_opinions(&session, &book).await?,
        lost_votes: votes.lost,
        doubled_votes: votes.doubled,
        unacknowledged_votes: votes.unacknowledged,
    };
    Ok((Measured { book, count_statements: ours.count_statements() }, audit))
}

async fn measure_baseline(servers: &Servers, plan: &HotStreamPlan) -> Result<Measured, RunError> {
    let site = Arc::new(Baseline::open(servers, plan.before).await?);
    let session = connection::connect(&servers.primary).await.map_err(of_server)?;
    rest(servers, &session).await?;
    say(&format!("baseline: users come, for {} s", plan.ramp.length().as_secs_f64()));
    let book = users::load(Arc::clone(&site) as Arc<dyn Site>, plan).await?;
    Ok(Measured { book, count_statements: site.count_statements() })
}

/// Does what autovacuum would do in the middle of what is measured, and has it on disk.
async fn rest(servers: &Servers, session: &Client) -> Result<(), RunError> {
    session.batch_execute("VACUUM (ANALYZE)").await.map_err(of_server)?;
    servers.settle().await
}

/// When requests were shown these counters; none if they were not in time.
async fn shown_as(
    counts: Counts,
    ours: &Ours,
    running: &mut JoinHandle<Result<(), eventstore::Error>>,
) -> Result<Option<Instant>, RunError> {
    let give_up = Instant::now() + PATIENCE;
    loop {
        let (shown, now) = (ours.shown().await.map_err(of_failure)?, Instant::now());
        if shown == Some(counts) {
            return Ok(Some(now));
        } else if running.is_finished() {
            running.await.map_err(RunError::task)??;
            return Err(RunError::new("the counters are not recomputed any more"));
        } else if now > give_up {
            return Ok(None);
        }
        sleep_until(now + LOOK_EVERY).await;
    }
}

/// The counters, counted over the log.
async fn counted(session: &Client) -> Result<Counts, RunError> {
    let count = format!(
        "SELECT count(*) FILTER (WHERE event_type = '{OPINION}'), count(*) FILTER (WHERE event_type = '{VOTE}'),
                count(DISTINCT payload->>'UserID') FILTER (WHERE event_type = '{VOTE}')
         FROM {SCHEMA}.events WHERE payload->>'ConversationID' = '{CONVERSATION}'"
    );
    let row = session.query_one(&count, &[]).await.map_err(of_server)?;
    Counts::of(&row).map_err(of_server)
}

/// Votes of the log against those that were acknowledged.
struct Votes {
    lost: usize,
    doubled: i64,
    unacknowledged: u64,
}

impl Votes {
    async fn compare(session: &Client, before: Before, book: &Book) -> Result<Self, RunError> {
        let votes = format!(
            "SELECT user_id, opinion_id, count(*) FROM (
                 SELECT (payload->>'UserID')::bigint AS user_id, (payload->>'OpinionID')::bigint AS opinion_id
                 FROM {SCHEMA}.events WHERE event_type = '{VOTE}') AS v
             GROUP BY user_id, opinion_id HAVING count(*) > 1 OR user_id >= $1"
        );
        let first_user = before.participants().cast_signed();
        let mut missing: HashSet<(i64, i64)> = book.voted.iter().copied().collect();
        let (mut doubled, mut unacknowledged) = (0, 0);
        for row in session.query(&votes, &[&first_user]).await.map_err(of_server)? {
            let (user, opinion, times): (i64, i64, i64) = (row.get(0), row.get(1), row.get(2));
            doubled += times - 1;
            let is_acknowledged = missing.remove(&(user, opinion)) || user < first_user;
            unacknowledged += u64::from(!is_acknowledged);
        }
        Ok(Self { lost: missing.len(), doubled, unacknowledged })
    }
}

/// Opinions that were acknowledged and are not in the log, or more than once.
async fn wrong_opinions(session: &Client, book: &Book) -> Result<usize, RunError> {
    let wrong = format!(
        "SELECT count(*) FROM (
             SELECT a.opinion FROM unnest($1::bigint[]) AS a(opinion)
             LEFT JOIN {SCHEMA}.events AS e
                 ON e.event_type = '{OPINION}' AND (e.payload->>'OpinionID')::bigint = a.opinion
             GROUP BY a.opinion HAVING count(e.position) <> 1) AS w"
    );
    let row = session.query_one(&wrong, &[&book.given]).await.map_err(of_server)?;
    Ok(usize::try_from(row.get::<_, i64>(0)).unwrap_or(usize::MAX))
}

fn of_failure(failure: Failure) -> RunError {
    RunError::new(match failure {
        Failure::TimedOut => "the counters could not be read in time".to_owned(),
        Failure::Failed(reason) => format!("the counters could not be read: {reason}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_has_voted_twice_before() {
        for (opinions, votes) in [(19_000, 113_000), (1, 7), (5, 300), (40, 1)] {
            let before = Before { opinions, votes };
            let cast: HashSet<_> = (0..votes).map(|nth| before.vote(nth)).collect();
            assert_eq!(cast.len() as u64, votes);
            assert!(cast.iter().all(|(_, opinion)| (1..=opinions).contains(opinion)));
            let voters: HashSet<_> = cast.iter().map(|(user, _)| *user).collect();
            assert_eq!(voters.len() as u64, before.participants());
        }
    }
}
