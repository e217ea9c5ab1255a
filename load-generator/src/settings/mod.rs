//! What servers do with other settings: the same load, on copies of the same data.
//!
//! One pair of servers is filled and stopped. For each variant in each round, its data is copied, the copy is started with the
//! variant's settings, warmed up, brought to rest by a checkpoint, and given the load: an open loop first, then as much as fits
//! through a closed one. Variants take turns, and each round begins with another one, so that whatever else the machine does
//! disturbs them alike. Nothing of one trial is left in the next.

mod report;
mod variant;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use prometheus::Registry;
use testutil::Cluster;

use crate::connection;
use crate::environment::Environment;
use crate::error::RunError;
use crate::interrupt::Interrupt;
use crate::live::say;
use crate::load::{self, Turn, Watchers};
use crate::observe;
use crate::output::Output;
use crate::plan::{Plan, Pool, Rate, Timing};
use crate::report::{Circumstances, Report};
use crate::servers::Servers;
use crate::settings::report::{SettingsReport, Trial};
use crate::shape::Shape;
use crate::stage::Stage;

pub(crate) use variant::{Change, Variant};

/// What is compared, and how.
#[derive(Debug, Clone)]
pub(crate) struct SettingsPlan {
    /// Everything but what is offered, and how long.
    pub(crate) load: Plan,
    pub(crate) variants: Vec<Variant>,
    /// Of the open loop; nothing for none.
    pub(crate) rate: Option<Rate>,
    /// Of the closed loop; nothing for none.
    pub(crate) clients: Option<usize>,
    /// How long each of them is measured.
    pub(crate) duration: Duration,
    pub(crate) rounds: u32,
    pub(crate) json: Option<PathBuf>,
}

/// Measures and reports.
pub(crate) async fn run(plan: SettingsPlan) -> Result<(), RunError> {
    let output = Output::open(plan.json.as_deref())?;
    let interrupt = Interrupt::listen()?;
    let (filled, environment) = fill(&plan, &interrupt).await?;
    let filled = Arc::new(filled);
    let mut rounds = Vec::new();
    let mut failed = Ok(());
    while failed.is_ok() && rounds.len() < plan.rounds as usize {
        match one_round(&plan, rounds.len(), &filled, &interrupt).await {
            Ok(trials) => rounds.push(trials),
            Err(error) => failed = Err(error),
        }
    }
    // An hour's rounds are not lost with a later one.
    if !rounds.is_empty() {
        output.publish(&SettingsReport::new(&plan, rounds, environment))?;
    }
    failed
}

/// Each variant once, in an order that is another one in each round.
async fn one_round(
    plan: &SettingsPlan,
    round: usize,
    filled: &Arc<Cluster>,
    interrupt: &Interrupt,
) -> Result<Vec<Trial>, RunError> {
    let count = plan.variants.len();
    let mut trials: Vec<Option<Trial>> = vec![None; count];
    for nth in (0..count).map(|nth| (nth + round) % count) {
        let variant = &plan.variants[nth];
        let trial = try_out(plan, variant, filled, interrupt).await?;
        say(&format!("round {}: {:<28} {trial}", round + 1, variant.name()));
        trials[nth] = Some(trial);
    }
    Ok(trials.into_iter().flatten().collect())
}

/// A pair of servers with all events, stopped; and what they ran on.
async fn fill(plan: &SettingsPlan, interrupt: &Interrupt) -> Result<(Cluster, Environment), RunError> {
    say(&format!("writing {} events, once for all variants", plan.load.preload));
    let (primary, replica) = Variant::to_fill().texts();
    let start = || Cluster::builder().replicas(1).durable().configured(primary, replica).start();
    let cluster =
        tokio::task::spawn_blocking(start).await.map_err(RunError::task)?.map_err(RunError::cluster)?;
    let servers = Arc::new(Servers::of(cluster));
    let stage = interrupt.or_stop(Stage::set_up(&plan.load, &servers, &Registry::new())).await?;
    if let Some(doubt) = servers.doubt() {
        say(&doubt);
    }
    let observed = async { Ok(Environment::observe(&servers, stage.head).await) };
    let environment = interrupt.or_stop(observed).await?;
    let prepared = interrupt.or_stop(vacuum(&servers, &plan.load.schema())).await;
    stage.close().await;
    prepared?;
    drop(stage);
    let servers = Arc::into_inner(servers).ok_or_else(|| RunError::new("the servers are in use"))?;
    let cluster = servers.into_cluster().ok_or_else(|| RunError::new("the servers are not ours"))?;
    let stop = || {
        let mut cluster = cluster;
        cluster.stop().map(|()| cluster)
    };
    let cluster =
        tokio::task::spawn_blocking(stop).await.map_err(RunError::task)?.map_err(RunError::cluster)?;
    Ok((cluster, environment))
}

/// As a log is that was not written a minute ago: autovacuum has been there, and nothing of it is left for the trials.
async fn vacuum(servers: &Servers, schema: &str) -> Result<(), RunError> {
    let work = async {
        let session = connection::connect(&servers.primary).await?;
        for table in ["events", "keys"] {
            session.batch_execute(&format!("VACUUM (ANALYZE) \"{schema}\".{table}")).await?;
        }
        Ok::<_, tokio_postgres::Error>(())
    };
    work.await.map_err(|error| {
        RunError::new(format!("vacuum before the trials: {}", connection::with_causes(&error)))
    })?;
    servers.settle().await
}

/// One variant once.
async fn try_out(
    plan: &SettingsPlan,
    variant: &Variant,
    filled: &Arc<Cluster>,
    interrupt: &Interrupt,
) -> Result<Trial, RunError> {
    let (primary, replica) = variant.texts();
    let filled = Arc::clone(filled);
    let start = move || Cluster::builder().copy_of(&filled).durable().configured(primary, replica).start();
    let cluster =
        tokio::task::spawn_blocking(start).await.map_err(RunError::task)?.map_err(RunError::cluster)?;
    let servers = Arc::new(Servers::of(cluster));
    let stage = interrupt.or_stop(Stage::set_up(&plan.load, &servers, &Registry::new())).await?;
    let offer = async |timing: Timing, pool: Pool| {
        let load = Plan { timing, pool, warmup: Duration::ZERO, ..plan.load.clone() };
        let before = observe::stats_of_all(&servers, &load.schema()).await;
        let mut watchers = Watchers::default();
        let measured = load::offer(&load, &stage, Turn::ONLY, &mut watchers, interrupt.token()).await?;
        if measured.is_interrupted {
            return Err(RunError::new("interrupted: what was complete by then is reported"));
        }
        let after = observe::stats_of_all(&servers, &load.schema()).await;
        let circumstances = Circumstances {
            servers: observe::reports(before, after),
            ..Circumstances::of_probe(Environment::default())
        };
        Ok(Report::new(&load, &[measured], circumstances))
    };
    let closed =
        |clients, length| (Timing::ClosedLoop { length }, Pool::Fixed { workers: clients, queue: 1 });
    // As many as later, so that everything that will be needed is there by then.
    let (timing, pool) = closed(plan.clients.unwrap_or_else(|| plan.load.workers()), plan.load.warmup);
    if !plan.load.warmup.is_zero() {
        offer(timing, pool).await?;
    }
    let settled =
        async { servers.settle().await.map_err(|error| RunError::new(format!("before measuring: {error}"))) };
    interrupt.or_stop(settled).await?;
    let observed = async { Ok(Environment::observe(&servers, stage.head).await) };
    let settings = interrupt.or_stop(observed).await?.postgresql;
    let mut trial = Trial { settings, ..Trial::default() };
    if let Some(rate) = plan.rate {
        let report = offer(Timing::Shape(Shape::constant(rate, plan.duration)), plan.load.pool).await?;
        trial.open = Some((&report).into());
    }
    if let Some(clients) = plan.clients {
        let (timing, pool) = closed(clients, plan.duration);
        trial.closed = Some((&offer(timing, pool).await?).into());
    }
    stage.close().await;
    Ok(trial)
}
