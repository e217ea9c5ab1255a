//! A number of tasks, from when they wait until all are done.

use std::future::IntoFuture as _;
use std::sync::Arc;
use std::time::Duration;

use eventstore::{EventStore, Profile};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::deliver::dispatch::tasks::{Mode, Shared, Tasks, requested};
use crate::error::RunError;

const CHUNK: u64 = 1_000;
/// How long anything may take that has to come to its end.
const PATIENCE: Duration = Duration::from_secs(600);

/// Makes tasks, and has them done.
pub(super) struct Cycles {
    pub(super) filler: EventStore,
    pub(super) items: u64,
    /// Tasks that were carried out twice, or never, or that were left.
    pub(super) faults: u64,
}

/// How long it took.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cycle {
    /// From the beginning until the first task is carried out, with all that were fetched in memory.
    pub(super) until_first: Duration,
    /// From there on.
    pub(super) from_first: Duration,
    pub(super) whole: Duration,
}

impl Cycles {
    pub(super) async fn run(&mut self, store: &EventStore, mode: Mode) -> Result<Cycle, RunError> {
        self.fill().await?;
        self.dispatch(store, mode).await
    }

    /// Has so many tasks wait.
    pub(super) async fn fill(&self) -> Result<(), RunError> {
        fill(&self.filler, self.items).await
    }

    /// Has those done that wait.
    pub(super) async fn dispatch(&mut self, store: &EventStore, mode: Mode) -> Result<Cycle, RunError> {
        let (cycle, faults) = dispatch(store, mode, self.items, Profile::balanced()).await?;
        self.faults += faults;
        Ok(cycle)
    }
}

/// Has so many tasks wait: events, and what follows from them.
pub(super) async fn fill(store: &EventStore, items: u64) -> Result<(), RunError> {
    for from in (0..items).step_by(CHUNK as usize) {
        store.append((from..items.min(from + CHUNK)).map(requested)).await?;
    }
    let nothing = Mode::Dispatch(Duration::ZERO);
    let (stop, tasks) = (CancellationToken::new(), Shared(Arc::new(Tasks::new(nothing, items))));
    let manager = store.process_manager(tasks).profile(Profile::high_throughput());
    let reacting =
        tokio::spawn(manager.run().reacting_only().until(stop.clone().cancelled_owned()).into_future());
    let waiting = async {
        while store.processes().await?.first().is_none_or(|tasks| tasks.commands < items) {
            if reacting.is_finished() {
                return Err(RunError::new("reacting to events has ended early"));
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    };
    timeout(PATIENCE, waiting).await.map_err(|_| RunError::new("events are not reacted to"))??;
    stop.cancel();
    reacting.await.map_err(RunError::task)??;
    Ok(())
}

/// Has so many done that wait; with how many were not done once.
pub(super) async fn dispatch(
    store: &EventStore,
    mode: Mode,
    items: u64,
    profile: Profile,
) -> Result<(Cycle, u64), RunError> {
    let tasks = Arc::new(Tasks::new(mode, items));
    let manager = store.process_manager(Shared(Arc::clone(&tasks))).profile(profile);
    let began = Instant::now();
    // Ends when what came of the last one was said.
    let run = manager.run().dispatching_only().until(tasks.all_done().cancelled_owned());
    timeout(PATIENCE, run.into_future()).await.map_err(|_| RunError::new("tasks are not done"))??;
    let whole = began.elapsed();
    let first = tasks.first().ok_or_else(|| RunError::new("no task was carried out"))?;
    let until_first = first - began;
    let left: u64 =
        store.processes().await?.iter().map(|left| left.commands + left.started + left.parked).sum();
    Ok((Cycle { until_first, from_first: whole - until_first, whole }, tasks.faults() + left))
}
