//! Work that was claimed, and what came of it.

use std::time::Duration;

use serde_json::Value;
use uuid::Uuid;

use crate::position::Position;

/// A kind of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Lane {
    Commands,
    Checks,
    WakeUps,
}

impl Lane {
    pub(super) const ALL: [Self; 3] = [Self::Commands, Self::Checks, Self::WakeUps];

    /// As it is stored.
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Commands => "c",
            Self::Checks => "s",
            Self::WakeUps => "w",
        }
    }

    /// As metrics and operators name it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Commands => "command",
            Self::Checks => "check",
            Self::WakeUps => "wake_up",
        }
    }
}

/// Something that was claimed.
#[derive(Debug, Clone)]
pub(super) struct Work {
    pub(super) id: Uuid,
    pub(super) lease: Uuid,
    pub(super) lane: Lane,
    pub(super) attempt: u32,
    pub(super) cause: Position,
    pub(super) key: Value,
    pub(super) name: String,
    pub(super) payload: Value,
    pub(super) reference: Option<Value>,
    pub(super) check_every: Option<Duration>,
    /// Its deadline has passed.
    pub(super) is_late: bool,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Outcome {
    Done,
    /// To be asked after when the pause has passed.
    Running {
        reference: Option<Value>,
        pause: Duration,
        check_every: Option<Duration>,
        time_out_after: Option<Duration>,
    },
    /// To be tried again when the pause has passed.
    Failed {
        pause: Duration,
        why: String,
    },
    Parked {
        why: String,
    },
    /// Handed back as if it had not been claimed.
    Untouched,
}

impl Outcome {
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::Done => "d",
            Self::Running { .. } => "s",
            Self::Failed { .. } => "f",
            Self::Parked { .. } => "p",
            Self::Untouched => "b",
        }
    }

    /// Whether it holds for a later attempt too, which is then not to be made.
    pub(super) fn holds_later(&self) -> bool {
        match self {
            Self::Done | Self::Running { .. } | Self::Parked { .. } => true,
            Self::Failed { .. } | Self::Untouched => false,
        }
    }

    /// As metrics name it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Running { .. } => "running",
            Self::Failed { .. } => "failed",
            Self::Parked { .. } => "parked",
            Self::Untouched => "untouched",
        }
    }
}

/// What the database is to be told.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer {
    pub(super) id: Uuid,
    pub(super) lease: Uuid,
    pub(super) lane: Lane,
    pub(super) attempt: u32,
    pub(super) outcome: Outcome,
}

impl Answer {
    /// How many attempts count from now on.
    pub(super) fn attempts(&self) -> i32 {
        let attempts = match self.outcome {
            Outcome::Running { .. } => 0,
            Outcome::Untouched => self.attempt.saturating_sub(1),
            _ => self.attempt,
        };
        i32::try_from(attempts).unwrap_or(i32::MAX)
    }
}
