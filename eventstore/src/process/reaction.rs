//! What follows.

use std::time::Duration;

use serde_json::Value;
use time::OffsetDateTime;

use crate::error::Error;
use crate::event::{check_instant, check_json};

const MAX_NAME_BYTES: usize = 255;
/// What can be added to the time of today in PostgreSQL: a thousand years.
const LONGEST: Duration = Duration::from_secs(1_000 * 365 * 24 * 60 * 60);

/// What follows from an event, a wake-up or a failure: commands to be carried out, and wake-ups. All of it takes effect at once, or nothing.
#[derive(Debug, Clone, PartialEq, Default)]
#[must_use]
pub struct Reaction {
    pub(super) commands: Vec<NewCommand>,
    pub(super) wake_ups: Vec<NewWakeUp>,
    pub(super) cancelled: Vec<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct NewCommand {
    pub(super) name: String,
    pub(super) payload: Value,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct NewWakeUp {
    pub(super) name: String,
    pub(super) when: When,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum When {
    At(OffsetDateTime),
    After(Duration),
}

impl Reaction {
    /// Nothing.
    pub fn none() -> Self {
        Self::default()
    }

    /// Has a command carried out. Its id is made of what it follows from and of its place in the reaction: the same where that is reacted to again.
    pub fn command(mut self, name: impl Into<String>, payload: impl Into<Value>) -> Self {
        self.commands.push(NewCommand { name: name.into(), payload: payload.into() });
        self
    }

    /// Has the instance told when so much time has passed, by the database's clock. An instance has one wake-up of a name: this takes the place of
    /// what there was.
    pub fn wake_up_after(self, name: impl Into<String>, pause: Duration) -> Self {
        self.wake_up(name.into(), When::After(pause.min(LONGEST)))
    }

    /// The same, at an instant.
    pub fn wake_up_at(self, name: impl Into<String>, instant: OffsetDateTime) -> Self {
        self.wake_up(name.into(), When::At(instant))
    }

    /// Takes a wake-up back, if there is one.
    pub fn cancel(mut self, name: impl Into<String>) -> Self {
        let name = name.into();
        self.wake_ups.retain(|wake_up| wake_up.name != name);
        self.cancelled.push(name);
        self
    }

    fn wake_up(mut self, name: String, when: When) -> Self {
        self.cancelled.retain(|cancelled| *cancelled != name);
        self.wake_ups.retain(|wake_up| wake_up.name != name);
        self.wake_ups.push(NewWakeUp { name, when });
        self
    }

    pub(super) fn is_none(&self) -> bool {
        self.commands.is_empty() && self.wake_ups.is_empty() && self.cancelled.is_empty()
    }

    /// Refuses what can not be stored.
    pub(super) fn check(&self, max_payload_bytes: usize) -> Result<(), Error> {
        let names = self.commands.iter().map(|command| &command.name);
        for name in names.chain(self.wake_ups.iter().map(|wake_up| &wake_up.name)) {
            if name.is_empty() || name.len() > MAX_NAME_BYTES || name.contains('\0') {
                return Err(Error::invalid(format!(
                    "the name of a command or wake-up has {} bytes; expected 1 to {MAX_NAME_BYTES}, without NUL",
                    name.len()
                )));
            }
        }
        for command in &self.commands {
            check_json(&command.payload, "the payload of a command", max_payload_bytes)?;
        }
        for wake_up in &self.wake_ups {
            if let When::At(instant) = wake_up.when {
                check_instant(instant, "the instant of a wake-up")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_last_of_a_wake_up_holds() {
        let hour = Duration::from_secs(3_600);
        let set = Reaction::none().cancel("remind").wake_up_after("remind", hour);
        assert_eq!((set.wake_ups.len(), set.cancelled.len()), (1, 0));
        let cancelled = set.clone().cancel("remind");
        assert_eq!((cancelled.wake_ups.len(), cancelled.cancelled.len()), (0, 1));
        let again = set.wake_up_after("remind", 2 * hour);
        assert_eq!(again.wake_ups, [NewWakeUp { name: "remind".to_owned(), when: When::After(2 * hour) }]);
    }

    #[test]
    fn names_that_can_not_be_stored_are_refused() {
        for name in ["", "a\0b", &"x".repeat(256)] {
            assert!(Reaction::none().command(name, 1).check(1_000).is_err(), "{name:?}");
            assert!(Reaction::none().wake_up_after(name, Duration::ZERO).check(1_000).is_err(), "{name:?}");
        }
        assert!(Reaction::none().command("x".repeat(255), 1).check(1_000).is_ok());
        for payload in ["a\0b", &*"x".repeat(1_000)] {
            assert!(Reaction::none().command("x", payload).check(1_000).is_err());
        }
    }
}
