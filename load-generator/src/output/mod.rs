//! Where a result goes: to a person, and to files and pipes.

mod files;
mod place;

use std::fmt;
use std::io::{self, Write as _};
use std::path::Path;

use serde::Serialize;

use crate::error::RunError;

pub(crate) use files::{OutputPlan, Outputs};
pub(crate) use place::{Identity, Place, empty};

/// The places of the report and its JSON, opened before anything is measured: a long run is not lost to a misspelt path.
#[derive(Debug)]
pub(crate) enum Output {
    /// The readable report on standard output.
    Person,
    /// The readable report on standard output, and JSON in a file.
    PersonAndFile(Place),
    /// JSON on standard output, the readable report on standard error.
    Script,
}

impl Output {
    /// `-` is standard output.
    pub(crate) fn open(json: Option<&Path>) -> Result<Self, RunError> {
        Ok(match json {
            None => Self::Person,
            Some(path) if path == Path::new("-") => Self::Script,
            Some(path) => Self::PersonAndFile(Place::open(path)?),
        })
    }

    /// First what a script waits for; then what a person reads, also if the first failed.
    pub(crate) fn publish<R: Serialize + fmt::Display>(self, report: &R) -> Result<(), RunError> {
        let text = || {
            let text = serde_json::to_string_pretty(report).map_err(io::Error::from);
            text.map_err(RunError::io("writing the report"))
        };
        let (written, printed) = match self {
            Self::Person => (Ok(()), write!(io::stdout(), "{report}")),
            Self::Script => {
                let say = |text: String| {
                    writeln!(io::stdout(), "{text}").map_err(RunError::io("writing the report"))
                };
                (text().and_then(say), write!(io::stderr(), "{report}"))
            }
            Self::PersonAndFile(place) => {
                let written = text().and_then(|text| place.fill(|to| writeln!(to, "{text}")));
                (written, write!(io::stdout(), "{report}"))
            }
        };
        written?;
        unless_enough(printed).map_err(RunError::io("printing the report"))
    }
}

/// What a person reads, on standard output.
pub(crate) fn print(text: impl fmt::Display) -> Result<(), RunError> {
    unless_enough(writeln!(io::stdout(), "{text}")).map_err(RunError::io("printing"))
}

/// Whoever reads may have seen enough before the end.
fn unless_enough(printed: io::Result<()>) -> io::Result<()> {
    match printed {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        printed => printed,
    }
}
