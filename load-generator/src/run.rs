//! One run, from beginning to end.

use std::sync::mpsc::Sender;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use eventstore::Settings;
use testutil::checker::Recorder;
use tokio::task::JoinHandle;

use crate::audit::Audit;
use crate::engine::Engine;
use crate::environment::Environment;
use crate::error::RunError;
use crate::metrics::{self, Metrics};
use crate::output::Output;
use crate::plan::Plan;
use crate::preload;
use crate::progress;
use crate::queue;
use crate::report::Report;
use crate::scenario::Library;
use crate::schedule::{Pacer, Schedule};
use crate::servers::Servers;
use crate::tally::Tally;
use crate::verdict::Verdict;
use crate::workers::{self, Shared};

/// How long the store may take to send what was left at the end.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);

/// Carries a plan out and reports.
pub(crate) async fn run(plan: Plan) -> Result<Verdict, RunError> {
    // What can fail without any load does so first.
    let output = Output::open(plan.json.as_deref())?;
    let listener = match &plan.metrics {
        Some(address) => {
            Some(metrics::listen(address).await.map_err(RunError::io(format!("metrics at {address}")))?)
        }
        None => None,
    };
    let metrics = Metrics::new(plan.rate.per_second(), plan.workers)
        .map_err(|error| RunError::new(error.to_string()))?;
    // From the beginning: a dashboard shows that the load is being prepared.
    let store = Arc::new(OnceLock::new());
    let served = listener.map(|listener| tokio::spawn(metrics.clone().serve(listener, Arc::clone(&store))));
    let interrupt = Interrupt::listen()?;
    // Dropped last of all, after the store.
    let servers = interrupt.or_stop(Servers::find(plan.primary.as_ref(), &plan.replicas)).await?;
    let servers = Arc::new(servers);
    let engine = interrupt.or_stop(connect(&plan, &servers)).await?;
    if let Some(connected) = engine.store() {
        store.get_or_init(|| connected);
    }
    let (shelf, head) = interrupt
        .or_stop(async { Ok(preload::preload(&engine, plan.preload, plan.workers, plan.seed).await?) })
        .await?;
    let environment =
        interrupt.or_stop(async { Ok(Environment::observe(&plan, &servers, head).await) }).await?;

    let tally = Arc::new(Tally::new(plan.workers, metrics));
    let recorder = plan.audit.then(|| Arc::new(Recorder::in_memory()));
    let (sender, queue) = queue::queue(plan.queue);
    let shared = Shared {
        queue,
        scenario: Library::new(shelf),
        engine: Arc::clone(&engine),
        recorder: recorder.clone(),
        tally: Arc::clone(&tally),
        limit: plan.timeout,
    };
    let mut workers = interrupt.or_stop(async { Ok(workers::start(plan.workers, shared).await?) }).await?;
    let schedule = Schedule::new(&plan, Library::mix(), Instant::now());
    let measured_from = schedule.measured_from();
    let pacer =
        Pacer::start(schedule, sender, Arc::clone(&tally)).map_err(RunError::io("starting the schedule"))?;
    let progress = tokio::spawn(progress::print_lines(Arc::clone(&tally), measured_from));
    let stopper = interrupt.stop_schedule(pacer.stopper());

    while let Some(ended) = workers.join_next().await {
        ended.map_err(RunError::task)?;
    }
    // The workers end when the schedule has closed the queue.
    let finished = pacer.join().map_err(|_| RunError::new("the schedule died"))?;
    let ran = Instant::now().saturating_duration_since(measured_from);
    let offered = if finished { plan.duration } else { ran.min(plan.duration) };
    progress.abort();
    stopper.abort();
    if let Some(served) = served {
        served.abort();
    }
    let mut report = Report::new(&plan, &tally, measured_from, offered, environment);
    let Some(recorder) = recorder else {
        let published = output.publish(&report);
        // Only now: a server that says nothing must not keep the report back.
        close(&engine).await;
        return Verdict::Kept.unless(published);
    };
    // Appends that were given up on may still be under way.
    close(&engine).await;
    let (verdict, audited) = match Audit::of(&engine, recorder.take(), head).await {
        Ok(audit) => {
            let verdict = audit.verdict();
            report.audited(audit);
            (verdict, Ok(()))
        }
        Err(error) => (Verdict::Kept, Err(error)),
    };
    verdict.unless(output.publish(&report).and(audited))
}

async fn close(engine: &Arc<dyn Engine>) {
    if let Ok(Err(error)) = tokio::time::timeout(CLOSE_WITHIN, engine.close()).await {
        tracing::warn!(%error, "closing the store");
    }
}

async fn connect(plan: &Plan, servers: &Arc<Servers>) -> Result<Arc<dyn Engine>, RunError> {
    let mut settings = Settings::default();
    settings.pool_size = settings.pool_size.min(plan.workers);
    // The worker's time-out is the one that counts.
    settings.append_timeout = settings.append_timeout.max(plan.timeout * 2);
    settings.query_timeout = settings.query_timeout.max(plan.timeout);
    settings.append_queue = plan.workers.max(settings.append_queue);
    let engine = plan.engine.connect(servers, &plan.schema(), &Library::indexed_paths(), settings).await?;
    engine.create().await?;
    Ok(engine)
}

/// Ctrl-C, and the termination signal. Before the run it ends everything; during the run it ends the schedule, and
/// what ran is reported; a second one ends the process.
struct Interrupt(tokio::sync::watch::Receiver<u32>);

impl Interrupt {
    fn listen() -> Result<Self, RunError> {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind| signal(kind).map_err(RunError::io("listening for signals"));
        let (mut interrupt, mut terminate) =
            (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
        let (count, receiver) = tokio::sync::watch::channel(0);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                count.send_modify(|count| *count += 1);
                if *count.borrow() > 1 {
                    // The supervisors of embedded servers see the end of this process and clean up.
                    std::process::exit(130);
                }
            }
        });
        Ok(Self(receiver))
    }

    /// Gives up what is being prepared when the signal comes.
    async fn or_stop<T>(&self, preparing: impl Future<Output = Result<T, RunError>>) -> Result<T, RunError> {
        let mut count = self.0.clone();
        tokio::select! {
            result = preparing => result,
            _ = count.wait_for(|count| *count > 0) => Err(RunError::new("interrupted before the run began")),
        }
    }

    fn stop_schedule(&self, stop: Sender<()>) -> JoinHandle<()> {
        let mut count = self.0.clone();
        tokio::spawn(async move {
            if count.wait_for(|count| *count > 0).await.is_ok() {
                eprintln!("interrupted: the report is of what ran");
                // The schedule may have ended by itself.
                let _ = stop.send(());
            }
        })
    }
}
