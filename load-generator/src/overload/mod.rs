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
use crate::live::say;
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
    say(&format!("capacity {capacity:.0} requests/s; offered: {rate:.0}"));
    let offered = Offered { plan: &plan, rate, servers: &servers, interrupt: &interrupt };
    let mut rounds: Vec<Round> = Vec::new();
    let mut failed = Ok(Verdict::Kept);
    while failed.is_ok() && rounds.len() < plan.rounds as usize {
        match offered.round(rounds.len()).await {
            Ok(round) => {
                say(&format!("round {}: {round}", rounds.len() + 1));
                rounds.push(round);
            }
            Err(error) => failed = Err(error),
        }
    }
    // The complete rounds are not lost with a later one.
    if !rounds.is_empty() {
        output.publish(&OverloadReport::new(&plan, capacity, rate, rounds))?;
    }
    failed
}

/// What is offered in both ways, and where.
struct Offered<'a> {
    plan: &'a OverloadPlan,
    rate: f64,
    servers: &'a Servers,
    interrupt: &'a Interrupt,
}

impl Offered<'_> {
    /// Both ways, each of which goes first as often as the other.
    async fn round(&self, nth: usize) -> Result<Round, RunError> {
        let load = &self.plan.capacity.load;
        let fixed = Pool::Fixed { workers: load.workers(), queue: queue(load) };
        let (a_task_each, pool) = if nth.is_multiple_of(2) {
            let first = self.once(Pool::TaskPerRequest).await?;
            (first, self.once(fixed).await?)
        } else {
            let pool = self.once(fixed).await?;
            (self.once(Pool::TaskPerRequest).await?, pool)
        };
        for warning in a_task_each.warnings.iter().chain(&pool.warnings) {
            say(&format!("  {warning}"));
        }
        let mut round = Round::new(&a_task_each, &pool);
        // To the process that made the load they were given.
        round.environment.servers = self.servers.kind().to_owned();
        Ok(round)
    }

    async fn once(&self, pool: Pool) -> Result<Report, RunError> {
        // Nobody pays for what the other wrote.
        let settled = self.interrupt.or_stop(async { Ok(self.servers.settle().await) }).await?;
        if let Err(error) = settled {
            tracing::warn!(%error, "the servers did not come to rest before a load");
        }
        let arguments = arguments(self.plan, self.rate, pool);
        let report = subprocess::report(arguments, &self.servers.primary, &self.servers.replicas);
        self.interrupt.or_stop(report).await
    }
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
