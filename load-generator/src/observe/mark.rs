//! Something that happened at a time of the run.

use serde::{Deserialize, Serialize};

/// What a picture of the run marks, and a reader of its figures should know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Mark {
    /// Seconds since the measurement began, to the second; negative in the warm-up.
    pub(crate) at_s: f64,
    /// `None` if it was not over when nobody looked any more, or has no length.
    pub(crate) until_s: Option<f64>,
    pub(crate) kind: MarkKind,
    pub(crate) text: String,
}

impl Mark {
    /// Whether some of it was after measuring began.
    pub(crate) fn is_seen(&self) -> bool {
        match self.until_s {
            Some(until) => until > 0.0,
            None => self.at_s >= 0.0 || self.kind == MarkKind::Unreachable,
        }
    }

    /// The same, so many seconds later.
    pub(crate) fn later(&self, seconds: f64) -> Self {
        let until_s = self.until_s.map(|until| until + seconds);
        Self { at_s: self.at_s + seconds, until_s, ..self.clone() }
    }
}

/// What kind of thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MarkKind {
    Checkpoint,
    Autovacuum,
    Unreachable,
    /// The measurement was repeated from here.
    Repeat,
    /// It was told to end.
    Interrupted,
}
