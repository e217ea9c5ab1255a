//! `subscribe`: many subscribers of a quiet log, by polling and by being woken; and reads that ask whether there is anything new.
//!
//! Subscribers reach the servers through proxies, which count what the servers answer them, and how long they take for it; the appends
//! do not. What it takes to connect is not counted, nor what comes after the time of the appends: each way is looked at for as long.

mod board;
mod conditional;
mod polling;
mod report;

use std::sync::Arc;
use std::time::Duration;

use eventstore::{EventStore, Settings, Start, Token};
use testutil::proxy::{Proxy, Traffic};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::connection;
use crate::deliver::subscribe::board::{Board, Reader};
use crate::deliver::subscribe::polling::poll;
use crate::deliver::subscribe::report::{Report, Row};
use crate::deliver::{Common, builder, connect, fill, fresh, item, items, ms, of_server, proxy, servers};
use crate::error::RunError;
use crate::live::say;
use crate::output::Output;
use crate::servers::Servers;
use crate::verdict::Verdict;

const SCHEMA: &str = "deliver_subscribe";
/// No task of the handles looks at servers by itself meanwhile: it would be counted.
const NEVER: Duration = Duration::from_secs(3_600);
/// How many events there are before.
const BEFORE: u64 = 10_000;

/// What is to be done.
#[derive(Debug, Clone)]
pub(crate) struct SubscribePlan {
    pub(crate) subscribers: u32,
    pub(crate) handles: u32,
    pub(crate) duration: Duration,
    /// How often those who poll do.
    pub(crate) poll_every: Duration,
    /// How often those who are woken look all the same.
    pub(crate) fallback: Duration,
    pub(crate) readers: usize,
    pub(crate) common: Common,
}

/// How subscribers hear of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Polling,
    Woken,
    /// And their listeners are killed all the time.
    Deafened,
}

/// Carries it out and reports.
pub(crate) async fn run(plan: SubscribePlan) -> Result<Verdict, RunError> {
    let output = Output::open(plan.common.json.as_deref())?;
    let stage = Stage::new(&plan).await?;
    let mut rows = Vec::new();
    for way in [Way::Polling, Way::Woken, Way::Deafened] {
        say(&format!("{}: {} s", way.as_str(), plan.duration.as_secs()));
        rows.push(stage.measure(way, plan.duration).await?);
    }
    let saved = |of: fn(&Row) -> f64| ((1.0 - of(&rows[1]) / of(&rows[0])) * 1e3).round() / 1e3;
    let saved =
        [saved(|row| row.statements as f64), saved(|row| row.bytes as f64), saved(|row| row.database_ms)];
    let lost = rows.iter().any(|row| row.delivered != row.expected || row.misplaced > 0);
    if rows[2].listeners_killed < u64::from(plan.handles) {
        return Err(RunError::new("no session that listened was found to be killed"));
    }
    let conditional_reads = conditional::read(&stage.servers, plan.readers).await?;
    let report = Report {
        scenario: "subscribe",
        subscribers: plan.subscribers,
        handles: plan.handles,
        seconds: plan.duration.as_secs_f64(),
        poll_every_s: plan.poll_every.as_secs_f64(),
        fallback_s: plan.fallback.as_secs_f64(),
        rows,
        saved,
        conditional_reads,
    };
    output.publish(&report)?;
    Ok(if lost { Verdict::Violated } else { Verdict::Kept })
}

struct Stage<'a> {
    plan: &'a SubscribePlan,
    servers: Arc<Servers>,
    /// Before the primary, and before each replica.
    proxies: Vec<Proxy>,
    appender: EventStore,
    /// What the sessions that listen are called. Nobody else's are.
    listeners: String,
}

impl<'a> Stage<'a> {
    async fn new(plan: &'a SubscribePlan) -> Result<Self, RunError> {
        let servers = servers(&plan.common).await?;
        let mut proxies = Vec::new();
        for dsn in std::iter::once(&servers.primary).chain(&servers.replicas) {
            proxies.push(proxy(dsn).await?);
        }
        let mut settings = Settings::default();
        settings.replica_watch_every = NEVER;
        let filler = fresh(&servers, SCHEMA, settings.clone()).await?;
        fill(&filler, BEFORE).await?;
        filler.close().await?;
        servers.settle().await?;
        let appender = connect(&servers.primary, &[], SCHEMA, settings).await?;
        let listeners = format!("{SCHEMA}_listener_{}", std::process::id());
        Ok(Self { plan, servers, proxies, appender, listeners })
    }

    async fn measure(&self, way: Way, duration: Duration) -> Result<Row, RunError> {
        let from = self.appender.head().await?;
        let first = from.position().get();
        let board = Board::new(first);
        let handles = self.handles().await?;
        let (end, mut subscribers) = (CancellationToken::new(), JoinSet::new());
        for nth in 0..self.plan.subscribers {
            let store = handles[(nth % self.plan.handles) as usize].clone();
            let (reader, end) = (board.reader(), end.clone());
            match way {
                Way::Polling => {
                    let turn = (nth, self.plan.subscribers);
                    subscribers.spawn(poll(store, from, self.plan.poll_every, turn, reader, end));
                }
                Way::Woken | Way::Deafened => drop(subscribers.spawn(hear(store, from, reader, end))),
            }
        }
        // All have connected, and have what was there.
        sleep(Duration::from_secs(1)).await;
        let traffic = self.traffic();
        let (appended, killed) = self.append(first, duration, &board, way).await?;
        // Not of what is waited for from here on: those who poll would be looked at for longer.
        let traffic = self.traffic() - traffic;
        let expected = appended * u64::from(self.plan.subscribers);
        let patience = if way == Way::Polling { self.plan.poll_every } else { self.plan.fallback };
        let give_up = Instant::now() + patience + Duration::from_secs(1);
        while board.delivered() < expected && Instant::now() < give_up {
            sleep(Duration::from_millis(5)).await;
        }
        end.cancel();
        while let Some(ended) = subscribers.join_next().await {
            ended.map_err(RunError::task)??;
        }
        for store in handles {
            store.close().await?;
        }
        let delays = board.delays();
        Ok(Row {
            way: way.as_str(),
            appended,
            delivered: board.delivered(),
            expected,
            misplaced: board.misplaced(),
            listeners_killed: killed,
            statements: traffic.answers,
            bytes: traffic.bytes,
            database_ms: ms(traffic.busy),
            delay_p50_ms: delays.quantile_ms(0.5),
            delay_p99_ms: delays.quantile_ms(0.99),
            delay_max_ms: delays.quantile_ms(1.0),
        })
    }

    async fn handles(&self) -> Result<Vec<EventStore>, RunError> {
        let mut settings = Settings::default();
        (settings.replica_watch_every, settings.poll_every) = (NEVER, self.plan.fallback);
        let replicas: Vec<String> = self.proxies[1..].iter().map(Proxy::dsn).collect();
        let primary = self.proxies[0].dsn();
        let mut handles = Vec::new();
        for _ in 0..self.plan.handles {
            let handle = builder(&primary, &replicas, SCHEMA, settings.clone());
            let listeners = format!("{primary} application_name={}", self.listeners);
            handles.push(handle.listen(listeners).connect().await?);
        }
        Ok(handles)
    }

    /// One event a second, for as long as that; how many there were, and how many sessions that listened were killed.
    async fn append(
        &self,
        first: u64,
        duration: Duration,
        board: &Board,
        way: Way,
    ) -> Result<(u64, u64), RunError> {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let (mut ticks, mut count, mut killed) = (interval_at(start, second), 0, 0);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let end = start + duration;
        loop {
            tokio::select! {
                // One that is due at the end comes too late.
                biased;
                () = sleep_until(end) => return Ok((count, killed)),
                _ = ticks.tick() => {}
            }
            if way == Way::Deafened {
                killed += self.deafen().await?;
            }
            self.appender.append([item(first + count)]).await?;
            board.is_acknowledged();
            count += 1;
        }
    }

    /// Ends all sessions of the handles that listen; nobody else's.
    async fn deafen(&self) -> Result<u64, RunError> {
        let session = connection::connect(&self.servers.primary).await.map_err(of_server)?;
        let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                    WHERE datname = current_database() AND application_name = $1";
        session.execute(kill, &[&self.listeners]).await.map_err(of_server)
    }

    fn traffic(&self) -> Traffic {
        self.proxies.iter().map(Proxy::traffic).fold(Traffic::default(), |all, one| Traffic {
            answers: all.answers + one.answers,
            bytes: all.bytes + one.bytes,
            busy: all.busy + one.busy,
        })
    }
}

async fn hear(
    store: EventStore,
    from: Token,
    mut reader: Reader,
    end: CancellationToken,
) -> Result<(), RunError> {
    let subscription = store.subscription("subscribe").filter(&items()).ephemeral();
    let mut subscription = subscription.start(Start::After(from)).await?;
    loop {
        let batch = tokio::select! {
            batch = subscription.next() => batch,
            () = end.cancelled() => return Ok(()),
        };
        let Some(batch) = batch.transpose()? else { return Ok(()) };
        batch.iter().for_each(|event| reader.reads(event));
    }
}

impl Way {
    fn as_str(self) -> &'static str {
        match self {
            Self::Polling => "polling",
            Self::Woken => "woken",
            Self::Deafened => "woken, listeners killed each second",
        }
    }
}
