//! The arguments of `chaos`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::chaos::{ChaosPlan, FaultCount};
use crate::cli::positive_duration;

#[derive(Debug, Args)]
pub(super) struct ChaosArgs {
    /// Which faults, each with how many of it (kill=50); without a number as many as the time allows.
    ///
    /// kill: kill -9 of the primary, and a start. stop: SIGSTOP of the primary or the replica for up to 1.5 s. cut: connections
    /// closed, or stalled and closed, or slow. ackdrop: the answer to an append is lost after its Sync was handed on.
    /// sessions: sessions of the primary terminated. pause: the replica stops to replay. full-data, full-wal: the disk is full; both
    /// need the right to mount, and there is no replica then, and so no pause
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "kill,stop,cut,ackdrop,sessions,pause",
        value_name = "NAME[=COUNT]"
    )]
    faults: Vec<FaultCount>,
    /// How long, at most; it ends earlier when all faults that have a number were injected and no others were asked for
    #[arg(long, default_value = "60s", value_parser = positive_duration)]
    duration: Duration,
    /// Clients, each with one operation under way at a time
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    clients: u64,
    /// Fixes which faults come when, and what clients do; what they meet depends on the run
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How long appends may take to come back after a fault
    #[arg(long, default_value = "3s", value_parser = positive_duration)]
    recover_within: Duration,
    /// Write the result as JSON to this file; - for standard output
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

impl From<ChaosArgs> for ChaosPlan {
    fn from(args: ChaosArgs) -> Self {
        let ChaosArgs { faults, duration, clients, seed, recover_within, json } = args;
        Self { faults, duration, clients, seed, recover_within, json }
    }
}
