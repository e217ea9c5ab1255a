//! The arguments of `bench`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use crate::bench::BenchPlan;
use crate::cli::{Command, ServerArgs, positive_duration};
use crate::engine::EngineName;

#[derive(Debug, Subcommand)]
pub(super) enum BenchCommand {
    /// Conditional appends in a closed loop: one event, on the condition that its type has no event with its key
    #[command(after_help = "\
Example:
  load-generator bench append --clients 1,8,50,200 --json append.json

Engines: `insert` does no more than write the same rows (one autocommit statement an append, one connection a client, a
sequence, no condition, no lock); `cte` checks and inserts in one statement over GIN indexes, which is not safe where
two do it at once. The servers should have nothing else to do.")]
    Append(BenchArgs),
}

#[derive(Debug, Args)]
pub(super) struct BenchArgs {
    /// Numbers of clients, each with one append under way at a time
    #[arg(long, value_delimiter = ',', default_value = "1,8,50,200", value_parser = clap::value_parser!(u32).range(1..=250))]
    clients: Vec<u32>,
    /// What to compare
    #[arg(long, value_delimiter = ',', value_enum, default_value = "eventstore,insert,cte")]
    engines: Vec<EngineName>,
    /// How often everything is measured; medians are reported
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// How long one measurement takes
    #[arg(long, default_value = "4s", value_parser = positive_duration)]
    duration: Duration,
    /// How many events each log has before; the schemas bench_eventstore, bench_insert and bench_cte are made anew
    #[arg(long, default_value_t = 300_000, value_name = "EVENTS", value_parser = clap::value_parser!(u64).range(..=1_000_000_000))]
    preload: u64,
    #[command(flatten)]
    servers: ServerArgs,
    /// Write the result as JSON to this file; - for standard output
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

impl From<BenchCommand> for Command {
    fn from(BenchCommand::Append(args): BenchCommand) -> Self {
        Self::BenchAppend(args.into())
    }
}

impl From<BenchArgs> for BenchPlan {
    fn from(args: BenchArgs) -> Self {
        Self {
            clients: args.clients.iter().map(|clients| *clients as usize).collect(),
            engines: args.engines,
            rounds: args.rounds as usize,
            duration: args.duration,
            preload: args.preload,
            primary: args.servers.primary,
            replicas: args.servers.replica,
            json: args.json,
        }
    }
}
