//! How large the library is, and how it is used.

use clap::ValueEnum;

use crate::scenario::library::OpeningHours;

/// The scenario's settings. The ancestor's library has as many books and readers as the default.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LibraryOptions {
    /// Books that a log which is written before the run leads to; a short one leads to fewer.
    pub(crate) books: u64,
    /// Readers, in the same way.
    pub(crate) readers: u64,
    /// The exponent of popularity of books, by Zipf's law: the book of rank r is asked for 1/r^exponent times as often as the first.
    /// With 0 all are asked for alike.
    pub(crate) zipf: f64,
    pub(crate) failures: Failures,
    /// `None`: always open.
    pub(crate) hours: Option<OpeningHours>,
    /// The share of queries, from 0 to 1; `None` leaves the mix as it is.
    pub(crate) read_ratio: Option<f64>,
}

/// What becomes of a command that the domain refuses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Failures {
    /// Nothing is written
    #[default]
    Refusals,
    /// An event is appended that says so and why, on the condition that the command would have had
    Events,
}

impl Failures {
    /// As it is typed.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Refusals => "refusals",
            Self::Events => "events",
        }
    }
}

impl Default for LibraryOptions {
    fn default() -> Self {
        Self {
            books: 60_000,
            readers: 15_000,
            zipf: 1.0,
            failures: Failures::default(),
            hours: None,
            read_ratio: None,
        }
    }
}
