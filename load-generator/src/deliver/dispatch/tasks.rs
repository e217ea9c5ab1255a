//! The work: tasks that are requested by events, carried out, and asked after.

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use eventstore::{
    Command, EventStore, Filter, NewEvent, Process, ProcessError, Progress, Reaction, RecordedEvent, Settings,
};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::deliver;
use crate::deliver::dispatch::SCHEMA;
use crate::error::RunError;
use crate::servers::Servers;

/// As many connections as the profile `balanced` goes with.
const POOL: usize = 10;

/// What becomes of a task, and how long that takes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Mode {
    /// A handler, and it is done.
    Dispatch(Duration),
    /// A handler starts it; a check finds it done.
    Cycle(Duration, Duration),
}

/// Carries out tasks, and notes each.
pub(super) struct Tasks {
    mode: Mode,
    expected: u64,
    first: OnceLock<Instant>,
    /// How often each was carried out.
    handled: Mutex<HashMap<Uuid, u64>>,
    /// How often each was found to be done.
    done: Mutex<HashMap<Uuid, u64>>,
    all_done: CancellationToken,
}

impl Tasks {
    pub(super) fn new(mode: Mode, expected: u64) -> Self {
        let all_done = CancellationToken::new();
        Self {
            mode,
            expected,
            first: OnceLock::new(),
            handled: Mutex::default(),
            done: Mutex::default(),
            all_done,
        }
    }

    /// Cancelled when all that are expected are done.
    pub(super) fn all_done(&self) -> CancellationToken {
        self.all_done.clone()
    }

    /// When the first one was begun.
    pub(super) fn first(&self) -> Option<Instant> {
        self.first.get().copied()
    }

    /// Tasks that were not carried out, or not done, or more than once.
    pub(super) fn faults(&self) -> u64 {
        let faults = |noted: &Mutex<HashMap<Uuid, u64>>| {
            let noted = noted.lock().unwrap_or_else(PoisonError::into_inner);
            let again: u64 = noted.values().map(|times| times - 1).sum();
            again + self.expected.saturating_sub(noted.len() as u64)
        };
        faults(&self.handled) + faults(&self.done)
    }

    fn is_done(&self, command: &Command) -> Progress {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        *done.entry(command.id).or_default() += 1;
        if done.len() as u64 == self.expected {
            self.all_done.cancel();
        }
        Progress::done()
    }
}

/// Shared between a run and whoever looks at it.
pub(super) struct Shared(pub(super) std::sync::Arc<Tasks>);

impl Process for Shared {
    type State = ();

    fn name(&self) -> &str {
        "tasks"
    }

    fn filter(&self) -> Filter {
        Filter::event_types(["TaskRequested"])
    }

    fn correlated_by(&self) -> &str {
        "key"
    }

    fn apply(&self, (): &mut (), _: &RecordedEvent) {}

    fn react(&self, (): &(), event: &RecordedEvent) -> Result<Reaction, ProcessError> {
        // With all that is needed to carry it out: nothing is looked up then.
        Ok(Reaction::none().command("Run", event.payload.clone()))
    }

    async fn handle(&self, command: &Command) -> Result<Progress, ProcessError> {
        let tasks = &self.0;
        tasks.first.get_or_init(Instant::now);
        *tasks.handled.lock().unwrap_or_else(PoisonError::into_inner).entry(command.id).or_default() += 1;
        match tasks.mode {
            Mode::Dispatch(handler) => {
                work(handler).await;
                Ok(tasks.is_done(command))
            }
            Mode::Cycle(handler, _) => {
                work(handler).await;
                Ok(Progress::started(json!({"execution": command.id})).check_after(Duration::ZERO))
            }
        }
    }

    async fn check(&self, command: &Command, _: &Value) -> Result<Progress, ProcessError> {
        if let Mode::Cycle(_, check) = self.0.mode {
            work(check).await;
        }
        Ok(self.0.is_done(command))
    }
}

/// What is done elsewhere, and waited for.
pub(super) async fn work(takes: Duration) {
    if !takes.is_zero() {
        sleep(takes).await;
    }
}

/// The nth task: what the baseline has in three tables.
pub(super) fn requested(n: u64) -> NewEvent {
    let (run, workflow) = (n / 10, n % 7);
    let command = "x".repeat(200);
    NewEvent::new(
        "TaskRequested",
        json!({"key": n, "run": run, "workflow": workflow, "executor": "local", "command": command}),
    )
}

pub(super) async fn fresh(servers: &Servers) -> Result<EventStore, RunError> {
    deliver::fresh(servers, SCHEMA, settings()).await
}

pub(super) async fn connect(primary: &str) -> Result<EventStore, RunError> {
    deliver::connect(primary, &[], SCHEMA, settings()).await
}

fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.pool_size = POOL;
    settings
}
