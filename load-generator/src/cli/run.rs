//! The arguments of `run`, for all scenarios.

use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory as _};

use crate::cli::{Cli, Command, ServerArgs, duration, positive_duration};
use crate::engine::EngineName;
use crate::plan::{Plan, Rate, ScenarioName};
use crate::seats::{PartPlan, SeatsPlan};

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// Requests per second, offered in equal steps
    #[arg(long, default_value = "300", value_name = "PER_SECOND")]
    rate: Rate,
    /// How long to measure, after the warm-up
    #[arg(long, default_value = "60s", value_parser = positive_duration)]
    duration: Duration,
    /// How long to run before measuring; 0s for none
    #[arg(long, default_value = "5s", value_parser = duration)]
    warmup: Duration,
    /// Workers: how many requests are under way at once, at most; they share up to 50 connections to each server
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    workers: u32,
    /// Places in the queue before the workers; a request that finds it full is rejected
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    queue: u32,
    /// How long a worker waits for one request, retries included
    #[arg(long, default_value = "1s", value_parser = positive_duration)]
    timeout: Duration,
    /// What to do
    #[arg(long, value_enum, default_value_t = ScenarioName::Library)]
    scenario: ScenarioName,
    #[command(flatten)]
    seats: SeatsArgs,
    /// Fixes the sequence of operations and of random choices; what they meet depends on the run
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    servers: ServerArgs,
    /// PostgreSQL schema of the log; created if it is not there
    #[arg(long, default_value = "library")]
    schema: String,
    /// How many events the log has before the run: missing ones are written first, and a few more if there would not
    /// be something to do for every worker. A log that is there already is read once, to know what can be lent
    #[arg(long, default_value_t = 30_000, value_name = "EVENTS", value_parser = clap::value_parser!(u64).range(..=1_000_000_000_000))]
    preload: u64,
    /// Serve Prometheus metrics at this address, under /metrics
    #[arg(long, value_name = "HOST:PORT")]
    metrics: Option<String>,
    /// Write the result as JSON to this file; - for standard output
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Of the scenario seats, which takes --primary, --replica and --json of the others.
#[derive(Debug, Clone, Args)]
struct SeatsArgs {
    /// seats: through what the clients write; the log is made anew, in the schema seats_ENGINE
    #[arg(long, value_enum, default_value_t = EngineName::Eventstore)]
    engine: EngineName,
    /// seats: record what every client asks and is told, and check at the end that every promise was kept
    #[arg(long)]
    audit: bool,
    /// seats: how many there are
    #[arg(long, default_value_t = 2_000, value_name = "SEATS", value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    seats: u64,
    /// seats: clients over all processes, each with one operation under way at a time
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=250))]
    clients: u64,
    /// seats: processes that the clients are spread over
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=64))]
    processes: u64,
    /// The clients of this process, as FROM-TO
    #[arg(long, hide = true, value_parser = range, requires = "primary")]
    part: Option<Range<u64>>,
    /// Where this process writes its history
    #[arg(long, hide = true, requires = "part")]
    history: Option<PathBuf>,
}

impl RunArgs {
    pub(super) fn into_command(self) -> Result<Command, clap::Error> {
        let refuse = |why: &str| Err(Cli::command().error(ErrorKind::ArgumentConflict, why));
        let SeatsArgs { engine, audit, seats, clients, processes, part, history } = self.seats.clone();
        match (self.scenario, part, self.servers.primary.clone()) {
            (ScenarioName::Library, ..) if engine != EngineName::Eventstore || audit => {
                refuse("--engine and --audit are for --scenario seats")
            }
            (ScenarioName::Library, ..) => Ok(Command::Run(self.into())),
            (ScenarioName::Seats, ..) if processes > clients => {
                refuse("--processes: more than there are --clients")
            }
            (ScenarioName::Seats, Some(clients), Some(primary)) => {
                Ok(Command::SeatsPart(PartPlan { engine, seats, clients, primary, history }))
            }
            (ScenarioName::Seats, _, primary) => {
                let (replicas, json) = (self.servers.replica, self.json);
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

impl From<RunArgs> for Plan {
    fn from(args: RunArgs) -> Self {
        Self {
            rate: args.rate,
            duration: args.duration,
            warmup: args.warmup,
            workers: args.workers as usize,
            queue: args.queue as usize,
            timeout: args.timeout,
            scenario: args.scenario,
            seed: args.seed,
            primary: args.servers.primary,
            replicas: args.servers.replica,
            schema: args.schema,
            preload: args.preload,
            metrics: args.metrics,
            json: args.json,
        }
    }
}

fn range(text: &str) -> Result<Range<u64>, String> {
    let ends = text.split_once('-').and_then(|(from, to)| Some(from.parse().ok()?..to.parse().ok()?));
    ends.ok_or_else(|| "expected two numbers, as 0-16".to_owned())
}
