//! A process whose events say what follows, for tests.

use std::time::Duration;

use eventstore::{
    Command, EventStore, Filter, NewEvent, Process, ProcessError, ProcessManager, Profile, Progress,
    Reaction, RecordedEvent, WakeUp,
};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::fixture::Log;
use crate::running::Running;
use crate::subscriptions::{LONG, log_with, soon};

type Handler = dyn Fn(Command) -> BoxFuture<'static, Result<Progress, ProcessError>> + Send + Sync;
type Decider = dyn Fn(&[u64], &Value) -> Result<Reaction, ProcessError> + Send + Sync;

/// A process whose events say what follows: `{"order": 7, "n": 1, "do": …}`. Its state is the numbers of the events so far.
pub(crate) struct Script {
    pub(crate) handle: Box<Handler>,
    pub(crate) check: Box<Handler>,
    pub(crate) wake: Box<Decider>,
    pub(crate) fails_with: Option<&'static str>,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            handle: Box::new(|_| Box::pin(async { Ok(Progress::done()) })),
            check: Box::new(|_| Box::pin(async { Ok(Progress::done()) })),
            wake: Box::new(|seen, name| {
                Ok(Reaction::none().command("Woken", json!({"seen": seen, "name": name})))
            }),
            fails_with: None,
        }
    }
}

impl Process for Script {
    type State = Vec<u64>;

    fn name(&self) -> &str {
        "script"
    }

    fn filter(&self) -> Filter {
        Filter::event_types(["Step"])
    }

    fn correlated_by(&self) -> &str {
        "order"
    }

    fn apply(&self, seen: &mut Vec<u64>, event: &RecordedEvent) {
        seen.push(event.payload["n"].as_u64().unwrap());
    }

    fn react(&self, seen: &Vec<u64>, event: &RecordedEvent) -> Result<Reaction, ProcessError> {
        let told = &event.payload["do"];
        let mut reaction = Reaction::none();
        if let Some(name) = told["command"].as_str() {
            reaction = reaction.command(name, json!({"seen": seen}));
        }
        if let Some(ms) = told["wake_in_ms"].as_u64() {
            reaction = reaction.wake_up_after("later", Duration::from_millis(ms));
        }
        if told["cancel"] == true {
            reaction = reaction.cancel("later");
        }
        if told["fail"] == true {
            return Err("it is not to be reacted to".into());
        }
        Ok(reaction)
    }

    fn wake(&self, seen: &Vec<u64>, wake_up: &WakeUp) -> Result<Reaction, ProcessError> {
        (self.wake)(seen, &wake_up.name.clone().into())
    }

    fn fail(&self, seen: &Vec<u64>, command: &Command, why: &str) -> Option<Reaction> {
        let name = self.fails_with.filter(|name| *name != command.name)?;
        Some(Reaction::none().command(name, json!({"seen": seen, "of": command.name, "why": why})))
    }

    async fn handle(&self, command: &Command) -> Result<Progress, ProcessError> {
        (self.handle)(command.clone()).await
    }

    async fn check(&self, command: &Command, reference: &Value) -> Result<Progress, ProcessError> {
        let mut command = command.clone();
        command.payload = reference.clone();
        (self.check)(command).await
    }
}

/// Hands what is carried out to the test.
pub(crate) fn telling() -> (Script, mpsc::UnboundedReceiver<Command>) {
    let (told, handled) = mpsc::unbounded_channel();
    let handle = move |command: Command| -> BoxFuture<'static, Result<Progress, ProcessError>> {
        told.send(command).unwrap();
        Box::pin(async { Ok(Progress::done()) })
    };
    (Script { handle: Box::new(handle), ..Script::default() }, handled)
}

pub(crate) fn manager(store: &EventStore, script: Script) -> ProcessManager<Script> {
    let mut profile = Profile::balanced();
    profile.poll_every = Duration::from_millis(50);
    // What was reacted to is folded into the group's checkpoint at heartbeats: one a second.
    let manager = store.process_manager(script).profile(profile).lease(Duration::from_secs(3));
    manager.backoff(Duration::from_millis(5), Duration::from_millis(20)).max_attempts(3)
}

pub(crate) async fn next(handled: &mut mpsc::UnboundedReceiver<Command>) -> Command {
    timeout(LONG, handled.recv()).await.expect("nothing was carried out").unwrap()
}

pub(crate) async fn step(store: &EventStore, order: u64, n: u64, told: Value) {
    store.append([NewEvent::new("Step", json!({"order": order, "n": n, "do": told}))]).await.unwrap();
}

/// Returns when the process has nothing left to do, or nothing but what is parked; how much that is.
pub(crate) async fn settled(store: &EventStore) -> u64 {
    timeout(LONG, async {
        loop {
            let group = store.group_status("process/script").await.unwrap();
            let is_behind = group.is_none_or(|group| {
                group.events_behind > 0 && group.parked == 0 || group.ready + group.leased > 0
            });
            let processes = store.processes().await.unwrap();
            let left = processes.first().map_or(0, |it| it.commands + it.started + it.wake_ups);
            if !is_behind && left == 0 {
                return processes.first().map_or(0, |it| it.parked);
            }
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("something is left to do")
}

pub(crate) async fn log() -> Log {
    log_with(soon()).await
}

/// A manager at work.
pub(crate) fn begin(manager: &ProcessManager<Script>) -> Running {
    Running::begin(|stop| manager.run().until(stop))
}
