//! `count`: a projection counts events in one row, while the process that runs it is killed at random; and the count is exact.
//!
//! *Processes.* This one starts the other, which is this same program with `--part`, and another one when it has killed it. What
//! is killed has some hundred events applied and not committed, or a commit under way, or waits until its forerunner counts as dead.

use std::ffi::OsString;
use std::fmt;
use std::time::Duration;

use eventstore::{ApplyError, EventStore, Filter, Projection, RecordedEvent, Settings};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use tokio::io::AsyncBufReadExt as _;
use tokio::time::{Instant, sleep};
use tokio_postgres::Transaction;

use crate::connection;
use crate::deliver::{Common, connect, fill, fresh, items, of_server, servers};
use crate::error::RunError;
use crate::live::say;
use crate::output::Output;
use crate::subprocess::Subprocess;
use crate::verdict::Verdict;

const SCHEMA: &str = "deliver_count";
const HEARTBEAT: Duration = Duration::from_millis(100);
/// How long it may take until all is counted, once nobody is killed any more.
const PATIENCE: Duration = Duration::from_secs(300);

/// What is to be done.
#[derive(Debug, Clone)]
pub(crate) struct CountPlan {
    pub(crate) events: u64,
    pub(crate) kills: u64,
    pub(crate) seed: u64,
    pub(crate) common: Common,
}

#[derive(Debug, Serialize)]
struct Report {
    scenario: &'static str,
    events: u64,
    kills: u64,
    /// Kills that fell between the first and the last event.
    kills_while_counting: u64,
    /// Transactions that applied events and were committed.
    transactions: u64,
    counted: u64,
    /// The sum of their numbers: another count that is only right if it is of the same events.
    sum: u64,
    expected_sum: u64,
    seconds: f64,
    is_exact: bool,
}

/// Counts events one by one.
struct Count;

impl Projection for Count {
    fn name(&self) -> &str {
        "count"
    }

    fn filter(&self) -> Filter {
        items()
    }

    async fn create(&self, transaction: &Transaction<'_>) -> Result<(), ApplyError> {
        let create =
            "CREATE TABLE count (events bigint, sum bigint, transactions bigint) WITH (fillfactor = 10);
                      INSERT INTO count VALUES (0, 0, 0)";
        Ok(transaction.batch_execute(create).await?)
    }

    async fn apply(
        &self,
        transaction: &Transaction<'_>,
        events: &[&RecordedEvent],
    ) -> Result<(), ApplyError> {
        let count = transaction.prepare("UPDATE count SET events = events + 1, sum = sum + $1").await?;
        for event in events {
            let number = event.payload["n"].as_i64().ok_or("an event without a number")?;
            transaction.execute(&count, &[&number]).await?;
        }
        Ok(transaction.batch_execute("UPDATE count SET transactions = transactions + 1").await?)
    }
}

/// Carries it out and reports.
pub(crate) async fn run(plan: CountPlan) -> Result<Verdict, RunError> {
    let output = Output::open(plan.common.json.as_deref())?;
    let servers = servers(&plan.common).await?;
    let session = connection::connect(&servers.primary).await.map_err(of_server)?;
    let view = format!("{SCHEMA}_count");
    session.batch_execute(&format!("DROP SCHEMA IF EXISTS {view} CASCADE")).await.map_err(of_server)?;
    let store = fresh(&servers, SCHEMA, settings()).await?;
    let (began, mut random) = (Instant::now(), ChaCha8Rng::seed_from_u64(plan.seed));
    let replica = servers.replicas.first().map(String::as_str);
    let mut process = start(&servers.primary, replica).await?;
    fill(&store, plan.events).await?;
    let head = store.head().await?;
    let mut kills_while_counting = 0;
    for kill in 1..=plan.kills {
        sleep(Duration::from_millis(random.random_range(100..700))).await;
        let status = store.projection_status("count").await?;
        let at = status.first().map_or(0, |generation| generation.checkpoint.position().get());
        kills_while_counting += u64::from(at < head.position().get());
        process.kill().await?;
        process = start(&servers.primary, replica).await?;
        say(&format!("{kill} of {} killed, at position {at}", plan.kills));
    }
    store.projection(Count).wait_for(head, PATIENCE).await?;
    let seconds = began.elapsed().as_secs_f64();
    process.kill().await?;
    let row = session
        .query_one(&format!("SELECT events, sum, transactions FROM {view}.count"), &[])
        .await
        .map_err(of_server)?;
    let [counted, sum, transactions] = [0, 1, 2].map(|column| row.get::<_, i64>(column).cast_unsigned());
    let expected_sum = (0..plan.events).sum();
    let is_exact = (counted, sum) == (plan.events, expected_sum);
    store.close().await?;
    let (events, kills) = (plan.events, plan.kills);
    if kills > 0 && kills_while_counting == 0 {
        return Err(RunError::new("all was counted before anybody was killed: more events, please"));
    }
    let report = Report {
        scenario: "count",
        events,
        kills,
        kills_while_counting,
        transactions,
        counted,
        sum,
        expected_sum,
        seconds,
        is_exact,
    };
    output.publish(&report)?;
    Ok(if is_exact { Verdict::Kept } else { Verdict::Violated })
}

fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.heartbeat_every = HEARTBEAT;
    settings
}

async fn start(primary: &str, replica: Option<&str>) -> Result<Subprocess, RunError> {
    let arguments = ["deliver", "count", "--part"].map(OsString::from);
    let mut process = Subprocess::start(arguments, primary, replica)?;
    process.expect("ready").await?;
    Ok(process)
}

/// What the process does that is killed.
pub(crate) async fn part(common: Common) -> Result<(), RunError> {
    let primary = common.primary.unwrap_or_default();
    let store: EventStore = connect(&primary, &common.replicas, SCHEMA, settings()).await?;
    println!("ready");
    let mut input = tokio::io::BufReader::new(tokio::io::stdin()).lines();
    let parent = async move { while let Ok(Some(_)) = input.next_line().await {} };
    store.projection(Count).run().until(parent).await?;
    Ok(())
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "count: {} events, {} processes killed ({} of them before all was counted), {} transactions committed, {:.1} s",
            self.events, self.kills, self.kills_while_counting, self.transactions, self.seconds
        )?;
        writeln!(
            f,
            "counted {} of {}, their sum is {} of {}: {}",
            self.counted,
            self.events,
            self.sum,
            self.expected_sum,
            if self.is_exact { "exact" } else { "NOT exact" }
        )
    }
}
