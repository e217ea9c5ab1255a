//! The command line, as typed.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::plan::{Plan, Rate, ScenarioName};

/// Open-loop load for the event store: a fixed worker pool, a bounded queue, and backpressure that is counted.
///
/// Request number i is due at start + i/rate, whether or not earlier ones have been answered, and its latency counts
/// from then, that of time-outs and errors too: a system that stalls can not hide it (no coordinated omission).
/// Without --primary it starts a PostgreSQL primary and a streaming replica of its own, with fsync on, and removes them at the end.
#[derive(Debug, Parser)]
#[command(name = "load-generator", version, args_conflicts_with_subcommands = true, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: RunArgs,
}

const EXAMPLES: &str = "\
Examples:
  load-generator --rate 300                       a minute of 300 requests/s on servers of its own
  load-generator --rate 2000 --duration 30s --preload 1000000
  load-generator --rate 300 --primary 'host=db1 user=app dbname=library sslmode=disable' \\
                 --replica 'host=db2 user=app dbname=library sslmode=disable' --json result.json

Exit status: 0 the run was carried out (read the report for how it went), 1 it could not be, 2 usage.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a scenario at a rate, and report (what bare flags mean too)
    Run(RunArgs),
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
    /// Fixes the sequence of operations and of random choices; what they meet depends on the run
    #[arg(long, default_value_t = 1)]
    seed: u64,
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
    /// PostgreSQL schema of the log; created if it is not there
    #[arg(long, default_value = "library")]
    schema: String,
    /// How many events the log has before the run: missing ones are written first, and a few more if there would not
    /// be something to do for every worker. A log that is there already is read once, to know what can be lent
    #[arg(long, default_value_t = 30_000, value_name = "EVENTS")]
    preload: u64,
    /// Serve Prometheus metrics at this address, under /metrics
    #[arg(long, value_name = "HOST:PORT")]
    metrics: Option<String>,
    /// Write the result as JSON to this file; - for standard output
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Reads the command line; prints usage and ends the process if it can not be understood.
pub(crate) fn parse() -> Plan {
    let cli = Cli::parse();
    let args = match cli.command {
        Some(Command::Run(args)) => args,
        None => cli.run,
    };
    Plan {
        rate: args.rate,
        duration: args.duration,
        warmup: args.warmup,
        workers: args.workers as usize,
        queue: args.queue as usize,
        timeout: args.timeout,
        scenario: args.scenario,
        seed: args.seed,
        primary: args.primary,
        replicas: args.replica,
        schema: args.schema,
        preload: args.preload,
        metrics: args.metrics,
        json: args.json,
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
        let Some(Command::Run(named)) =
            parse_from("load-generator run --rate 7 --duration 2s").unwrap().command
        else {
            panic!("run is a subcommand");
        };
        assert_eq!(format!("{bare:?}"), format!("{named:?}"));
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
        ] {
            assert!(parse_from(&format!("load-generator {flags}")).is_err(), "{flags}");
        }
    }
}
