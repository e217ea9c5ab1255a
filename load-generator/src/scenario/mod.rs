//! What the load consists of.

mod decider;
mod library;
mod mix;

use std::sync::atomic::{AtomicU64, Ordering};

use crate::engine::EngineError;

pub(crate) use library::{Library, Shelf};
pub(crate) use mix::Mix;

/// The scenario that is run.
pub(crate) type Scenario = Library;

/// One kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Operation {
    LendBook,
    ReturnBook,
    ReaderLoans,
    ChangeStock,
    RegisterReader,
    CancelContract,
}

impl Operation {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::LendBook => "lend_book",
            Self::ReturnBook => "return_book",
            Self::ReaderLoans => "reader_loans",
            Self::ChangeStock => "change_stock",
            Self::RegisterReader => "register_reader",
            Self::CancelContract => "cancel_contract",
        }
    }

    /// Whether it means to write.
    pub(crate) fn is_command(self) -> bool {
        self != Self::ReaderLoans
    }
}

/// How a request ended.
#[derive(Debug, Clone)]
pub(crate) enum Outcome {
    /// It was answered. A command without an effect was refused by the domain.
    Done {
        operation: Operation,
        effective: bool,
    },
    /// It failed; with the kind of error.
    Failed(String),
    TimedOut,
}

impl Outcome {
    pub(crate) fn of_error(error: &EngineError) -> Self {
        if error.is_timeout {
            return Self::TimedOut;
        }
        tracing::warn!(%error, "request failed");
        Self::Failed(error.kind.clone())
    }
}

/// What a request met on its way; counted also if it does not come to its end.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    conflicts: AtomicU64,
    retries: AtomicU64,
}

impl Trace {
    pub(crate) fn conflict(&self) {
        self.conflicts.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn retry(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn conflicts(&self) -> u64 {
        self.conflicts.load(Ordering::Relaxed)
    }

    pub(crate) fn retries(&self) -> u64 {
        self.retries.load(Ordering::Relaxed)
    }
}
