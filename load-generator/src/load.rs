//! One load on what is ready for it: a warm-up, then what is measured, until the last answer.
//!
//! *Who owns what.* [`offer`] starts the observer, the collector, the workers and the pacer, in this order, and joins them in the
//! reverse one: the pacer ends and closes the queue, the workers empty it and end, the collector takes what they left. *If it is
//! stopped*, the pacer ends early (or the closed loop does) and everything else follows as always. *If the database dies*,
//! requests fail or time out and are counted; nothing here waits for it without a limit.

use std::fs::File;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use testutil::checker::Recorder;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::collector::{Collecting, Collector};
use crate::counts::Counts;
use crate::error::RunError;
use crate::hdr_log::HdrLog;
use crate::live::{self, Phase, Tick};
use crate::metrics::Metrics;
use crate::observe::{Mark, Observer, Watched};
use crate::own::{OwnClock, OwnCost};
use crate::pacer::Pacer;
use crate::plan::{Plan, Pool};
use crate::queue;
use crate::report::Second;
use crate::scenario::Library;
use crate::schedule::{Requests, Schedule};
use crate::soak::{Hitch, Parts, Sentinel};
use crate::source::{ClosedLoop, Source};
use crate::stage::Stage;
use crate::tally::{Offers, Tally};
use crate::workers::{self, Shared};

/// How late a node may be where it begins together with others.
const LATE_START: Duration = Duration::from_millis(100);

/// Who watches and is told.
#[derive(Default)]
pub(crate) struct Watchers {
    pub(crate) metrics: Option<Metrics>,
    pub(crate) ticks: Option<mpsc::UnboundedSender<Tick>>,
    /// Where an HDR log is to be written.
    pub(crate) hdr_file: Option<File>,
    /// The log, once it has begun, and when its time begins.
    pub(crate) hdr: Option<(HdrLog, Instant)>,
    pub(crate) recorder: Option<Arc<Recorder>>,
}

/// Where in a run a load stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Turn {
    /// From 1.
    pub(crate) repeat: u32,
    /// Measured seconds of those before.
    pub(crate) seconds_before: u64,
    /// When the warm-up begins; nothing for at once.
    pub(crate) start_at: Option<SystemTime>,
}

/// What one load came to.
#[derive(Debug)]
pub(crate) struct Measured {
    /// When measuring began.
    pub(crate) started: SystemTime,
    pub(crate) counts: Counts,
    pub(crate) offers: Offers,
    pub(crate) timeline: Vec<Second>,
    pub(crate) marks: Vec<Mark>,
    /// What it cost this process, warm-up included.
    pub(crate) own: OwnCost,
    /// Why the HDR log ends early.
    pub(crate) hdr_failed: Option<String>,
    /// How long requests were offered, or were to be.
    pub(crate) offered_for: Duration,
    /// To the last answer.
    pub(crate) lasted: Duration,
    pub(crate) is_interrupted: bool,
    /// For a soak, as what follows.
    pub(crate) parts: Option<Parts>,
    pub(crate) hitches: Vec<Hitch>,
}

impl Measured {
    /// Whether it was told to end before any of its requests was answered or failed.
    pub(crate) fn is_empty(&self) -> bool {
        self.is_interrupted && self.counts.latency.count() == 0
    }

    /// The load after this one was told to end before it began, or is empty. What it cost the servers stays in the counts of warm-ups.
    pub(crate) fn end_before(&mut self, next: Option<Self>) {
        self.is_interrupted = true;
        if let Some(next) = next {
            self.offers.warmup = self.offers.warmup.plus(next.offers.warmup);
            self.hdr_failed = self.hdr_failed.take().or(next.hdr_failed);
        }
    }
}

impl Turn {
    pub(crate) const ONLY: Self = Self { repeat: 1, seconds_before: 0, start_at: None };
}

/// Carries one load out. `watchers` has its HDR log back afterwards.
pub(crate) async fn offer(
    plan: &Plan,
    stage: &Stage,
    turn: Turn,
    watchers: &mut Watchers,
    stop: &CancellationToken,
) -> Result<Measured, RunError> {
    let metrics = match &watchers.metrics {
        Some(metrics) => metrics.clone(),
        None => Metrics::new(&prometheus::Registry::new(), plan)?,
    };
    let tally = Arc::new(Tally::new(metrics));
    let mix = Library::mix(&plan.library);
    let schedule = Schedule::new(plan, mix.clone());
    let recorder = watchers.recorder.clone();
    // Clients first: what opening their connections takes is not of the load.
    let clients = match plan.pool {
        Pool::Fixed { workers, .. } => {
            let opening = workers::Opening {
                engine: &stage.engine,
                recorder: recorder.as_ref(),
                within: plan.timeout,
                stop,
            };
            opening.clients(workers, stage.has_begun()).await?
        }
        Pool::TaskPerRequest => Vec::new(),
    };
    let shared = |source| Shared {
        source,
        scenario: Arc::clone(&stage.library),
        engine: Arc::clone(&stage.engine),
        recorder,
        tally: Arc::clone(&tally),
        limit: plan.timeout,
    };

    until(turn.start_at, stop).await?;
    let (start, started) = (Instant::now(), SystemTime::now() + plan.warmup);
    let measured_from = start + plan.warmup;
    stage.begin(start);
    let own = OwnClock::start();
    if let Some(file) = watchers.hdr_file.take() {
        let log = HdrLog::begin(file, started, &plan.shape()).map_err(RunError::io("the HDR log"))?;
        watchers.hdr = Some((log, measured_from));
    }
    let end = measured_from + plan.length();
    let observer =
        (!stage.servers.are_none()).then(|| Observer::start(&stage.servers, &plan.schema(), measured_from));
    let collector = Collector::start(Collecting {
        tally: Arc::clone(&tally),
        start,
        measured_from,
        timing: plan.timing.clone(),
        share: 1.0 / plan.node.of as f64,
        seconds_before: turn.seconds_before,
        phase: Phase::Measuring { repeat: turn.repeat, of: plan.repeats },
        watched: observer.as_ref().map_or_else(Watched::nothing, Observer::watched),
        ticks: watchers.ticks.clone(),
        hdr: watchers.hdr.take(),
        parts: plan.soak.then(|| Parts::of(plan.length())),
    });
    let watch = || Sentinel::start(stage.servers.disk(), measured_from);
    let sentinel = plan.soak.then(watch).transpose().map_err(RunError::io("watching the machine"))?;
    let (finished, offered_until) = match schedule {
        Some(schedule) => {
            let (sender, receiver) = match plan.pool {
                Pool::Fixed { queue, .. } => queue::bounded(queue),
                Pool::TaskPerRequest => queue::unbounded(),
            };
            let shared = shared(Source::Queue(receiver.clone()));
            let running = match plan.pool {
                Pool::Fixed { .. } => workers::start(shared, clients),
                Pool::TaskPerRequest => workers::start_a_task_per_request(shared),
            };
            let pacer = Pacer::start(schedule, (start, end), (sender, receiver), Arc::clone(&tally))
                .map_err(RunError::io("starting the schedule"))?;
            let stopper = pacer.stopper();
            let stopped = stop.clone();
            let stopping = tokio::spawn(async move {
                stopped.cancelled().await;
                live::say("interrupted: what is under way comes to its end, and is reported");
                // The schedule may have ended by itself.
                let _ = stopper.send(());
            });
            join(running).await?;
            stopping.abort();
            // The workers end when the schedule has closed the queue.
            let paced = pacer.join().map_err(|_| RunError::new("the schedule died"))?;
            (paced.is_finished, paced.ended)
        }
        None => {
            let source = Source::ClosedLoop(Box::new(ClosedLoop {
                requests: std::sync::Mutex::new(Requests::new(mix, plan.seed)),
                measured_from,
                end,
                stop: stop.clone(),
                tally: Arc::clone(&tally),
            }));
            join(workers::start(shared(source), clients)).await?;
            (!stop.is_cancelled(), Instant::now())
        }
    };
    let ran = offered_until.saturating_duration_since(measured_from);
    let offered_for = if finished { plan.length() } else { ran.min(plan.length()) };
    let collected = collector.finish(measured_from + offered_for).await?;
    watchers.hdr = collected.hdr;
    tally.metrics().offers(0.0);
    let marks = match observer {
        Some(observer) => observer.stop().await,
        None => Vec::new(),
    };
    let counts = collected.counts;
    // To the last answer, if it came after the schedule's end: a system that lags behind is not flattered.
    let answered =
        counts.last_completion.map_or(Duration::ZERO, |at| at.saturating_duration_since(measured_from));
    let offers = tally.offers().clone();
    let own = own.finish(offers.warmup.scheduled + offers.measured.scheduled);
    Ok(Measured {
        own,
        hdr_failed: collected.hdr_failed.map(|error| error.to_string()),
        started,
        counts,
        offers,
        timeline: collected.timeline,
        marks,
        offered_for,
        lasted: offered_for.max(answered),
        is_interrupted: !finished,
        parts: collected.parts,
        hitches: sentinel.map(Sentinel::finish).unwrap_or_default(),
    })
}

/// Nodes begin together.
async fn until(at: Option<SystemTime>, stop: &CancellationToken) -> Result<(), RunError> {
    let Some(at) = at else { return Ok(()) };
    let left = match at.duration_since(SystemTime::now()) {
        Ok(left) => left,
        Err(late) if late.duration() < LATE_START => Duration::ZERO,
        Err(late) => {
            let late = late.duration().as_secs_f64();
            return Err(RunError::new(format!(
                "--start-at was {late:.1} s ago when all was ready: say a later time"
            )));
        }
    };
    tokio::select! {
        () = tokio::time::sleep(left) => Ok(()),
        () = stop.cancelled() => Err(RunError::new("interrupted before the load began")),
    }
}

async fn join(mut running: JoinSet<()>) -> Result<(), RunError> {
    while let Some(ended) = running.join_next().await {
        ended.map_err(RunError::task)?;
    }
    Ok(())
}
