//! Why a cluster did not start.

use std::io;
use std::path::{Path, PathBuf};

/// Why a cluster did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClusterError {
    /// There is no PostgreSQL server on this machine.
    #[error(
        "no PostgreSQL server of version 15 or later found (looked for initdb and postgres in: {searched}). Run `make postgres` to get one, \
         or name the folder of your own with EVENTSTORE_PG_BIN"
    )]
    NoServer {
        /// Where it was looked for.
        searched: String,
    },
    /// There is no such program on this machine.
    #[error("{name} is not installed, and was not got by `make tools`")]
    NoTool {
        /// Which one.
        name: String,
    },
    /// Running as root, but there is no other user to run the server as.
    #[error("PostgreSQL does not run as root, and neither the user postgres nor nobody exists to run it as")]
    NoUser,
    /// A program of PostgreSQL failed.
    #[error("{program} failed: {reason}")]
    Program {
        /// Which one.
        program: String,
        /// What it printed last.
        reason: String,
    },
    /// Files or processes could not be made.
    #[error("{what}: {source}")]
    Io {
        /// What was attempted.
        what: String,
        /// What the system said.
        source: io::Error,
    },
}

impl ClusterError {
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    pub(crate) fn program(program: &Path, reason: impl Into<String>) -> Self {
        let program = program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned();
        Self::Program { program, reason: reason.into() }
    }

    pub(crate) fn no_server(searched: &[PathBuf]) -> Self {
        let searched =
            searched.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(", ");
        Self::NoServer { searched }
    }
}
