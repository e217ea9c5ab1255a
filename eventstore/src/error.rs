//! One opaque error, sorted by what its receiver does next.

use std::fmt;
use std::sync::Arc;

use crate::position::Position;

/// What went wrong, in the one way that matters to the caller: what to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An event that matches the append condition has been written. Nothing was appended: read again and decide
    /// again. [`Error::conflict`] tells which event it is.
    Conflict,
    /// The database could not be reached or did not answer in time. Nothing was written: try again later.
    Unavailable,
    /// The append was sent and its outcome is unknown. Appending the same events (with the same ids) again is
    /// safe: it gives the first receipt if they were written, and writes them if not.
    Indeterminate,
    /// The call can not succeed as it stands: mend it. Nothing was sent, or nothing was written.
    Invalid,
    /// The log is not the one that a token came from: the event it names is not at its position. A failover
    /// lost the end of the log, or the token belongs to another log.
    HistoryDiverged,
    /// Somebody else has taken over what this one held: a subscription, or an event of a consumer group. Nothing was
    /// committed, and what was being done is done elsewhere: stop, or begin again.
    LeaseLost,
    /// The store has been closed.
    Closed,
    /// A defect, here or in the schema. Please report it.
    Internal,
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Conflict => "conflict",
            Self::Unavailable => "unavailable",
            Self::Indeterminate => "indeterminate",
            Self::Invalid => "invalid",
            Self::HistoryDiverged => "history diverged",
            Self::LeaseLost => "lease lost",
            Self::Closed => "closed",
            Self::Internal => "internal",
        })
    }
}

/// Why an append was refused: the event that matched, and what it matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Conflict {
    /// Position of the first event found that matches the condition.
    pub position: Position,
    /// Which condition of the append it matched, counted from 0.
    pub condition: usize,
    /// Which item of that condition's filter it matched, counted from 0 in the order written.
    pub item: usize,
}

/// An error of the event store. Cheap to clone: one failed batch is reported to many callers.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}", .0.message)]
pub struct Error(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    message: String,
    conflict: Option<Conflict>,
    /// Where the event stood that the log does not have.
    diverged_at: Option<Position>,
    /// Whether another one stands there, and not none yet.
    another_event: bool,
    lost_from: Option<Position>,
    sqlstate: Option<String>,
    timed_out: bool,
    exhausted: bool,
}

impl Error {
    /// What to do next.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether what failed may succeed when it is done again as it is.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(self.kind(), ErrorKind::Unavailable | ErrorKind::Indeterminate)
    }

    /// Whether an append was refused because its condition did not hold.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        self.kind() == ErrorKind::Conflict
    }

    /// The event that refused the append, if this is a [`ErrorKind::Conflict`].
    #[must_use]
    pub fn conflict(&self) -> Option<&Conflict> {
        self.0.conflict.as_ref()
    }

    /// From which position on this handle knows the log to have been lost in a failover, if this is a
    /// [`ErrorKind::HistoryDiverged`] that such a loss explains: something before it may be lost too, of which the handle never
    /// knew.
    #[must_use]
    pub fn lost_from(&self) -> Option<Position> {
        self.0.lost_from
    }

    /// Whether a deadline passed; its kind tells whether anything may have been written.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        self.0.timed_out
    }

    /// The five characters of the SQLSTATE, if PostgreSQL gave one.
    #[must_use]
    pub fn sqlstate(&self) -> Option<&str> {
        self.0.sqlstate.as_deref()
    }

    fn build(kind: ErrorKind, message: String) -> Inner {
        Inner {
            kind,
            message,
            conflict: None,
            diverged_at: None,
            another_event: false,
            lost_from: None,
            sqlstate: None,
            timed_out: false,
            exhausted: false,
        }
    }

    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Arc::new(Self::build(kind, message.into())))
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }

    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unavailable, message)
    }

    /// The log does not have the event that was named at a position.
    pub(crate) fn diverged(position: Position, message: impl Into<String>) -> Self {
        let inner = Self::build(ErrorKind::HistoryDiverged, message.into());
        Self(Arc::new(Inner { diverged_at: Some(position), ..inner }))
    }

    /// The same, where another event stands at that position: it will not come any more.
    pub(crate) fn by_another_event(self) -> Self {
        let inner = Self::build(self.kind(), self.to_string());
        Self(Arc::new(Inner { diverged_at: self.0.diverged_at, another_event: true, ..inner }))
    }

    pub(crate) fn is_another_event(&self) -> bool {
        self.0.another_event
    }

    pub(crate) fn diverged_at(&self) -> Option<Position> {
        self.0.diverged_at
    }

    /// The same, with from where on the log is known to be lost.
    pub(crate) fn with_loss(&self, first: Position) -> Self {
        let message = format!("{self}; this handle knows of a loss from position {first} on, or before");
        let inner = Self::build(self.kind(), message);
        Self(Arc::new(Inner { diverged_at: self.0.diverged_at, lost_from: Some(first), ..inner }))
    }

    pub(crate) fn closed() -> Self {
        Self::new(ErrorKind::Closed, "the event store is closed")
    }

    pub(crate) fn timeout(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Arc::new(Inner { timed_out: true, ..Self::build(kind, message.into()) }))
    }

    /// Every connection of a pool of ours was in use until the deadline.
    pub(crate) fn exhausted(message: String) -> Self {
        let inner = Self::build(ErrorKind::Unavailable, message);
        Self(Arc::new(Inner { timed_out: true, exhausted: true, ..inner }))
    }

    pub(crate) fn is_exhausted(&self) -> bool {
        self.0.exhausted
    }

    pub(crate) fn refused(conflict: Conflict) -> Self {
        let message = format!(
            "append refused: the event at position {} matches item {} of condition {}",
            conflict.position, conflict.item, conflict.condition
        );
        Self(Arc::new(Inner { conflict: Some(conflict), ..Self::build(ErrorKind::Conflict, message) }))
    }

    pub(crate) fn from_server(kind: ErrorKind, message: String, sqlstate: &str) -> Self {
        Self(Arc::new(Inner { sqlstate: Some(sqlstate.to_owned()), ..Self::build(kind, message) }))
    }
}
