//! `eventstore`: administration of a log from the command line.

mod args;
mod commands;
mod connect;
mod consumer_args;
mod doctor;
mod filter;
mod groups;
mod indexing;
mod output;
mod processes;
mod projections;
mod roles;
mod subscriptions;
mod tls_args;
mod transfer;
mod tune;

use std::process::ExitCode;

use clap::Parser as _;
use eventstore::ErrorKind;
use tracing_subscriber::EnvFilter;

use crate::args::Cli;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr).init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("eventstore: starting the runtime: {error}");
            return ExitCode::from(1);
        }
    };
    match runtime.block_on(commands::run(cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Whoever read the output has seen enough, or all.
            if !failure.is_told() {
                eprintln!("eventstore: {failure}");
            }
            ExitCode::from(failure.exit_code())
        }
    }
}

/// Why a command failed.
#[derive(Debug)]
enum Failure {
    Store(eventstore::Error),
    Io(String, std::io::Error),
    /// What the flags alone could not tell.
    Usage(String),
    /// It can not be done as things stand.
    Refused(String),
    /// What was asked for is not there.
    NotFound(String),
    /// A server that was to be looked at could not be.
    Unseen(String),
    /// What the doctor found, and has told.
    Findings(u8),
    Interrupted,
}

impl Failure {
    fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |error| Self::Io(what, error)
    }

    fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Io(_, error) if error.kind() == std::io::ErrorKind::BrokenPipe)
    }

    /// Whether nothing is left to be said.
    fn is_told(&self) -> bool {
        self.is_broken_pipe() || matches!(self, Self::Findings(_))
    }

    /// As `--help` tells.
    fn exit_code(&self) -> u8 {
        match self {
            _ if self.is_broken_pipe() => 0,
            Self::Usage(_) => 2,
            Self::Refused(_) => 3,
            Self::Store(error) if error.kind() == ErrorKind::Invalid => 3,
            Self::Store(error) if error.kind() == ErrorKind::Unavailable => 4,
            Self::NotFound(_) => 5,
            Self::Findings(code) => *code,
            Self::Store(_) | Self::Io(..) | Self::Unseen(_) => 1,
            Self::Interrupted => 130,
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
            Self::Io(what, error) => write!(f, "{what}: {error}"),
            Self::Usage(what) | Self::Refused(what) | Self::NotFound(what) | Self::Unseen(what) => {
                f.write_str(what)
            }
            Self::Findings(_) => f.write_str("findings"),
            Self::Interrupted => f.write_str("interrupted"),
        }
    }
}

impl From<eventstore::Error> for Failure {
    fn from(error: eventstore::Error) -> Self {
        Self::Store(error)
    }
}
