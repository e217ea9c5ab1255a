//! Doing one piece of work: carrying out a command, asking after one, or reacting to a wake-up.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::time::{sleep, timeout};
use tracing::warn;

use crate::error::{Error, ErrorKind};
use crate::filter::FieldValue;
use crate::panic;
use crate::process::calls::{Calls, Cause};
use crate::process::definition::{Command, Process, ProcessError, Progress, Stage, WakeUp};
use crate::process::lane::{Lane, Outcome, Work};
use crate::process::manager::ProcessManager;
use crate::process::reaction::Reaction;

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Who does it.
pub(super) struct Hand<P> {
    pub(super) manager: ProcessManager<P>,
    pub(super) calls: Arc<Calls>,
}

impl<P: Process> Hand<P> {
    /// What came of it; `None` if that was said already, together with what follows from it.
    pub(super) async fn work(&self, work: Work) -> Option<Outcome> {
        let done = match work.lane {
            Lane::WakeUps => self.wake(&work).await,
            Lane::Commands | Lane::Checks if work.is_late => Err((true, "it timed out".to_owned())),
            Lane::Commands | Lane::Checks => self.progress(&work).await.map(Some),
        };
        match done {
            Ok(outcome) => outcome,
            Err((is_final, why)) if is_final || work.attempt >= self.manager.max_attempts => {
                self.give_up(&work, why).await
            }
            Err((_, why)) => {
                let (process, id) = (self.manager.process.name(), work.id);
                warn!(process, %id, name = work.name, attempt = work.attempt, why, "work was not done");
                let attempt = i32::try_from(work.attempt).unwrap_or(i32::MAX);
                Some(Outcome::Failed { pause: self.manager.backoff.after(attempt), why })
            }
        }
    }

    /// How far a command has come; or why not, and whether for good.
    async fn progress(&self, work: &Work) -> Result<Outcome, (bool, String)> {
        let (command, process) = (work.command(), &self.manager.process);
        let progress = match work.lane {
            Lane::Checks => {
                let reference = work.reference.clone().unwrap_or_default();
                self.limited(process.check(&command, &reference)).await
            }
            _ => self.limited(process.handle(&command)).await,
        };
        match progress.map_err(|why| (false, why))? {
            Progress(Stage::Done) => Ok(Outcome::Done),
            Progress(Stage::Failed { why }) => Err((true, why)),
            Progress(Stage::Running { reference, check_after, time_out_after }) => {
                let pause = check_after.or(work.check_every).unwrap_or(Duration::from_secs(1));
                Ok(Outcome::Running { reference, pause, check_every: check_after, time_out_after })
            }
        }
    }

    async fn wake(&self, work: &Work) -> Result<Option<Outcome>, (bool, String)> {
        let wake_up = WakeUp {
            key: work.key.clone(),
            name: work.name.clone(),
            attempt: work.attempt,
            cause: work.cause,
        };
        let reacting = async {
            let state = self.state(work).await?;
            let reaction = self.manager.process.wake(&state, &wake_up)?;
            self.follow(work, &reaction).await?;
            Ok(None)
        };
        self.limited(reacting).await.map_err(|why| (false, why))
    }

    /// What has failed for good is for the process to react to, or for a person.
    async fn give_up(&self, work: &Work, why: String) -> Option<Outcome> {
        let (process, id) = (self.manager.process.name(), work.id);
        warn!(process, %id, name = work.name, attempt = work.attempt, why, "work has failed");
        if work.lane == Lane::WakeUps {
            return Some(Outcome::Parked { why });
        }
        let reacting = async {
            let state = self.state(work).await?;
            let Some(reaction) = self.manager.process.fail(&state, &work.command(), &why) else {
                return Ok(false);
            };
            self.follow(work, &reaction).await?;
            Ok(true)
        };
        match self.limited(reacting).await {
            Ok(true) => None,
            Ok(false) => Some(Outcome::Parked { why }),
            Err(again) => {
                Some(Outcome::Parked { why: format!("{why}; and what follows from that: {again}") })
            }
        }
    }

    async fn state(&self, work: &Work) -> Result<P::State, ProcessError> {
        let key = scalar(&work.key).ok_or("its instance is named by no string, integer or boolean")?;
        Ok(self.manager.state(key, None).await?)
    }

    async fn follow(&self, work: &Work, reaction: &Reaction) -> Result<(), ProcessError> {
        reaction.check()?;
        let cause = Cause::Work { id: work.id, lease: work.lease };
        // Where it was settled before, or set anew, nothing is to follow any more.
        patiently(|| self.calls.react(cause, &work.key, reaction)).await?;
        if !reaction.commands.is_empty() || !reaction.wake_ups.is_empty() {
            self.manager.news.send_replace(());
        }
        Ok(())
    }

    /// In the time that there is, whatever the application does.
    async fn limited<T>(&self, doing: impl Future<Output = Result<T, ProcessError>>) -> Result<T, String> {
        let limit = self.manager.time_limit;
        match timeout(limit, AssertUnwindSafe(doing).catch_unwind()).await {
            Ok(Ok(Ok(done))) => Ok(done),
            Ok(Ok(Err(error))) => Err(error.to_string()),
            Ok(Err(panicked)) => Err(panic_text(&*panicked)),
            Err(_) => Err(format!("it took longer than {limit:?}")),
        }
    }
}

impl Work {
    fn command(&self) -> Command {
        Command {
            id: self.id,
            key: self.key.clone(),
            name: self.name.clone(),
            payload: self.payload.clone(),
            attempt: self.attempt,
            cause: self.cause,
        }
    }
}

fn panic_text(panicked: &(dyn Any + Send)) -> String {
    format!("it panicked: {}", panic::text(panicked))
}

/// What names an instance.
pub(super) fn scalar(key: &serde_json::Value) -> Option<FieldValue> {
    match key {
        serde_json::Value::String(text) => Some(FieldValue::from(text)),
        serde_json::Value::Bool(truth) => Some(FieldValue::from(*truth)),
        serde_json::Value::Number(number) => {
            let integer = number.as_i64().map(FieldValue::from);
            integer.or_else(|| number.as_u64().map(FieldValue::from))
        }
        _ => None,
    }
}

/// As long as the server does not answer.
pub(super) async fn patiently<T, F>(mut call: impl FnMut() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let mut pause = FIRST_PAUSE;
    loop {
        match call().await {
            Err(error) if matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Indeterminate) => {
                warn!(%error, "waiting for the primary");
                sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            result => return result,
        }
    }
}
