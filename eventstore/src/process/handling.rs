//! Doing one piece of work: carrying out a command, asking after one, or reacting to a wake-up.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use serde_json::Value;
use tokio::time::timeout;
use tracing::warn;

use crate::event::check_json;
use crate::filter::FieldValue;
use crate::panic;
use crate::patience::patiently;
use crate::process::calls::{Calls, Cause};
use crate::process::definition::{CHECK_EVERY, Command, Process, ProcessError, Progress, Stage, WakeUp};
use crate::process::manager::ProcessManager;
use crate::process::reaction::Reaction;
use crate::process::work::{Lane, Outcome, Work};

/// Longer than anybody waits, and short enough to be stored: a hundred years.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// Who does it.
pub(super) struct Hand<P> {
    pub(super) manager: ProcessManager<P>,
    pub(super) calls: Arc<Calls>,
}

/// How a piece of work has ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// What came of it is still to be said.
    With(Outcome),
    /// That was said, together with what follows from it; as metrics name it.
    Followed(&'static str),
}

/// Why something was not done.
struct Failure {
    why: String,
    /// Another attempt would come to the same.
    is_final: bool,
}

impl<P: Process> Hand<P> {
    pub(super) async fn work(&self, work: Work) -> Ended {
        match AssertUnwindSafe(self.attempt(&work)).catch_unwind().await {
            Ok(ended) => ended,
            // What folds the state, say. Another attempt is likely to come to the same.
            Err(panicked) => Ended::With(Outcome::Parked { why: panic_text(&*panicked) }),
        }
    }

    async fn attempt(&self, work: &Work) -> Ended {
        let done = match work.lane {
            Lane::WakeUps => self.wake(work).await,
            Lane::Commands | Lane::Checks => self.progress(work).await.map(Ended::With),
        };
        match done {
            Ok(ended) => ended,
            Err(failure) if failure.is_final || work.attempt >= self.manager.max_attempts => {
                self.give_up(work, failure.why).await
            }
            Err(Failure { why, .. }) => {
                let (process, id) = (self.manager.process.name(), work.id);
                warn!(process, %id, name = work.name, attempt = work.attempt, why, "work was not done");
                let attempt = i32::try_from(work.attempt).unwrap_or(i32::MAX);
                Ended::With(Outcome::Failed { pause: self.manager.backoff.after(attempt), why })
            }
        }
    }

    /// How far a command has come.
    async fn progress(&self, work: &Work) -> Result<Outcome, Failure> {
        let (command, process) = (work.command(), &self.manager.process);
        let progress = match work.lane {
            Lane::Checks => {
                let reference = work.reference.clone().unwrap_or_default();
                self.limited(async { process.check(&command, &reference).await }).await
            }
            _ => self.limited(async { process.handle(&command).await }).await,
        };
        let failed = |why| Failure { why, is_final: false };
        match progress.map_err(failed)? {
            Progress(Stage::Done) => Ok(Outcome::Done),
            Progress(Stage::Failed { why }) => Err(Failure { why, is_final: true }),
            // At its deadline it is asked after until there is an answer.
            Progress(Stage::Running { .. }) if work.is_late => {
                Err(Failure { why: "it timed out".to_owned(), is_final: true })
            }
            Progress(Stage::Running { reference, check_after, time_out_after }) => {
                if let Some(reference) = &reference {
                    let most = self.manager.store.settings().max_payload_bytes;
                    check_json(reference, "the reference of what was started", most)
                        .map_err(|error| failed(error.to_string()))?;
                }
                let [check_every, time_out_after] =
                    [check_after, time_out_after].map(|time| time.map(|time| time.min(LONGEST)));
                let pause = check_every.or(work.check_every).unwrap_or(CHECK_EVERY);
                Ok(Outcome::Running { reference, pause, check_every, time_out_after })
            }
        }
    }

    async fn wake(&self, work: &Work) -> Result<Ended, Failure> {
        let failed = |why| Failure { why, is_final: false };
        let (key, name) = (work.key.clone(), work.name.clone());
        let wake_up = WakeUp { key, name, attempt: work.attempt, cause: work.cause };
        let reacting = async {
            let state = self.state(work).await?;
            let reaction = decided(|| self.manager.process.wake(&state, &wake_up))?;
            self.follow(work, &reaction).await
        };
        self.in_time(reacting).await.map_err(failed)?;
        Ok(Ended::Followed("done"))
    }

    /// What has failed for good is for the process to react to, or for a person.
    async fn give_up(&self, work: &Work, why: String) -> Ended {
        let (process, id) = (self.manager.process.name(), work.id);
        warn!(process, %id, name = work.name, attempt = work.attempt, why, "work has failed");
        if work.lane == Lane::WakeUps {
            return Ended::With(Outcome::Parked { why });
        }
        let reacting = async {
            let state = self.state(work).await?;
            let fail = || Ok(self.manager.process.fail(&state, &work.command(), &why));
            match decided(fail)? {
                Some(reaction) => self.follow(work, &reaction).await.map(|()| true),
                None => Ok(false),
            }
        };
        match self.in_time(reacting).await {
            Ok(true) => Ended::Followed("given_up"),
            Ok(false) => Ended::With(Outcome::Parked { why }),
            Err(again) => {
                Ended::With(Outcome::Parked { why: format!("{why}; and what follows from that: {again}") })
            }
        }
    }

    /// What is known of the instance by now.
    async fn state(&self, work: &Work) -> Result<P::State, String> {
        let key = scalar(&work.key).ok_or("its instance is named by no string, integer or boolean")?;
        patiently(|| self.manager.state(key.clone(), None)).await.map_err(|error| error.to_string())
    }

    async fn follow(&self, work: &Work, reaction: &Reaction) -> Result<(), String> {
        let cause = Cause::Work { id: work.id, lease: work.lease };
        let written = async {
            reaction.check(self.manager.store.settings().max_payload_bytes)?;
            // Where it was settled before, or set anew, nothing is to follow any more.
            patiently(|| self.calls.react(cause, &work.key, reaction)).await
        };
        written.await.map_err(|error| error.to_string())?;
        if !reaction.is_none() {
            self.manager.news.send_replace(());
        }
        Ok(())
    }

    async fn in_time<T>(&self, doing: impl Future<Output = Result<T, String>>) -> Result<T, String> {
        let limit = self.manager.time_limit;
        timeout(limit, doing).await.unwrap_or_else(|_| Err(format!("it took longer than {limit:?}")))
    }

    /// In the time that there is, whatever the application does.
    async fn limited<T>(&self, doing: impl Future<Output = Result<T, ProcessError>>) -> Result<T, String> {
        let doing = async {
            match AssertUnwindSafe(doing).catch_unwind().await {
                Ok(done) => done.map_err(|error| error.to_string()),
                Err(panicked) => Err(panic_text(&*panicked)),
            }
        };
        self.in_time(doing).await
    }
}

/// What the application decides, if it comes to that.
fn decided<T>(decide: impl FnOnce() -> Result<T, ProcessError>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(decide)) {
        Ok(decided) => decided.map_err(|error| error.to_string()),
        Err(panicked) => Err(panic_text(&*panicked)),
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

/// What names an instance. A float that is an integer counts as that, as it does for filters.
pub(super) fn scalar(key: &Value) -> Option<FieldValue> {
    match key {
        Value::String(text) => Some(FieldValue::from(text)),
        Value::Bool(truth) => Some(FieldValue::from(*truth)),
        Value::Number(number) => {
            let integer = number.as_i64().map(FieldValue::from);
            integer.or_else(|| number.as_u64().map(FieldValue::from)).or_else(|| {
                let integral = number.as_f64().filter(|float| float.fract() == 0.0)?;
                format!("{integral}").parse().ok().map(FieldValue::Integer)
            })
        }
        _ => None,
    }
}
