//! One run, from beginning to end.

use std::fmt;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use eventstore::{EventStore, Settings};
use tokio::task::JoinHandle;

use crate::environment::Environment;
use crate::metrics::{self, Metrics};
use crate::plan::Plan;
use crate::preload;
use crate::progress;
use crate::queue;
use crate::report::Report;
use crate::scenario::Library;
use crate::schedule::{Pacer, Schedule};
use crate::servers::Servers;
use crate::tally::Tally;
use crate::workers;

/// How long the store may take to send what was left at the end.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);
/// Connections to each server, at most: what a server of few cores can still use.
const MOST_CONNECTIONS: usize = 50;

/// Why a run could not be carried out.
#[derive(Debug)]
pub(crate) struct RunError(String);

impl RunError {
    pub(crate) fn cluster(error: testutil::ClusterError) -> Self {
        Self(error.to_string())
    }

    pub(crate) fn task(error: tokio::task::JoinError) -> Self {
        Self(format!("a task of the load generator died: {error}"))
    }
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<eventstore::Error> for RunError {
    fn from(error: eventstore::Error) -> Self {
        Self(error.to_string())
    }
}

/// Carries a plan out and reports.
pub(crate) async fn run(plan: Plan) -> Result<(), RunError> {
    // What can fail without any load does so first.
    let listener = match &plan.metrics {
        Some(address) => Some(
            metrics::listen(address)
                .await
                .map_err(|error| RunError(format!("metrics at {address}: {error}")))?,
        ),
        None => None,
    };
    let metrics =
        Metrics::new(plan.rate.per_second(), plan.workers).map_err(|error| RunError(error.to_string()))?;
    // From the beginning: a dashboard shows that the load is being prepared.
    let served = listener.map(|listener| tokio::spawn(metrics.clone().serve(listener)));
    let interrupt = Interrupt::listen()?;
    // Dropped last of all, after the store.
    let servers = interrupt.or_stop(Servers::find(&plan)).await?;
    let store = interrupt.or_stop(connect(&plan, &servers)).await?;
    let (shelf, events) = interrupt
        .or_stop(async { Ok(preload::preload(&store, plan.preload, plan.workers, plan.seed).await?) })
        .await?;
    let environment =
        interrupt.or_stop(async { Ok(Environment::observe(&plan, &servers, events).await) }).await?;

    let tally = Arc::new(Tally::new(plan.workers, metrics));
    let scenario = Arc::new(Library::new(store.clone(), shelf));
    let (sender, receiver) = queue::queue(plan.queue);
    let mut workers = workers::start(plan.workers, &receiver, &scenario, &tally, plan.timeout);
    let schedule = Schedule::new(&plan, Library::mix(), Instant::now());
    let measured_from = schedule.measured_from();
    let pacer = Pacer::start(schedule, sender, Arc::clone(&tally))
        .map_err(|error| RunError(format!("starting the schedule: {error}")))?;
    let progress = tokio::spawn(progress::print_lines(Arc::clone(&tally), measured_from));
    let stopper = interrupt.stop_schedule(pacer.stopper());

    while let Some(ended) = workers.join_next().await {
        ended.map_err(RunError::task)?;
    }
    // The workers end when the schedule has closed the queue.
    let finished = pacer.join().map_err(|_| RunError("the schedule died".to_owned()))?;
    let ran = Instant::now().saturating_duration_since(measured_from);
    let offered = if finished { plan.duration } else { ran.min(plan.duration) };
    progress.abort();
    stopper.abort();
    if let Some(served) = served {
        served.abort();
    }
    let report = Report::new(&plan, &tally, measured_from, offered, environment);
    let published = publish(&plan, &report);
    // Only now: a server that says nothing must not keep the report back.
    if let Ok(Err(error)) = tokio::time::timeout(CLOSE_WITHIN, store.close()).await {
        tracing::warn!(%error, "closing the store");
    }
    published
}

async fn connect(plan: &Plan, servers: &Servers) -> Result<EventStore, RunError> {
    let mut settings = Settings::default();
    settings.pool_size = plan.workers.min(MOST_CONNECTIONS);
    // The worker's time-out is the one that counts.
    settings.append_timeout = settings.append_timeout.max(plan.timeout * 2);
    settings.query_timeout = settings.query_timeout.max(plan.timeout);
    settings.append_queue = plan.workers.max(settings.append_queue);
    let mut builder = EventStore::builder()
        .primary(&servers.primary)
        .schema(&plan.schema)
        .settings(settings)
        .index_only(Library::indexed_paths());
    for replica in &servers.replicas {
        builder = builder.replica(replica);
    }
    let store = builder.connect().await?;
    store.migrate().await?;
    Ok(store)
}

fn publish(plan: &Plan, report: &Report) -> Result<(), RunError> {
    // First what a script waits for; then what a person reads, who may have closed the pipe.
    if let Some(file) = &plan.json {
        report.write_json(file).map_err(|error| RunError(format!("writing {}: {error}", file.display())))?;
    }
    let to_stdout = plan.json.as_deref() == Some(Path::new("-"));
    let printed =
        if to_stdout { write!(std::io::stderr(), "{report}") } else { write!(std::io::stdout(), "{report}") };
    match printed {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(RunError(format!("printing the report: {error}")))
        }
        _ => Ok(()),
    }
}

/// Ctrl-C, and the termination signal. Before the run it ends everything; during the run it ends the schedule, and
/// what ran is reported; a second one ends the process.
struct Interrupt(tokio::sync::watch::Receiver<u32>);

impl Interrupt {
    fn listen() -> Result<Self, RunError> {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind| signal(kind).map_err(|error| RunError(format!("listening for signals: {error}")));
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
            _ = count.wait_for(|count| *count > 0) => Err(RunError("interrupted before the run began".to_owned())),
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
