//! What happens beyond the capacity: a task for each request, against a bounded pool.
//!
//! The same rate, 1.2 times what the store can do, is offered in both ways, in turn, each by a process of its own, so that the
//! memory of one is not counted for the other. The first is what services often do: every request is started at once, and
//! they fight for connections until they time out. The second is this load generator's own way: so many workers, a short
//! queue, and a rejection at once for whoever finds it full.

mod report;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::capacity::{self, CapacityPlan};
use crate::error::RunError;
use crate::interrupt::Interrupt;
use crate::output::Output;
use crate::overload::report::{OverloadReport, Round};
use crate::plan::{Plan, Pool, Rate};
use crate::report::Report;
use crate::servers::Servers;
use crate::subprocess;
use crate::verdict::Verdict;

/// What is offered.
#[derive(Debug, Clone)]
pub(crate) struct OverloadPlan {
    /// Finds the capacity, and has everything that both ways have in common.
    pub(crate) capacity: CapacityPlan,
    /// Nothing to have it searched for.
    pub(crate) known: Option<Rate>,
    /// How many times the capacity.
    pub(crate) factor: f64,
    pub(crate) duration: Duration,
    pub(crate) rounds: u32,
    pub(crate) json: Option<PathBuf>,
}

/// Runs both ways and reports.
pub(crate) async fn run(plan: OverloadPlan) -> Result<Verdict, RunError> {
    let output = Output::open(plan.json.as_deref())?;
    let interrupt = Interrupt::listen()?;
    let load = &plan.capacity.load;
    let servers = Servers::find(load.primary.as_ref(), &load.replicas);
    let servers = Arc::new(interrupt.or_stop(servers).await?);
    let capacity = match plan.known {
        Some(rate) => rate.per_second(),
        None => {
            let found = capacity::search(&plan.capacity, &servers, &interrupt).await?;
            found.capacity().ok_or_else(|| RunError::new(format!("no rate holds {}", plan.capacity.slo)))?
        }
    };
    let rate = capacity * plan.factor;
    eprintln!("capacity {capacity:.0} requests/s; offered: {rate:.0}");
    let mut rounds = Vec::new();
    for nth in 0..plan.rounds {
        let of = async |pool: Pool| {
            // Nobody pays for what the other wrote.
            if let Err(error) = servers.settle().await {
                tracing::debug!(%error, "no checkpoint between two loads");
            }
            let arguments = arguments(&plan, rate, pool);
            interrupt.or_stop(subprocess::report(arguments, &servers.primary, &servers.replicas)).await
        };
        let fixed = Pool::Fixed { workers: load.workers(), queue: queue(load) };
        // Each goes first as often as the other.
        let (a_task_each, pool) = if nth % 2 == 0 {
            let first = of(Pool::TaskPerRequest).await?;
            (first, of(fixed).await?)
        } else {
            let pool = of(fixed).await?;
            (of(Pool::TaskPerRequest).await?, pool)
        };
        for warning in a_task_each.warnings.iter().chain(&pool.warnings) {
            eprintln!("  {warning}");
        }
        let mut round = Round::new(&a_task_each, &pool);
        // To the process that made the load they were given.
        round.environment.servers = servers.kind().to_owned();
        eprintln!("round {}: {round}", nth + 1);
        rounds.push(round);
    }
    output.publish(&OverloadReport::new(&plan, capacity, rate, rounds))?;
    Ok(Verdict::Kept)
}

fn queue(load: &Plan) -> usize {
    match load.pool {
        Pool::Fixed { queue, .. } => queue,
        Pool::TaskPerRequest => 0,
    }
}

/// Of the process that offers the load.
fn arguments(plan: &OverloadPlan, rate: f64, pool: Pool) -> Vec<OsString> {
    let load = &plan.capacity.load;
    let millis = |duration: Duration| format!("{}ms", duration.as_millis());
    let mut arguments: Vec<String> = [
        ("--rate", format!("{rate:.3}")),
        ("--duration", millis(plan.duration)),
        ("--warmup", millis(load.warmup)),
        ("--timeout", millis(load.timeout)),
        ("--schema", load.schema.clone()),
        ("--preload", load.preload.to_string()),
        ("--seed", load.seed.to_string()),
        ("--json", "-".to_owned()),
    ]
    .into_iter()
    .flat_map(|(flag, value)| [flag.to_owned(), value])
    .collect();
    let described = load.load();
    arguments.extend(described.arrivals.into_iter().flat_map(|arrivals| ["--arrivals".to_owned(), arrivals]));
    for (name, value) in described.scenario {
        arguments.extend([format!("--{name}"), value]);
    }
    match pool {
        Pool::Fixed { workers, queue } => arguments.extend([
            "--workers".to_owned(),
            workers.to_string(),
            "--queue".to_owned(),
            queue.to_string(),
        ]),
        Pool::TaskPerRequest => arguments.push("--task-per-request".to_owned()),
    }
    std::iter::once("run".to_owned()).chain(arguments).map(OsString::from).collect()
}

impl Round {
    fn new(a_task_each: &Report, pool: &Report) -> Self {
        let environment = pool.environment.clone();
        Self { task_per_request: a_task_each.into(), pool: pool.into(), environment }
    }
}
