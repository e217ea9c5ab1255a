//! The arguments of `run`, for all scenarios.

use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, CommandFactory as _};

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
    /// Through what is written and read. Each engine has its log in a schema of its own: --schema and the engine's name, but
    /// for eventstore; that of seats is made anew. Only eventstore reads from replicas
    #[arg(long, value_enum, default_value_t = EngineName::Eventstore)]
    engine: EngineName,
    /// Record what every client asks and is told, and check at the end that every promise was kept. The log is read into
    /// memory for that. Nobody else may write to it meanwhile
    #[arg(long)]
    audit: bool,
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

/// Of the scenario seats, which takes --engine, --audit, --primary, --replica and --json of the others.
#[derive(Debug, Clone, Args)]
struct SeatsArgs {
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

/// Flags that only one of the scenarios takes, by their names.
const OF_LIBRARY: &[&str] =
    &["rate", "duration", "warmup", "workers", "queue", "timeout", "seed", "schema", "preload", "metrics"];
const OF_SEATS: &[&str] = &["seats", "clients", "processes"];
/// Connections that a baseline may open: a worker has one.
const MOST_SESSIONS: u32 = 250;

impl RunArgs {
    /// `typed` is where it was read from.
    pub(super) fn into_command(self, typed: &ArgMatches) -> Result<Command, clap::Error> {
        let refuse = |why: String| Err(Cli::command().error(ErrorKind::ArgumentConflict, why));
        let (others, of) = match self.scenario {
            ScenarioName::Library => (OF_SEATS, ScenarioName::Seats),
            ScenarioName::Seats => (OF_LIBRARY, ScenarioName::Library),
        };
        let is_typed = |flag: &&&str| typed.value_source(flag) == Some(ValueSource::CommandLine);
        if let Some(flag) = others.iter().find(is_typed) {
            return refuse(format!("--{flag} is for --scenario {}", of.as_str()));
        }
        let SeatsArgs { seats, clients, processes, part, history } = self.seats.clone();
        let (engine, audit) = (self.engine, self.audit);
        match (self.scenario, part, self.servers.primary.clone()) {
            (ScenarioName::Library, ..) if engine.has_sessions() && self.workers > MOST_SESSIONS => {
                refuse(format!(
                    "--workers: at most {MOST_SESSIONS} with this engine, which has a connection for each"
                ))
            }
            (ScenarioName::Library, ..) => Ok(Command::Run(self.into())),
            (ScenarioName::Seats, ..) if processes > clients => {
                refuse("--processes: more than there are --clients".to_owned())
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
            engine: args.engine,
            audit: args.audit,
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
