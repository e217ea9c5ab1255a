//! How much a store can do: the highest rate that holds given limits.
//!
//! Every rate is offered as an open loop, after a warm-up of its own. Several engines take turns, so that a busy neighbour of
//! this machine disturbs them alike. [`search`](mod@search) says what is tried next.

mod knee;
mod report;
mod search;

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use prometheus::Registry;

use crate::capacity::report::{CapacityReport, EngineReport, Probe};
use crate::capacity::search::{Search, Trial};
use crate::engine::EngineName;
use crate::environment::Environment;
use crate::error::RunError;
use crate::interrupt::Interrupt;
use crate::live::say;
use crate::load::{self, Turn, Watchers};
use crate::output::{Output, Place};
use crate::plan::{Plan, Rate, Timing};
use crate::report::{Circumstances, Report};
use crate::servers::Servers;
use crate::shape::Shape;
use crate::slo::Slo;
use crate::stage::Stage;
use crate::verdict::Verdict;

/// How the search goes.
#[derive(Debug, Clone)]
pub(crate) struct CapacityPlan {
    /// Everything but the rate and how long it is offered.
    pub(crate) load: Plan,
    pub(crate) slo: Slo,
    pub(crate) engines: Vec<EngineName>,
    pub(crate) from: Rate,
    pub(crate) most: Rate,
    /// How close the rate that held and the one that broke must come, as a share.
    pub(crate) precision: f64,
    /// How long a rate is tried.
    pub(crate) probe: Duration,
    pub(crate) confirmations: u32,
    /// How long a rate is confirmed.
    pub(crate) confirm_for: Duration,
    pub(crate) json: Option<PathBuf>,
    pub(crate) picture: Option<PathBuf>,
}

/// An engine and how far its search is.
struct Contestant {
    plan: Plan,
    stage: Stage,
    search: Search,
    probes: Vec<Probe>,
}

/// Searches and reports.
pub(crate) async fn run(plan: CapacityPlan) -> Result<Verdict, RunError> {
    let output = Output::open(plan.json.as_deref())?;
    let picture = plan.picture.as_deref().map(Place::open).transpose()?;
    let interrupt = Interrupt::listen()?;
    let servers = if plan.engines.iter().all(|engine| *engine == EngineName::Null) {
        Servers::none()
    } else {
        interrupt.or_stop(Servers::find(plan.load.primary.as_ref(), &plan.load.replicas)).await?
    };
    let servers = Arc::new(servers);
    let report = search(&plan, &servers, &interrupt).await?;
    let chart = report.chart().standalone();
    // What took minutes is printed also where a picture of it can not be written.
    let published = output.publish(&report);
    if let Some(picture) = picture {
        picture.fill(|to| to.write_all(chart.as_bytes()))?;
    }
    published?;
    Ok(if report.found_all() { Verdict::Kept } else { Verdict::TooSlow })
}

/// The capacity of each engine.
pub(crate) async fn search(
    plan: &CapacityPlan,
    servers: &Arc<Servers>,
    interrupt: &Interrupt,
) -> Result<CapacityReport, RunError> {
    let mut contestants = Vec::new();
    for engine in &plan.engines {
        let load = Plan { engine: *engine, ..plan.load.clone() };
        let stage = interrupt.or_stop(Stage::set_up(&load, servers, &Registry::new())).await?;
        let search =
            Search::new(plan.from.per_second(), plan.most.per_second(), plan.precision, plan.confirmations);
        contestants.push(Contestant { plan: load, stage, search, probes: Vec::new() });
    }
    let before = contestants.first().map_or(0, |first| first.stage.head);
    let environment = interrupt.or_stop(async { Ok(Environment::observe(servers, before).await) }).await?;
    say(&environment.summary());
    while contestants.iter().any(|contestant| contestant.search.next().is_some()) {
        for contestant in &mut contestants {
            let Some(trial) = contestant.search.next() else { continue };
            let probe = contestant.offer(plan, trial, &environment, interrupt).await?;
            say(&format!("{:<12} {probe}", contestant.plan.engine.as_str()));
            contestant.search.tried(probe.held);
            contestant.probes.push(probe);
        }
    }
    let engines = contestants.iter().map(|contestant| {
        let found = contestant.search.found();
        EngineReport::new(contestant.plan.engine.as_str(), found, contestant.probes.clone())
    });
    let report = CapacityReport::new(plan, engines.collect(), environment);
    for contestant in &contestants {
        contestant.stage.close().await;
    }
    Ok(report)
}

impl Contestant {
    async fn offer(
        &self,
        plan: &CapacityPlan,
        trial: Trial,
        environment: &Environment,
        interrupt: &Interrupt,
    ) -> Result<Probe, RunError> {
        let length = if trial.is_confirmation { plan.confirm_for } else { plan.probe };
        let rate = Rate::try_from(trial.rate).map_err(RunError::new)?;
        let timing = Timing::Shape(Shape::constant(rate, length));
        let load = Plan { timing, ..self.plan.clone() };
        let settled = async {
            self.stage.settle().await;
            Ok(())
        };
        interrupt.or_stop(settled).await?;
        let mut watchers = Watchers::default();
        let offered = load::offer(&load, &self.stage, Turn::ONLY, &mut watchers, interrupt.token()).await?;
        if offered.is_interrupted {
            return Err(RunError::new("interrupted: no capacity was found"));
        }
        let mut report = Report::new(&load, &[offered], Circumstances::of_probe(environment.clone()));
        report.warnings.extend(self.stage.servers.doubt());
        Ok(Probe::of(&report, &plan.slo, trial))
    }
}
