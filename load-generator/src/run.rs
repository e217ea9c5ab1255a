//! One run, from beginning to end.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use prometheus::Registry;
use testutil::checker::Recorder;
use tokio::sync::mpsc;

use crate::audit::Audit;
use crate::engine::EngineName;
use crate::environment::Environment;
use crate::error::RunError;
use crate::interrupt::Interrupt;
use crate::live::{self, About, View};
use crate::load::{self, Turn, Watchers};
use crate::metrics::{self, Metrics};
use crate::observe;
use crate::output::Outputs;
use crate::own::OwnClock;
use crate::pacer;
use crate::plan::{Plan, Pool};
use crate::recorded::{self, RecordedRequest};
use crate::report::{Circumstances, Report};
use crate::scenario::Library;
use crate::schedule::Schedule;
use crate::servers::Servers;
use crate::stage::Stage;
use crate::store_metrics::StoreMetrics;
use crate::verdict::Verdict;

/// How long a terminal may take to become a plain one.
const VIEW_WITHIN: Duration = Duration::from_secs(1);

/// Carries a plan out and reports.
pub(crate) async fn run(plan: Plan) -> Result<Verdict, RunError> {
    // What can fail without any load does so first.
    let mut outputs = Outputs::open(&plan.outputs)?;
    check_rate(&plan)?;
    record(&plan)?;
    let listener = match &plan.metrics {
        Some(address) => {
            Some(metrics::listen(address).await.map_err(RunError::io(format!("metrics at {address}")))?)
        }
        None => None,
    };
    let registry = Registry::new();
    let metrics = Metrics::new(&registry, &plan)?;
    // From the beginning: a dashboard shows that the load is being prepared.
    let prepared = Arc::new(OnceLock::new());
    let served =
        listener.map(|listener| tokio::spawn(metrics.clone().serve(listener, Arc::clone(&prepared))));
    let interrupt = Interrupt::listen()?;
    let servers = match plan.engine {
        EngineName::Null => Servers::none(),
        _ => interrupt.or_stop(Servers::find(plan.primary.as_ref(), &plan.replicas)).await?,
    };
    let servers = Arc::new(servers);
    let stage = interrupt.or_stop(Stage::set_up(&plan, &servers, &registry)).await?;
    prepared.get_or_init(|| stage.engine.store());
    let environment =
        interrupt.or_stop(async { Ok(Environment::observe(&servers, stage.head).await) }).await?;

    let (ticks, view) = show(&plan, &environment);
    let recorder = plan.audit.then(|| Arc::new(Recorder::in_memory()));
    let mut watchers = Watchers {
        metrics: Some(metrics),
        ticks: Some(ticks),
        hdr_file: outputs.take_hdr(),
        recorder: recorder.clone(),
        ..Watchers::default()
    };
    let before = observe::stats_of_all(&servers, &plan.schema()).await;
    let store_before = StoreMetrics::read(&registry);
    let own = OwnClock::start();

    let mut loads = Vec::new();
    let mut seconds_before = 0;
    for repeat in 1..=plan.repeats {
        let turn = Turn { repeat, seconds_before, start_at: plan.start_at.filter(|_| repeat == 1) };
        let load = load::offer(&plan, &stage, turn, &mut watchers, interrupt.token()).await?;
        seconds_before += load.timeline.len() as u64;
        let is_last = load.is_interrupted;
        loads.push(load);
        if is_last {
            break;
        }
    }
    drop(watchers);
    let requests: u64 =
        loads.iter().map(|load| load.offers.warmup.scheduled + load.offers.measured.scheduled).sum();
    let own = own.finish(requests);
    // The terminal is a plain one again before anything is printed; one that takes nothing is not waited for.
    drop(tokio::time::timeout(VIEW_WITHIN, view).await);
    if let Some(served) = served {
        served.abort();
    }
    // Closed sessions have told the server all that they did. Appends that were given up on may still be under way.
    stage.close().await;
    let after = observe::stats_of_all(&servers, &plan.schema()).await;
    let servers_report = observe::reports(before, after);
    let active: Option<f64> = servers_report.iter().map(|server| server.active_time_ms()).sum();
    let server_ms = active.filter(|_| requests > 0).map(|active| active / requests as f64);
    let store = StoreMetrics::read(&registry).since(&store_before, server_ms);
    let circumstances = Circumstances { environment, servers: servers_report, store, own };
    let mut report = Report::new(&plan, &loads, circumstances);
    let verdict = if report.broke_slo() { Verdict::TooSlow } else { Verdict::Kept };
    let Some(recorder) = recorder else {
        return verdict.unless(outputs.publish(&report));
    };
    let (verdict, audited) = match Audit::of(&stage.engine, recorder.take(), stage.head).await {
        Ok(audit) => {
            let verdict = audit.verdict().or(verdict);
            report.audit = Some(audit);
            (verdict, Ok(()))
        }
        Err(error) => (verdict, Err(error)),
    };
    verdict.unless(outputs.publish(&report).and(audited))
}

/// Starts what a person watches; it ends when the sender is dropped.
fn show(
    plan: &Plan,
    environment: &Environment,
) -> (mpsc::UnboundedSender<live::Tick>, tokio::task::JoinHandle<()>) {
    let (workers, queue) = match plan.pool {
        Pool::Fixed { workers, queue } => (Some(workers as u64), Some(queue as u64)),
        Pool::TaskPerRequest => (None, None),
    };
    let about = About {
        title: format!("library through {}: {}", plan.engine.as_str(), plan.shape()),
        environment: environment.summary(),
        workers,
        queue,
    };
    let (ticks, shown) = mpsc::unbounded_channel();
    (ticks, tokio::spawn(live::show(View::choose(plan.no_tui), about, shown)))
}

/// A rate that this machine can not even schedule is refused, and not reported as a slow server.
fn check_rate(plan: &Plan) -> Result<(), RunError> {
    let Some(schedule) = Schedule::new(plan, Library::mix(&plan.library)) else { return Ok(()) };
    let asked = plan.timing.peak_rate().unwrap_or_default() / plan.node.of as f64;
    match pacer::fastest(&schedule) {
        Some(fastest) if fastest < asked => Err(RunError::new(format!(
            "this machine can schedule {fastest:.0} requests/s at most, expected {asked:.0}: share the plan among several with --node"
        ))),
        _ => Ok(()),
    }
}

/// Writes what is going to be offered, where that is asked for.
fn record(plan: &Plan) -> Result<(), RunError> {
    let (Some(path), Some(schedule)) = (&plan.record, Schedule::new(plan, Library::mix(&plan.library)))
    else {
        return Ok(());
    };
    let requests = schedule.filter(|planned| planned.measured).map(|planned| RecordedRequest {
        at: planned.due.saturating_sub(plan.warmup),
        operation: Some(planned.operation),
        choice: Some(planned.choice),
    });
    recorded::write(path, requests)
}
