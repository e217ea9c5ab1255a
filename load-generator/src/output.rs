//! Where a result goes: to a person, and as JSON to a file or a pipe.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::RunError;

/// The places, opened before anything is measured: a long run is not lost to a misspelt path.
#[derive(Debug)]
pub(crate) enum Output {
    /// The readable report on standard output.
    Person,
    /// The readable report on standard output, and JSON in a file.
    PersonAndFile(PathBuf, File),
    /// JSON on standard output, the readable report on standard error.
    Script,
}

impl Output {
    /// `-` is standard output.
    pub(crate) fn open(json: Option<&Path>) -> Result<Self, RunError> {
        match json {
            None => Ok(Self::Person),
            Some(path) if path == Path::new("-") => Ok(Self::Script),
            Some(path) => {
                // What is there stays until there is something to take its place.
                let file = OpenOptions::new().write(true).create(true).truncate(false).open(path);
                let file = file.map_err(RunError::io(format!("writing {}", path.display())))?;
                Ok(Self::PersonAndFile(path.to_owned(), file))
            }
        }
    }

    /// First what a script waits for; then what a person reads, also if the first failed.
    pub(crate) fn publish<R: Serialize + std::fmt::Display>(self, report: &R) -> Result<(), RunError> {
        let text = serde_json::to_string_pretty(report).map_err(std::io::Error::from);
        let (written, printed) = match &self {
            Self::Person => (Ok(()), write!(std::io::stdout(), "{report}")),
            Self::Script => (
                text.and_then(|text| writeln!(std::io::stdout(), "{text}")),
                write!(std::io::stderr(), "{report}"),
            ),
            Self::PersonAndFile(_, file) => (
                text.and_then(|text| file.set_len(0).and_then(|()| writeln!(&*file, "{text}"))),
                write!(std::io::stdout(), "{report}"),
            ),
        };
        let place = match &self {
            Self::PersonAndFile(path, _) => path.display().to_string(),
            Self::Person | Self::Script => "the report".to_owned(),
        };
        written.map_err(RunError::io(format!("writing {place}")))?;
        match printed {
            // Whoever read it has seen enough.
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                Err(RunError::io("printing the report")(error))
            }
            _ => Ok(()),
        }
    }
}
