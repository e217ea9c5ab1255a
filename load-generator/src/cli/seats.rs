//! The arguments of the scenario seats.

use std::ops::Range;
use std::path::PathBuf;

use clap::Args;

use crate::cli::run::{MOST_SESSIONS, refuse};
use crate::cli::{Command, ServerArgs};
use crate::engine::EngineName;
use crate::seats::{PartPlan, SeatsPlan};

/// Clients unless told.
const CLIENTS: u32 = 64;

/// Of the scenario seats, which takes --clients, --engine, --audit, --primary, --replica and --json of the others.
#[derive(Debug, Clone, Args)]
pub(super) struct SeatsArgs {
    /// For --scenario seats: how many there are
    #[arg(long, default_value_t = 2_000, value_name = "SEATS", value_parser = clap::value_parser!(u64).range(1..=10_000_000), help_heading = "Scenario", hide_short_help = true)]
    seats: u64,
    /// For --scenario seats: processes that the clients are spread over
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=64), help_heading = "Scenario", hide_short_help = true)]
    processes: u64,
    /// The clients of this process, as FROM-TO
    #[arg(long, hide = true, value_parser = range, requires = "primary")]
    part: Option<Range<u64>>,
    /// Where this process writes its history
    #[arg(long, hide = true, requires = "part")]
    history: Option<PathBuf>,
}

impl SeatsArgs {
    /// With what it takes of the flags of other scenarios; the engine, and whether there is an audit.
    pub(super) fn into_command(
        self,
        clients: Option<u32>,
        (engine, audit): (EngineName, bool),
        servers: ServerArgs,
        json: Option<PathBuf>,
    ) -> Result<Command, clap::Error> {
        let Self { seats, processes, part, history } = self;
        let clients = u64::from(clients.unwrap_or(CLIENTS));
        if clients > MOST_SESSIONS as u64 {
            return refuse(format!("--clients: at most {MOST_SESSIONS} for --scenario seats"));
        }
        if processes > clients {
            return refuse("--processes: more than there are --clients".to_owned());
        }
        match (part, servers.primary) {
            (Some(clients), Some(primary)) => {
                Ok(Command::SeatsPart(PartPlan { engine, seats, clients, primary, history }))
            }
            (_, primary) => {
                let replicas = servers.replica;
                Ok(Command::Seats(SeatsPlan {
                    engine,
                    seats,
                    clients,
                    processes,
                    audit,
                    primary,
                    replicas,
                    json,
                }))
            }
        }
    }
}

fn range(text: &str) -> Result<Range<u64>, String> {
    let ends = text.split_once('-').and_then(|(from, to)| Some(from.parse().ok()?..to.parse().ok()?));
    ends.ok_or_else(|| "expected two numbers, as 0-16".to_owned())
}
