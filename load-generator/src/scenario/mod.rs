//! What the load consists of.

mod decider;
mod freshness;
mod library;
mod mix;
mod trace;

use crate::engine::EngineError;

pub(crate) use freshness::Staleness;
pub(crate) use library::{Failures, Library, LibraryOptions, OpeningHours, Shelf, Stock};
pub(crate) use mix::Mix;
pub(crate) use trace::Trace;

/// One kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Operation {
    LendBook,
    ReturnBook,
    ReaderLoans,
    BooksInCirculation,
    ChangeStock,
    RegisterReader,
    CancelContract,
}

impl Operation {
    /// All there are.
    pub(crate) const ALL: [Self; 7] = [
        Self::LendBook,
        Self::ReturnBook,
        Self::ReaderLoans,
        Self::BooksInCirculation,
        Self::ChangeStock,
        Self::RegisterReader,
        Self::CancelContract,
    ];

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operation| operation.as_str() == name)
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::LendBook => "lend_book",
            Self::ReturnBook => "return_book",
            Self::ReaderLoans => "reader_loans",
            Self::BooksInCirculation => "books_in_circulation",
            Self::ChangeStock => "change_stock",
            Self::RegisterReader => "register_reader",
            Self::CancelContract => "cancel_contract",
        }
    }

    /// Whether it means to write.
    pub(crate) fn is_command(self) -> bool {
        !matches!(self, Self::ReaderLoans | Self::BooksInCirculation)
    }
}

/// How a request ended.
#[derive(Debug, Clone)]
pub(crate) enum Outcome {
    Done(Answer),
    Failed(Failure),
    TimedOut,
}

/// What was said to a request that came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Answer {
    /// A command wrote what it was asked for.
    Effective,
    /// The domain said no, and nothing was written.
    Refused,
    /// The domain said no, and an event says so.
    FailureRecorded,
    /// A query.
    Answered,
}

/// Why a request failed, to be counted by kind and code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// In words.
    pub(crate) kind: String,
    /// PostgreSQL's code, where it was the server that said no.
    pub(crate) sqlstate: Option<String>,
    pub(crate) message: String,
}

impl Outcome {
    pub(crate) fn of_error(error: &EngineError) -> Self {
        if error.is_timeout {
            return Self::TimedOut;
        }
        // There may be thousands a second: who counts them shows examples.
        tracing::debug!(%error, "request failed");
        let (kind, sqlstate) = (error.kind.clone(), error.sqlstate.clone());
        Self::Failed(Failure { kind, sqlstate, message: error.to_string() })
    }
}
