//! The command line, as typed.

mod bench;
mod capacity;
mod chaos;
mod compare;
mod deliver;
mod library;
mod load;
mod merge;
mod output;
mod run;
mod shape;

use std::time::Duration;

use clap::{ArgMatches, Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::bench::{BenchPlan, PartPlan as BenchPartPlan};
use crate::capacity::CapacityPlan;
use crate::chaos::{ChaosPlan, PartPlan as ChaosPartPlan};
use crate::cli::bench::BenchArgs;
use crate::cli::capacity::{CapacityArgs, OverloadArgs};
use crate::cli::chaos::ChaosArgs;
use crate::cli::compare::CompareArgs;
use crate::cli::deliver::DeliverArgs;
use crate::cli::merge::MergeArgs;
use crate::cli::run::RunArgs;
use crate::compare::ComparePlan;
use crate::deliver::{
    ClaimPlan, Common, CountPlan, CrashPlan, DispatchPlan, HotStreamPlan, LivePlan,
    PartPlan as CrashPartPlan, SubscribePlan, ViewPlan,
};
use crate::merge::MergePlan;
use crate::overload::OverloadPlan;
use crate::plan::Plan;
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
    run: Box<RunArgs>,
}

const EXAMPLES: &str = "\
Examples:
  load-generator --rate 300                       a minute of 300 requests/s on servers of its own
  load-generator --ramp 100..2000/60s --html report.html --slo 'p99<20ms,errors<0.1%'
  load-generator --rate 300 --spike 3000@20s/5s --arrivals poisson --explain
  load-generator --clients 64 --read-ratio 0.5    a closed loop; half of the requests are queries
  load-generator run --scenario seats --audit     64 clients fight for 2,000 seats; was any sold twice?
  load-generator bench append                     the append path against plain INSERTs and another store's SQL
  load-generator --rate 300 --primary 'host=db1 user=app dbname=library sslmode=disable' \\
                 --replica 'host=db2 user=app dbname=library sslmode=disable' --json result.json

Exit status: 0 the run was carried out (read the report for how it went), 1 it could not be, 2 usage, 3 a
threshold was passed, 4 an audit found a broken promise.";

#[derive(Debug, Subcommand)]
enum Subcommands {
    /// Run a scenario at a rate, and report (what bare flags mean too)
    Run(Box<RunArgs>),
    /// Compare the store with other ways to do the same, interleaved on the same servers
    Bench(BenchArgs),
    /// Inject faults under load, on servers of its own, and audit what the store said meanwhile
    ///
    /// Clients decide, append and read; servers are killed and stopped, connections cut, answers dropped, one after the
    /// other. At the end the primary crashes once more, and every operation is checked against the log: nothing
    /// acknowledged is lost, doubled or out of order, no condition is broken, every read is a prefix.
    #[command(after_help = "\
Example:
  load-generator chaos --faults kill=5,power=5,ackdrop=50,cut,stop --duration 60s

Exit status: 0 every promise was kept, 1 the run could not be carried out (a store that does not come back is one), 2 usage,
3 appends took longer than --recover-within to come back, 4 a promise was broken.")]
    Chaos(ChaosArgs),
    /// Find the highest rate that holds given limits
    Capacity(CapacityArgs),
    /// Offer more than the store can do: a task for each request, against workers with a bounded queue
    Overload(OverloadArgs),
    /// Compare two results, and fail if the second is worse
    Compare(CompareArgs),
    /// Join the HDR logs of several generators, exactly
    Merge(MergeArgs),
    /// Measure and audit what subscriptions and consumer groups hand over, each against its baseline
    Deliver(DeliverArgs),
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

/// What was asked for.
#[derive(Debug)]
pub(crate) enum Command {
    Run(Box<Plan>),
    Explain(Box<Plan>),
    Capacity(Box<CapacityPlan>),
    Overload(Box<OverloadPlan>),
    Compare(ComparePlan),
    Merge(MergePlan),
    Seats(SeatsPlan),
    SeatsPart(PartPlan),
    Chaos(ChaosPlan),
    ChaosPart(ChaosPartPlan),
    Bench(BenchPlan),
    BenchPart(BenchPartPlan),
    Claim(ClaimPlan),
    Subscribe(SubscribePlan),
    Crashes(CrashPlan),
    CrashPart(CrashPartPlan),
    Live(LivePlan),
    Count(CountPlan),
    CountPart(Common),
    Dispatch(DispatchPlan),
    DispatchPart { profile: String, backlog: u64, common: Common },
    View(ViewPlan),
    HotStream(HotStreamPlan),
}

/// Reads the command line; prints usage and ends the process if it can not be understood.
pub(crate) fn parse() -> Command {
    resolve(&Cli::command().get_matches()).unwrap_or_else(|refused| refused.exit())
}

fn resolve(typed: &ArgMatches) -> Result<Command, clap::Error> {
    let cli = Cli::from_arg_matches(typed)?;
    let typed_after_name = typed.subcommand().map_or(typed, |(_, typed)| typed);
    match cli.command {
        Some(Subcommands::Run(args)) => args.into_command(typed_after_name),
        Some(Subcommands::Bench(args)) => args.into_command(typed_after_name),
        Some(Subcommands::Chaos(args)) => args.into_command(typed_after_name),
        Some(Subcommands::Capacity(args)) => Ok(Command::Capacity(Box::new(args.into()))),
        Some(Subcommands::Overload(args)) => Ok(Command::Overload(Box::new(args.into()))),
        Some(Subcommands::Compare(args)) => Ok(args.into()),
        Some(Subcommands::Merge(args)) => Ok(args.into()),
        Some(Subcommands::Deliver(args)) => Ok(args.into()),
        None => cli.run.into_command(typed),
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

/// A share, typed as percent.
fn percent(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok());
    match number {
        Some(percent) if percent.is_finite() && percent > 0.0 => Ok(percent / 100.0),
        _ => Err("expected a number with %, more than 0, such as 10%".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve_line(line: &str) -> Result<Command, clap::Error> {
        resolve(&Cli::command().try_get_matches_from(line.split(' '))?)
    }

    #[test]
    fn bare_flags_mean_run() {
        // As they are printed, which is all that can be compared of them.
        let bare = resolve_line("load-generator --rate 7 --duration 2s").unwrap();
        let named = resolve_line("load-generator run --rate 7 --duration 2s").unwrap();
        assert!(matches!(bare, Command::Run(_)));
        assert_eq!(format!("{bare:?}"), format!("{named:?}"));
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        for (flags, said) in [
            ("--seats 5", "--seats is for --scenario seats"),
            ("--rate 5 --ramp 1..2/5s", "cannot be used with"),
            ("--clients 5 --queue 7", "cannot be used with"),
            ("--steps 1,2/5s --duration 9s", "cannot be used with"),
            ("--ramp 1..2/50s --duration 9s", "longer than --duration"),
            ("--spike 9@50s/5s --duration 9s", "after --duration"),
            ("--node 1/2 --repeats 3", "not with --node"),
            ("--replay /no/such/file", "/no/such/file"),
            ("--task-per-request --engine cte", "not with this engine"),
            ("--scenario seats --rate 300", "--rate is for --scenario library"),
            ("--scenario seats --clients 3 --processes 4", "more than there are --clients"),
            ("--engine cte --workers 300", "at most 250"),
        ] {
            for run in ["", "run "] {
                let refused = resolve_line(&format!("load-generator {run}{flags}")).unwrap_err().to_string();
                assert!(refused.contains(said), "{flags}: {refused}");
            }
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
            "--slo p99",
            "--node 3/2",
            "--node 0/2",
            "--speed 2",
            "--metrics here",
            "--start-at tomorrow",
            "--repeats 0",
            "--read-ratio 1.5",
            "--opening-hours always",
            "--zipf -1",
            "compare",
            "compare a.json",
            "merge",
            "--scenario chess",
            "--json",
            "--engine postgres",
            "--seats 0",
            "--clients 0",
            "--processes 0",
            "--part 0-4",
            "chaos --faults earthquake",
            "chaos --faults kill,kill=2",
            "chaos --clients 0",
            "chaos --primary host=db",
            "chaos --setting fsync",
            "chaos --setting f-sync=off",
            "bench",
            "bench append --clients 0",
            "bench append --clients 1,many",
            "bench append --engines mysql",
            "bench append --rounds 0",
            "bench scale --preload 5",
            "bench import --engines cte",
            "bench query --picture x.svg",
            "bench catch-up --clients 3",
            "deliver",
            "deliver group-claim --nodes 0",
            "deliver group-claim --items none",
            "deliver subscribe --fallback 0s",
            "deliver crashes --part group",
            "deliver live --rate 0",
            "deliver hot-stream --ramp 50",
            "deliver hot-stream --ramp 50=12s,20=5s",
            "deliver hot-stream --opinions 0",
            "deliver hot-stream --window 1ms",
        ] {
            assert!(resolve_line(&format!("load-generator {flags}")).is_err(), "{flags}");
        }
    }
}
