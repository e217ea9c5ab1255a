//! The command line, as typed.

use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory as _, Parser, Subcommand};

use crate::bench::BenchPlan;
use crate::chaos::{ChaosPlan, FaultCount};
use crate::engine::EngineName;
use crate::plan::{Plan, Rate, ScenarioName};
use crate::seats::{PartPlan, SeatsPlan};

/// Open-loop load for the event store: a fixed worker pool, a bounded queue, and backpressure that is counted.
///
/// Request number i is due at start + i/rate, whether or not earlier ones have been answered, and its latency counts
/// from then, that of time-outs and errors too: a system that stalls can not hide it (no coordinated omission).
/// Without --primary it starts a PostgreSQL primary and a streaming replica of its own, with fsync on, and removes them at the end.
#[derive(Debug, Parser)]
#[command(name = "load-generator", version, args_conflicts_with_subcommands = true, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Option<Subcommands>,
    #[command(flatten)]
    run: RunArgs,
}

const EXAMPLES: &str = "\
Examples:
  load-generator --rate 300                       a minute of 300 requests/s on servers of its own
  load-generator --rate 2000 --duration 30s --preload 1000000
  load-generator run --scenario seats --audit     64 clients fight for 2,000 seats; was any sold twice?
  load-generator bench append                     the append path against plain INSERTs and another store's SQL
  load-generator --rate 300 --primary 'host=db1 user=app dbname=library sslmode=disable' \\
                 --replica 'host=db2 user=app dbname=library sslmode=disable' --json result.json

Exit status: 0 the run was carried out (read the report for how it went), 1 it could not be, 2 usage, 3 a
threshold was passed, 4 an audit found a broken promise.";

#[derive(Debug, Subcommand)]
enum Subcommands {
    /// Run a scenario at a rate, and report (what bare flags mean too)
    Run(RunArgs),
    /// Compare the store with other ways to do the same, interleaved on the same servers
    #[command(subcommand)]
    Bench(BenchCommand),
    /// Inject faults under load, on servers of its own, and audit what the store said meanwhile
    ///
    /// Clients decide, append and read; servers are killed and stopped, connections cut, answers dropped, one after the
    /// other. At the end the primary crashes once more, and every operation is checked against the log: nothing
    /// acknowledged is lost, doubled or out of order, no condition is broken, every read is a prefix.
    #[command(after_help = "\
Example:
  load-generator chaos --faults kill=5,ackdrop=50,cut,stop --duration 60s

Exit status: 0 every promise was kept, 1 the run could not be carried out (a store that does not come back is one), 2 usage,
3 appends took longer than --recover-within to come back, 4 a promise was broken.")]
    Chaos(ChaosArgs),
}

#[derive(Debug, Args)]
struct ChaosArgs {
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

#[derive(Debug, Subcommand)]
enum BenchCommand {
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
struct BenchArgs {
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

#[derive(Debug, Args)]
struct ServerArgs {
    /// Connection string of the primary; without it, servers of its own are started. There is no TLS: a server on another
    /// machine needs sslmode=disable
    #[arg(long, value_name = "DSN", env = "EVENTSTORE_PRIMARY", hide_env_values = true)]
    primary: Option<String>,
    /// Connection string of a replica; may be given several times
    #[arg(
        long,
        value_name = "DSN",
        requires = "primary",
        env = "EVENTSTORE_REPLICA",
        hide_env_values = true
    )]
    replica: Vec<String>,
}

#[derive(Debug, Args)]
struct RunArgs {
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

/// What was asked for.
#[derive(Debug)]
pub(crate) enum Command {
    Run(Plan),
    Seats(SeatsPlan),
    SeatsPart(PartPlan),
    Chaos(ChaosPlan),
    BenchAppend(BenchPlan),
}

/// Reads the command line; prints usage and ends the process if it can not be understood.
pub(crate) fn parse() -> Command {
    let cli = Cli::parse();
    match cli.command {
        Some(Subcommands::Run(args)) => args.into_command().unwrap_or_else(|refused| refused.exit()),
        Some(Subcommands::Bench(BenchCommand::Append(args))) => Command::BenchAppend(args.into()),
        Some(Subcommands::Chaos(args)) => Command::Chaos(args.into()),
        None => cli.run.into_command().unwrap_or_else(|refused| refused.exit()),
    }
}

impl RunArgs {
    fn into_command(self) -> Result<Command, clap::Error> {
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

impl From<ChaosArgs> for ChaosPlan {
    fn from(args: ChaosArgs) -> Self {
        let ChaosArgs { faults, duration, clients, seed, recover_within, json } = args;
        Self { faults, duration, clients, seed, recover_within, json }
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

/// Longer ones are a slip of the pen.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

fn duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(duration) if duration > LONGEST => Err("must not be longer than a year".to_owned()),
        Ok(duration) => Ok(duration),
        Err(error) => Err(format!("{error}; expected a number with a unit, such as 20s, 1m30s, 500ms")),
    }
}

fn range(text: &str) -> Result<Range<u64>, String> {
    let ends = text.split_once('-').and_then(|(from, to)| Some(from.parse().ok()?..to.parse().ok()?));
    ends.ok_or_else(|| "expected two numbers, as 0-16".to_owned())
}

fn positive_duration(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("must be longer than 0".to_owned()),
        duration => Ok(duration),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_from(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split(' '))
    }

    #[test]
    fn bare_flags_mean_run() {
        let bare = parse_from("load-generator --rate 7 --duration 2s").unwrap().run;
        let Some(Subcommands::Run(named)) =
            parse_from("load-generator run --rate 7 --duration 2s").unwrap().command
        else {
            panic!("run is a subcommand");
        };
        assert_eq!(format!("{bare:?}"), format!("{named:?}"));
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        for (flags, said) in [
            ("--engine cte", "for --scenario seats"),
            ("--audit", "for --scenario seats"),
            ("--scenario seats --clients 3 --processes 4", "more than there are --clients"),
        ] {
            let refused =
                parse_from(&format!("load-generator run {flags}")).and_then(|cli| match cli.command {
                    Some(Subcommands::Run(args)) => args.into_command(),
                    _ => unreachable!("run is a subcommand"),
                });
            assert!(refused.unwrap_err().to_string().contains(said), "{flags}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for flags in [
            "--rate 0",
            "--rate -5",
            "--rate NaN",
            "--rate inf",
            "--rate lots",
            "--duration 0s",
            "--duration 5",
            "--duration 9000y",
            "--warmup 9000y",
            "--rate 0.0001",
            "--duration soon",
            "--warmup -1s",
            "--timeout 0ms",
            "--workers 0",
            "--queue 0",
            "--replica host=x",
            "--scenario chess",
            "--json",
            "--engine postgres",
            "--seats 0",
            "--clients 0",
            "--processes 0",
            "--part 0-4",
            "chaos --faults earthquake",
            "chaos --faults kill=0",
            "chaos --faults kill=many",
            "chaos --clients 0",
            "bench",
            "bench append --clients 0",
            "bench append --clients 1,many",
            "bench append --engines mysql",
            "bench append --rounds 0",
        ] {
            assert!(parse_from(&format!("load-generator {flags}")).is_err(), "{flags}");
        }
    }
}
