//! What an application says of a process.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use uuid::Uuid;

use crate::event::RecordedEvent;
use crate::filter::Filter;
use crate::position::Position;
use crate::process::Reaction;

/// Why something could not be done.
pub type ProcessError = Box<dyn std::error::Error + Send + Sync>;

pub(super) const CHECK_EVERY: Duration = Duration::from_secs(1);

/// What follows from events. Run it with [`EventStore::process_manager`](crate::EventStore::process_manager).
///
/// ```no_run
/// use std::time::Duration;
/// use eventstore::{Command, Filter, Process, ProcessError, Progress, Reaction, RecordedEvent, WakeUp};
/// use serde_json::json;
///
/// struct Reminders;
///
/// impl Process for Reminders {
///     type State = bool; // whether the copy is lent
///
///     fn name(&self) -> &str {
///         "reminders"
///     }
///
///     fn filter(&self) -> Filter {
///         Filter::event_types(["BookCopyLentToReader", "BookCopyReturnedByReader"])
///     }
///
///     fn correlated_by(&self) -> &str {
///         "BookID"
///     }
///
///     fn apply(&self, is_lent: &mut bool, event: &RecordedEvent) {
///         *is_lent = event.event_type.as_str() == "BookCopyLentToReader";
///     }
///
///     fn react(&self, is_lent: &bool, _: &RecordedEvent) -> Result<Reaction, ProcessError> {
///         Ok(match is_lent {
///             true => Reaction::none().wake_up_after("remind", Duration::from_secs(3 * 24 * 60 * 60)),
///             false => Reaction::none().cancel("remind"),
///         })
///     }
///
///     fn wake(&self, _: &bool, wake_up: &WakeUp) -> Result<Reaction, ProcessError> {
///         Ok(Reaction::none().command("Mail", json!({"BookID": wake_up.key})))
///     }
///
///     async fn handle(&self, command: &Command) -> Result<Progress, ProcessError> {
///         println!("{}", command.payload);
///         Ok(Progress::done())
///     }
/// }
/// ```
pub trait Process: Send + Sync + 'static {
    /// What is known of one instance, from its events. It is kept as JSON in snapshots.
    type State: Default + Serialize + DeserializeOwned + Send + Sync;

    /// Its name: what is to be done is kept under it.
    fn name(&self) -> &str;

    /// Raise it when `State` or [`apply`](Self::apply) change: snapshots of another version are not used.
    fn version(&self) -> u32 {
        1
    }

    /// The events that it follows. They belong to the name: another filter needs another name.
    fn filter(&self) -> Filter;

    /// The path of the value that names an instance, `BookID` say: an indexed one, which every event of the filter has, as a string,
    /// an integer or a boolean. One value: an event with several belongs to no instance.
    fn correlated_by(&self) -> &str;

    /// Has the state know of an event.
    fn apply(&self, state: &mut Self::State, event: &RecordedEvent);

    /// What follows from an event; the state knows of it, and of none after it. It may be asked more than once, and should do nothing but decide: what it
    /// returns takes effect once.
    ///
    /// # Errors
    /// Whatever is wrong: it is asked again, and in the end the event is parked.
    fn react(&self, state: &Self::State, event: &RecordedEvent) -> Result<Reaction, ProcessError>;

    /// What follows when a wake-up is due; the state knows of all events that the log has by then.
    ///
    /// # Errors
    /// As [`react`](Self::react); in the end the wake-up is parked. A process that sets wake-ups must have this.
    fn wake(&self, state: &Self::State, wake_up: &WakeUp) -> Result<Reaction, ProcessError> {
        let _ = state;
        Err(format!(
            "process {:?} does not say what follows from the wake-up {:?}",
            self.name(),
            wake_up.name
        )
        .into())
    }

    /// What follows when a command has failed for good; `None` has it parked, for a person to look at.
    fn fail(&self, state: &Self::State, command: &Command, why: &str) -> Option<Reaction> {
        let _ = (state, command, why);
        None
    }

    /// Carries out a command: at least once, the same [id](Command::id) each time.
    fn handle(&self, command: &Command) -> impl Future<Output = Result<Progress, ProcessError>> + Send;

    /// Asks what has become of a command that was [started](Progress::started), by the reference that was given then.
    fn check(
        &self,
        command: &Command,
        reference: &Value,
    ) -> impl Future<Output = Result<Progress, ProcessError>> + Send {
        let _ = reference;
        let why = format!("process {:?} does not say how to ask after {:?}", self.name(), command.name);
        async { Err(why.into()) }
    }
}

/// Something to be carried out.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Command {
    /// The same at each attempt: give it to whoever is asked, or to an event that says that it was done
    /// ([`NewEvent::id`](crate::NewEvent::id)), so that once is enough.
    pub id: Uuid,
    /// The instance that it is of.
    pub key: Value,
    /// What is to be done.
    pub name: String,
    /// And with what.
    pub payload: Value,
    /// Which attempt this is, from 1; of asking after it, once it was started.
    pub attempt: u32,
    /// The event that it follows from; [`Position::START`] if that was a wake-up or a failure.
    pub cause: Position,
}

/// Something that an instance wanted to be told of at this time.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct WakeUp {
    /// The instance.
    pub key: Value,
    /// What it was called.
    pub name: String,
    /// Which attempt to react this is, from 1.
    pub attempt: u32,
    /// The event that it follows from; [`Position::START`] if that was a wake-up or a failure.
    pub cause: Position,
}

/// What has come of a command.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Progress(pub(super) Stage);

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Stage {
    Done,
    Running { reference: Option<Value>, check_after: Option<Duration>, time_out_after: Option<Duration> },
    Failed { why: String },
}

impl Progress {
    /// It is done.
    pub fn done() -> Self {
        Self(Stage::Done)
    }

    /// It goes on elsewhere: [`check`](Process::check) is given this reference, each second unless
    /// [said](Self::check_after), until it is done, has failed, or [timed out](Self::time_out_after).
    pub fn started(reference: impl Into<Value>) -> Self {
        let reference = Some(reference.into());
        Self(Stage::Running { reference, check_after: Some(CHECK_EVERY), time_out_after: None })
    }

    /// It still goes on: ask again.
    pub fn running() -> Self {
        Self(Stage::Running { reference: None, check_after: None, time_out_after: None })
    }

    /// It has failed, and another attempt would come to the same.
    pub fn failed(why: impl Into<String>) -> Self {
        Self(Stage::Failed { why: why.into() })
    }

    /// How long until it is asked after, and between one time and the next from then on.
    pub fn check_after(mut self, pause: Duration) -> Self {
        if let Stage::Running { check_after, .. } = &mut self.0 {
            *check_after = Some(pause);
        }
        self
    }

    /// How long it may take, from when it was started; without end unless said. It is asked after once more then, and has failed if it still
    /// goes on.
    pub fn time_out_after(mut self, limit: Duration) -> Self {
        if let Stage::Running { time_out_after, .. } = &mut self.0 {
            *time_out_after = Some(limit);
        }
        self
    }
}
