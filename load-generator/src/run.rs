//! One run, from beginning to end.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use prometheus::Registry;
use testutil::checker::Recorder;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::audit::Audit;
use crate::engine::EngineName;
use crate::environment::Environment;
use crate::error::RunError;
use crate::interrupt::Interrupt;
use crate::live::{self, About, View};
use crate::load::{self, Measured, Turn, Watchers};
use crate::metrics::{self, Metrics};
use crate::observe::{self, ServerReport};
use crate::output::Outputs;
use crate::pacer;
use crate::plan::Plan;
use crate::recorded::{self, RecordedRequest};
use crate::report::{Circumstances, Load, Report};
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
    outputs.refuse_inputs(plan.replay.as_slice())?;
    check_rate(&plan)?;
    check_start(&plan)?;
    record(&plan, &mut outputs)?;
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
        _ => {
            let found = Servers::find_or_start(plan.primary.as_ref(), &plan.replicas, &plan.settings);
            interrupt.or_stop(found).await?
        }
    };
    let servers = Arc::new(servers);
    let stage = interrupt.or_stop(Stage::set_up(&plan, &servers, &registry)).await?;
    prepared.get_or_init(|| stage.engine.store());
    let environment =
        interrupt.or_stop(async { Ok(Environment::observe(&servers, stage.head).await) }).await?;

    let (ticks, view) = show(&plan, &environment);
    let recorder = plan.audit.then(|| Arc::new(Recorder::in_memory()));
    let watchers = Watchers {
        metrics: Some(metrics),
        ticks: Some(ticks),
        hdr_file: outputs.take_hdr(),
        recorder: recorder.clone(),
        ..Watchers::default()
    };
    let before = observe::stats_of_all(&servers, &plan.schema()).await;
    let store_before = StoreMetrics::read(&registry);
    let offered = offer_all(&plan, &stage, watchers, interrupt.token()).await;
    // The terminal is a plain one again before anything is printed; one that takes nothing is not waited for.
    drop(tokio::time::timeout(VIEW_WITHIN, view).await);
    let (loads, failed) = offered?;
    if let Some(served) = served {
        served.abort();
    }
    // Closed sessions have told the server all that they did. Appends that were given up on may still be under way.
    stage.close().await;
    let after = observe::stats_of_all(&servers, &plan.schema()).await;
    let servers_report = observe::reports(before, after);
    let server_ms = server_ms_per_request(&servers_report, &loads);
    let store = StoreMetrics::read(&registry).since(&store_before, server_ms);
    let circumstances = Circumstances { environment, servers: servers_report, store };
    let mut report = Report::new(&plan, &loads, circumstances);
    report.warnings.extend(servers.doubt());
    let verdict = if report.broke_limits() { Verdict::TooSlow } else { Verdict::Kept };
    let hdr_failed = loads.iter().find_map(|load| load.hdr_failed.clone());
    let hdr =
        hdr_failed.map_or(Ok(()), |error| Err(RunError::new(format!("the HDR log ends early: {error}"))));
    let failed = failed.map_or(Ok(()), Err).and(hdr);
    let Some(recorder) = recorder else {
        return verdict.unless(outputs.publish(&report).and(failed));
    };
    let audit = Audit::of(&stage.engine, recorder.take(), stage.head);
    // Whoever has ended the load with a signal waits for the audit; else the signal ends the audit.
    let audited = if interrupt.token().is_cancelled() { audit.await } else { interrupt.or_stop(audit).await };
    let (verdict, audited) = match audited {
        Ok(audit) => {
            let verdict = audit.verdict().or(verdict);
            report.audit = Some(audit);
            (verdict, Ok(()))
        }
        Err(error) => (verdict, Err(error)),
    };
    verdict.unless(outputs.publish(&report).and(audited).and(failed))
}

/// Each repeat in turn. What was measured is given also where a later one could not be made, with the reason. One that was told to end
/// before it measured anything is no repeat: the one before it is the last, and is marked as interrupted.
async fn offer_all(
    plan: &Plan,
    stage: &Stage,
    mut watchers: Watchers,
    stop: &CancellationToken,
) -> Result<(Vec<Measured>, Option<RunError>), RunError> {
    let mut loads: Vec<Measured> = Vec::new();
    let mut seconds_before = 0;
    for repeat in 1..=plan.repeats {
        if let Some(last) = loads.last_mut().filter(|_| stop.is_cancelled()) {
            last.end_before(None);
            break;
        }
        let turn = Turn { repeat, seconds_before, start_at: plan.start_at.filter(|_| repeat == 1) };
        let load = match load::offer(plan, stage, turn, &mut watchers, stop).await {
            Ok(load) => load,
            Err(error) if loads.is_empty() => return Err(error),
            Err(error) => return Ok((loads, Some(error))),
        };
        seconds_before += load.timeline.len() as u64;
        let is_last = load.is_interrupted;
        match loads.last_mut() {
            Some(last) if load.is_empty() => last.end_before(Some(load)),
            _ => loads.push(load),
        }
        if is_last {
            break;
        }
    }
    Ok((loads, None))
}

/// What the servers worked for each request that they may have heard of.
fn server_ms_per_request(servers: &[ServerReport], loads: &[Measured]) -> Option<f64> {
    let offers = loads.iter().flat_map(|load| [load.offers.warmup, load.offers.measured]);
    let taken_on: u64 = offers.map(|offered| offered.scheduled - offered.rejected).sum();
    let active: Option<f64> = servers.iter().map(ServerReport::active_time_ms).sum();
    active.filter(|_| taken_on > 0).map(|active| active / taken_on as f64)
}

/// Starts what a person watches; it ends when the sender is dropped.
fn show(
    plan: &Plan,
    environment: &Environment,
) -> (mpsc::UnboundedSender<live::Tick>, tokio::task::JoinHandle<()>) {
    let Load { workers, queue, .. } = plan.load();
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
    let rates = [plan.timing.peak_rate(), plan.timing.mean_rate()].into_iter().flatten();
    let asked = rates.fold(0.0, f64::max) / plan.node.of as f64;
    match pacer::fastest(&schedule) {
        Some(fastest) if fastest < asked => Err(RunError::new(format!(
            "this machine can schedule {fastest:.0} requests/s at most, expected {asked:.0}: share the plan among several with --node"
        ))),
        _ => Ok(()),
    }
}

/// Nodes that can not begin together any more are told so before anything is prepared.
fn check_start(plan: &Plan) -> Result<(), RunError> {
    match plan.start_at {
        Some(at) if at <= SystemTime::now() => {
            let at = humantime::format_rfc3339_seconds(at);
            Err(RunError::new(format!("--start-at {at} has passed: say a time to come")))
        }
        _ => Ok(()),
    }
}

/// Writes what is going to be offered, where that is asked for.
fn record(plan: &Plan, outputs: &mut Outputs) -> Result<(), RunError> {
    let schedule = Schedule::new(plan, Library::mix(&plan.library));
    let (Some(place), Some(schedule)) = (outputs.take_record(), schedule) else { return Ok(()) };
    let requests = schedule.filter(|planned| planned.measured).map(|planned| RecordedRequest {
        at: planned.due.saturating_sub(plan.warmup),
        operation: Some(planned.operation),
        choice: Some(planned.choice),
    });
    recorded::write(place, requests)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::Phase;
    use crate::plan::{Rate, Timing};
    use crate::shape::Shape;

    fn plan() -> Plan {
        let rate = Rate::try_from(100.0).unwrap();
        Plan {
            timing: Timing::Shape(Shape::constant(rate, Duration::from_millis(200))),
            warmup: Duration::from_millis(500),
            repeats: 3,
            engine: EngineName::Null,
            preload: 500,
            ..Plan::for_tests()
        }
    }

    #[tokio::test]
    async fn a_repeat_that_is_stopped_in_its_warm_up_is_none() {
        let plan = plan();
        let servers = Arc::new(Servers::none());
        let stage = Stage::set_up(&plan, &servers, &Registry::new()).await.unwrap();
        let (ticks, mut told) = mpsc::unbounded_channel::<live::Tick>();
        let stop = CancellationToken::new();
        let stopping = stop.clone();
        let stopped = tokio::spawn(async move {
            while let Some(tick) = told.recv().await {
                if matches!(tick.phase, Phase::Measuring { .. }) {
                    stopping.cancel();
                }
            }
        });
        let watchers = Watchers { ticks: Some(ticks), ..Watchers::default() };
        let (loads, failed) = offer_all(&plan, &stage, watchers, &stop).await.unwrap();
        stopped.await.unwrap();
        assert!(failed.is_none(), "{failed:?}");
        let measured: Vec<u64> = loads.iter().map(|load| load.offers.measured.scheduled).collect();
        assert_eq!(measured, [20]);
        assert!(loads[0].is_interrupted);
        let report = Report::new(&plan, &loads, Circumstances::of_probe(Environment::default()));
        assert!(report.repeats.is_empty(), "{:?}", report.repeats);
        assert!(report.marks.iter().any(|mark| mark.kind == observe::MarkKind::Interrupted));
    }

    #[tokio::test]
    async fn what_a_stopped_warm_up_cost_the_servers_is_counted() {
        let plan = plan();
        let servers = Arc::new(Servers::none());
        let stage = Stage::set_up(&plan, &servers, &Registry::new()).await.unwrap();
        let stop = CancellationToken::new();
        let mut watchers = Watchers::default();
        let mut made = load::offer(&plan, &stage, Turn::ONLY, &mut watchers, &stop).await.unwrap();
        let before = made.offers.warmup.scheduled;
        assert!(before > 0 && !made.is_empty() && !made.is_interrupted);
        stop.cancel();
        let mut stopped = load::offer(&plan, &stage, Turn::ONLY, &mut watchers, &stop).await.unwrap();
        assert!(stopped.is_empty(), "{:?}", stopped.offers);
        stopped.offers.warmup.scheduled = 7;
        made.end_before(Some(stopped));
        assert_eq!((made.offers.warmup.scheduled, made.is_interrupted), (before + 7, true));
    }
}
