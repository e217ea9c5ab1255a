//! How a run that was carried out ended, as the exit status says it.

use crate::error::RunError;

/// What a caller has to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing was found wrong.
    Kept,
    /// An audit found broken promises.
    Violated,
    /// A limit was passed: something took longer than it may, failed more often, or became worse.
    TooSlow,
}

impl Verdict {
    /// The graver one of two: a broken promise is more than something that was slow.
    pub(crate) fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Kept, other) => other,
            (_, Self::Violated) => Self::Violated,
            (this, _) => this,
        }
    }

    /// The verdict, unless the run could not be carried out. A broken promise stays one, whatever else went wrong.
    pub(crate) fn unless(self, carried_out: Result<(), RunError>) -> Result<Self, RunError> {
        match (self, carried_out) {
            (Self::Violated, Err(error)) => {
                crate::live::say(&format!("load-generator: {error}"));
                Ok(self)
            }
            (_, carried_out) => carried_out.map(|()| self),
        }
    }

    /// 1 is for runs that could not be carried out, 2 for usage.
    pub(crate) fn exit_status(self) -> u8 {
        match self {
            Self::Kept => 0,
            Self::TooSlow => 3,
            Self::Violated => 4,
        }
    }
}
