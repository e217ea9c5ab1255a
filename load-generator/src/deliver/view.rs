//! `view`: what a projection costs others while it is rebuilt beside the live one, and how long a view is waited for.
//!
//! The requests are half appends and half reads of one key, each begun at its time whatever has become of the ones before: how long one
//! takes counts from when it was due.

use std::fmt;
use std::future::IntoFuture as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use eventstore::{ApplyError, EventStore, Filter, Projection, Projector, RecordedEvent, Settings, Token};
use serde::Serialize;
use tokio::task::{JoinError, JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_postgres::{Client, Transaction};
use tokio_util::sync::CancellationToken;

use crate::connection;
use crate::deliver::{Common, KEYS, connect, fill, fresh, item, items, of_server, servers};
use crate::error::RunError;
use crate::histogram::Latencies;
use crate::live::say;
use crate::output::Output;
use crate::verdict::Verdict;

const SCHEMA: &str = "deliver_view";
const VIEW: &str = "deliver_view_by_key";
/// How long anything may take that has to come to its end.
const PATIENCE: Duration = Duration::from_secs(1_800);
/// How far two looks at something that has to come are apart.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The projection, as it runs.
type Running = JoinHandle<Result<(), eventstore::Error>>;

/// What is to be done.
#[derive(Debug, Clone)]
pub(crate) struct ViewPlan {
    pub(crate) events: u64,
    pub(crate) waits: u64,
    /// Requests a second.
    pub(crate) rate: u64,
    /// How long requests are made without a rebuild.
    pub(crate) duration: Duration,
    /// Which share of the time is given to the rebuild.
    pub(crate) build_share: f64,
    pub(crate) common: Common,
}

#[derive(Debug, Serialize)]
struct Requests {
    made: u64,
    seconds: f64,
    p50_ms: f64,
    p99_ms: f64,
}

#[derive(Debug, Serialize)]
struct Report {
    scenario: &'static str,
    events: u64,
    /// From nothing, without requests.
    first_build_seconds: f64,
    waits: u64,
    wait_p50_ms: f64,
    wait_p95_ms: f64,
    wait_p99_ms: f64,
    /// Views that did not show what was waited for.
    stale: u64,
    requests_per_second: u64,
    without: Requests,
    during_rebuild: Requests,
    p99_ratio: f64,
    /// Looks at the view during the rebuild, and those that showed less than one before.
    looks: u64,
    looks_back: u64,
    /// Keys whose count is not that of the log, at the end.
    wrong_keys: i64,
}

/// Counts events by key.
struct ByKey;

impl Projection for ByKey {
    fn name(&self) -> &str {
        "by_key"
    }

    fn filter(&self) -> Filter {
        items()
    }

    async fn create(&self, transaction: &Transaction<'_>) -> Result<(), ApplyError> {
        let create =
            "CREATE TABLE by_key (key bigint PRIMARY KEY, events bigint NOT NULL) WITH (fillfactor = 50)";
        Ok(transaction.batch_execute(create).await?)
    }

    async fn apply(
        &self,
        transaction: &Transaction<'_>,
        events: &[&RecordedEvent],
    ) -> Result<(), ApplyError> {
        let keys: Vec<i64> = events.iter().filter_map(|event| event.payload["key"].as_i64()).collect();
        let count = "INSERT INTO by_key SELECT key, count(*) FROM unnest($1::bigint[]) AS key GROUP BY key ORDER BY key
                     ON CONFLICT (key) DO UPDATE SET events = by_key.events + excluded.events";
        transaction.execute(count, &[&keys]).await?;
        Ok(())
    }
}

/// Carries it out and reports.
pub(crate) async fn run(plan: ViewPlan) -> Result<Verdict, RunError> {
    let output = Output::open(plan.common.json.as_deref())?;
    let servers = servers(&plan.common).await?;
    let session = connection::connect(&servers.primary).await.map_err(of_server)?;
    session.batch_execute(&format!("DROP SCHEMA IF EXISTS {VIEW} CASCADE")).await.map_err(of_server)?;
    let store = fresh(&servers, SCHEMA, Settings::default()).await?;
    say(&format!("{} events are written", plan.events));
    fill(&store, plan.events).await?;
    servers.settle().await?;
    let mut settings = Settings::default();
    settings.poll_every = Duration::from_millis(500);
    let runner = connect(&servers.primary, &servers.replicas, SCHEMA, settings).await?;
    let began = Instant::now();
    let mut running =
        tokio::spawn(runner.projection(ByKey).build_share(plan.build_share).run().into_future());
    has_begun(&runner, &mut running).await?;
    let view = store.projection(ByKey);
    let head = store.head().await?;
    tokio::select! {
        built = view.wait_for(head, PATIENCE) => built?,
        ended = &mut running => return Err(early(ended)),
    }
    let first_build = began.elapsed();
    say(&format!("built in {:.1} s; {} views are waited for", first_build.as_secs_f64(), plan.waits));
    let (waits, stale) = wait(&store, &view, &session, &plan).await?;
    say(&format!("{} requests a second, {} s without a rebuild", plan.rate, plan.duration.as_secs()));
    let numbers = Arc::new(AtomicU64::new(plan.events + plan.waits));
    let load = Load::begin(&store, plan.rate, &numbers);
    sleep_until(Instant::now() + plan.duration).await;
    let without = load.end().await?;
    say("and with one");
    runner.rebuild_projection("by_key").await?;
    let load = Load::begin(&store, plan.rate, &numbers);
    let (looks, looks_back) = watch(&store, &session, &mut running).await?;
    let during_rebuild = load.end().await?;
    let head: Token = store.head().await?;
    view.wait_for(head, PATIENCE).await?;
    let wrong = format!(
        "SELECT count(*) FROM (SELECT (payload->>'key')::bigint AS key, count(*) AS events FROM {SCHEMA}.events GROUP BY 1) AS l
         FULL JOIN {VIEW}.by_key AS v USING (key) WHERE l.events IS DISTINCT FROM v.events"
    );
    let wrong_keys: i64 = session.query_one(&wrong, &[]).await.map_err(of_server)?.get(0);
    running.abort();
    for store in [store, runner] {
        store.close().await?;
    }
    let report = Report {
        scenario: "view",
        events: plan.events,
        first_build_seconds: first_build.as_secs_f64(),
        waits: plan.waits,
        wait_p50_ms: waits.quantile_ms(0.5),
        wait_p95_ms: waits.quantile_ms(0.95),
        wait_p99_ms: waits.quantile_ms(0.99),
        stale,
        requests_per_second: plan.rate,
        p99_ratio: (during_rebuild.p99_ms / without.p99_ms * 100.0).round() / 100.0,
        without,
        during_rebuild,
        looks,
        looks_back,
        wrong_keys,
    };
    let is_right = stale == 0 && looks_back == 0 && wrong_keys == 0;
    output.publish(&report)?;
    Ok(if is_right { Verdict::Kept } else { Verdict::Violated })
}

/// Waits until the log knows of the projection.
async fn has_begun(runner: &EventStore, running: &mut Running) -> Result<(), RunError> {
    let give_up = Instant::now() + PATIENCE;
    while runner.projections().await?.is_empty() {
        if running.is_finished() {
            return Err(early(running.await));
        } else if Instant::now() > give_up {
            return Err(RunError::new(format!("the projection did not begin within {PATIENCE:?}")));
        }
        sleep(LOOK_EVERY).await;
    }
    Ok(())
}

/// Why a projection came to an end that was to go on.
fn early(ended: Result<Result<(), eventstore::Error>, JoinError>) -> RunError {
    match ended {
        Ok(Ok(())) => RunError::new("the projection ended early"),
        Ok(Err(error)) => error.into(),
        Err(error) => RunError::task(error),
    }
}

/// Appends, waits for the view, and looks at it, one after the other; with how many were not there.
async fn wait(
    store: &EventStore,
    view: &Projector<ByKey>,
    session: &Client,
    plan: &ViewPlan,
) -> Result<(Latencies, u64), RunError> {
    let (mut waits, mut stale) = (Latencies::new(), 0);
    let look = session
        .prepare(&format!("SELECT sum(events)::bigint FROM {VIEW}.by_key"))
        .await
        .map_err(of_server)?;
    for n in plan.events..plan.events + plan.waits {
        let receipt = store.append([item(n)]).await?;
        let asked = Instant::now();
        view.wait_for(receipt.token(), PATIENCE).await?;
        waits.record(asked.elapsed());
        let shown: i64 = session.query_one(&look, &[]).await.map_err(of_server)?.get(0);
        stale += u64::from(shown.cast_unsigned() < n + 1);
    }
    Ok((waits, stale))
}

/// Looks at the view until the rebuilt one has taken its place; how often, and how often it showed less than before.
async fn watch(store: &EventStore, session: &Client, running: &mut Running) -> Result<(u64, u64), RunError> {
    let (mut looks, mut back, mut before) = (0, 0, 0);
    let look = format!("SELECT sum(events)::bigint FROM {VIEW}.by_key");
    let give_up = Instant::now() + PATIENCE;
    loop {
        let shown: i64 = session.query_one(&look, &[]).await.map_err(of_server)?.get(0);
        (looks, back, before) = (looks + 1, back + u64::from(shown < before), shown);
        let generations = store.projection_status("by_key").await?;
        if generations.len() == 1 && generations[0].generation > 1 {
            return Ok((looks, back));
        } else if running.is_finished() {
            return Err(early(running.await));
        } else if Instant::now() > give_up {
            return Err(RunError::new(format!("the rebuild did not come to its end within {PATIENCE:?}")));
        }
        sleep(LOOK_EVERY).await;
    }
}

/// Requests at a constant rate, until told to end.
struct Load {
    began: Instant,
    end: CancellationToken,
    task: JoinHandle<Result<Latencies, RunError>>,
}

impl Load {
    fn begin(store: &EventStore, rate: u64, numbers: &Arc<AtomicU64>) -> Self {
        let (began, end) = (Instant::now(), CancellationToken::new());
        let task = tokio::spawn(request(store.clone(), rate, Arc::clone(numbers), end.clone()));
        Self { began, end, task }
    }

    async fn end(self) -> Result<Requests, RunError> {
        let seconds = self.began.elapsed().as_secs_f64();
        self.end.cancel();
        let latencies = self.task.await.map_err(RunError::task)??;
        let made = latencies.counts().iter().map(|(_, count)| count).sum();
        let (p50_ms, p99_ms) = (latencies.quantile_ms(0.5), latencies.quantile_ms(0.99));
        Ok(Requests { made, seconds, p50_ms, p99_ms })
    }
}

async fn request(
    store: EventStore,
    rate: u64,
    numbers: Arc<AtomicU64>,
    end: CancellationToken,
) -> Result<Latencies, RunError> {
    let (began, mut requests, mut latencies) = (Instant::now(), JoinSet::new(), Latencies::new());
    for nth in 0_u64.. {
        let due = began + Duration::from_secs_f64(nth as f64 / rate as f64);
        tokio::select! {
            () = sleep_until(due) => {}
            () = end.cancelled() => break,
        }
        let (store, numbers) = (store.clone(), Arc::clone(&numbers));
        requests.spawn(async move {
            if nth.is_multiple_of(2) {
                store.append([item(numbers.fetch_add(1, Ordering::Relaxed))]).await?;
            } else {
                let of_key = items().and_all([("key", nth % KEYS)]);
                store.query(&of_key).backwards().limit(10).await?;
            }
            Ok::<_, RunError>(due.elapsed())
        });
        while let Some(done) = requests.try_join_next() {
            latencies.record(done.map_err(RunError::task)??);
        }
    }
    while let Some(done) = requests.join_next().await {
        latencies.record(done.map_err(RunError::task)??);
    }
    Ok(latencies)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "view: of {} events, built in {:.1} s", self.events, self.first_build_seconds)?;
        writeln!(
            f,
            "{} appends, each waited for: p50 {:.2} ms, p95 {:.2} ms, p99 {:.2} ms; {} stale",
            self.waits, self.wait_p50_ms, self.wait_p95_ms, self.wait_p99_ms, self.stale
        )?;
        for (what, requests) in
            [("without a rebuild", &self.without), ("during a rebuild", &self.during_rebuild)]
        {
            writeln!(
                f,
                "{} requests/s {what}, {:.1} s: {} made, p50 {:.2} ms, p99 {:.2} ms",
                self.requests_per_second, requests.seconds, requests.made, requests.p50_ms, requests.p99_ms
            )?;
        }
        writeln!(
            f,
            "p99 {:.2} x; {} looks at the view, {} of them back in time; {} keys counted wrong at the end",
            self.p99_ratio, self.looks, self.looks_back, self.wrong_keys
        )
    }
}
