//! The command line, as typed.

mod bench;
mod capacity;
mod chaos;
mod compare;
mod deliver;
mod examples;
mod exporter;
mod library;
mod load;
mod merge;
mod output;
mod run;
mod seats;
mod servers;
mod settings;
mod shape;
mod tls;
mod values;

use clap::error::ErrorKind;
use clap::{ArgMatches, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::bench::{BenchPlan, PartPlan as BenchPartPlan};
use crate::capacity::CapacityPlan;
use crate::chaos::{ChaosPlan, PartPlan as ChaosPartPlan};
use crate::cli::bench::BenchArgs;
use crate::cli::capacity::{CapacityArgs, OverloadArgs};
use crate::cli::chaos::ChaosArgs;
use crate::cli::compare::CompareArgs;
use crate::cli::deliver::DeliverArgs;
use crate::cli::examples::{LONG, RUN_LONG, RUN_SHORT, SHORT, SOAK};
use crate::cli::exporter::ExporterArgs;
use crate::cli::merge::MergeArgs;
use crate::cli::run::RunArgs;
use crate::cli::servers::ServerArgs;
use crate::cli::settings::SettingsArgs;
use crate::cli::values::{LONGEST, duration, percent, positive_duration};
use crate::compare::ComparePlan;
use crate::deliver::{
    ClaimPlan, Common, CountPlan, CrashPlan, DispatchPlan, HotStreamPlan, LivePlan,
    PartPlan as CrashPartPlan, SubscribePlan, ViewPlan,
};
use crate::exporter::ExporterPlan;
use crate::merge::MergePlan;
use crate::overload::OverloadPlan;
use crate::plan::Plan;
use crate::seats::{PartPlan, SeatsPlan};
use crate::settings::SettingsPlan;

/// Open-loop load for the event store: a fixed worker pool, a bounded queue, and backpressure that is counted.
///
/// Flags without a command are those of `run`: `load-generator --rate 300` is `load-generator run --rate 300`.
///
/// A request is due when its schedule says (at a constant rate request number i at start + i/rate), whether or not earlier
/// ones have been answered. Its latency counts from then, that of time-outs and errors too: a system that stalls can not hide
/// it (no coordinated omission).
///
/// Without --primary it starts a PostgreSQL primary and a streaming replica of its own, with fsync on, and removes them at
/// the end. For that it takes the PostgreSQL of this machine, 15 or later; EVENTSTORE_PG_BIN names the folder of another one.
#[derive(Debug, Parser)]
#[command(name = "load-generator", version, args_conflicts_with_subcommands = true, after_help = SHORT, after_long_help = LONG)]
struct Cli {
    #[command(subcommand)]
    command: Option<Subcommands>,
    #[command(flatten)]
    run: Box<RunArgs>,
}

#[derive(Debug, Subcommand)]
enum Subcommands {
    /// Offer a load, and report; flags without a command mean this too
    #[command(after_help = RUN_SHORT, after_long_help = RUN_LONG)]
    Run(Box<RunArgs>),
    /// Offer a load for long, and judge how steady it was
    ///
    /// As `run` at a constant rate, for half an hour unless --duration says otherwise. It holds if it ran to its end; nothing failed and
    /// nothing was rejected; all servers answered; p99 of the last five minutes is at most 1.5 times that of the five from the first
    /// checkpoint on (of less than 20 minutes, a quarter each); each second with a wait over 100 ms has something beside it that it
    /// may come from (the begin or end of a checkpoint or of autovacuum, a slow flush of the disk, a processor that was away);
    /// replicas are less than 10 ms behind 99 % of the time; and 99 % of the blocks are found in the servers' memory
    #[command(after_help = SOAK)]
    Soak(Box<RunArgs>),
    /// Find the highest rate that holds limits
    ///
    /// Rates are doubled until one breaks the limits, then the middle is tried until the highest that held and the lowest that
    /// broke are within --precision. A rate counts as broken when it broke twice. What was found is confirmed by longer runs,
    /// most of which must hold; if they do not, the rate goes a step down.
    ///
    /// Several engines take turns, so that whatever else the machine does disturbs them alike. The servers should have
    /// nothing else to do. All progress is on standard error, a line for each try.
    Capacity(CapacityArgs),
    /// Offer more than the store can do: a task for each request, against workers with a bounded queue
    ///
    /// The same rate, --factor times the capacity, is offered in both ways, in turn, each by a process of its own. What is
    /// compared: requests answered, requests under way, memory, errors, time-outs and latency.
    ///
    /// The capacity is searched for first, as `capacity` does, which takes minutes; --capacity says it. The flags of the
    /// search have no effect then.
    Overload(OverloadArgs),
    /// Compare PostgreSQL's settings: its defaults, those of tuning/, and one or the other alone
    ///
    /// On a primary and a replica of its own. All variants begin with a copy of the same data, take turns, and are given the same:
    /// an open loop at --rate, then a closed loop of --clients, which shows how much fits through. The machine should have nothing
    /// else to do
    Settings(SettingsArgs),
    /// Compare the store with other ways to do the same, interleaved on the same servers
    ///
    /// In each round every engine does the same once, in turn; medians of the rounds are reported, and their ratios. The
    /// clients work in a closed loop. The servers should have nothing else to do.
    Bench(BenchArgs),
    /// Inject faults under load, on servers of its own, and audit what the store said meanwhile
    ///
    /// Clients decide, append and read; servers are killed and stopped, connections cut, answers dropped, one after the
    /// other. At the end the primary crashes once more, and every operation is checked against the log: nothing
    /// acknowledged is lost, doubled or out of order, no condition is broken, every read is a prefix.
    Chaos(ChaosArgs),
    /// Measure and audit what subscriptions and consumer groups hand over, each against its baseline
    Deliver(DeliverArgs),
    /// Serve PostgreSQL's own figures and those of the log to Prometheus
    ///
    /// The servers are asked at each scrape, all at once. Works on PostgreSQL 15 to 18
    Exporter(ExporterArgs),
    /// Compare two results of `run`, and fail if the second is worse
    Compare(CompareArgs),
    /// Join the HDR logs of several generators, exactly
    Merge(MergeArgs),
}

/// What was asked for.
#[derive(Debug)]
pub(crate) enum Command {
    Run(Box<Plan>),
    Explain(Box<Plan>),
    Capacity(Box<CapacityPlan>),
    Overload(Box<OverloadPlan>),
    Settings(Box<SettingsPlan>),
    Exporter(ExporterPlan),
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
    let typed = Cli::command().get_matches();
    tls::apply(&typed).and_then(|()| resolve(&typed)).unwrap_or_else(|refused| refused.exit())
}

fn resolve(typed: &ArgMatches) -> Result<Command, clap::Error> {
    let cli = Cli::from_arg_matches(typed)?;
    let typed_after_name = typed.subcommand().map_or(typed, |(_, typed)| typed);
    match cli.command {
        Some(Subcommands::Soak(args)) => args.into_soak(typed_after_name),
        Some(Subcommands::Run(args)) => args.into_command(typed_after_name),
        Some(Subcommands::Bench(args)) => args.into_command(typed_after_name),
        Some(Subcommands::Chaos(args)) => args.into_command(typed_after_name),
        Some(Subcommands::Capacity(args)) => args.into_command(),
        Some(Subcommands::Overload(args)) => args.into_command(),
        Some(Subcommands::Settings(args)) => args.into_command(),
        Some(Subcommands::Exporter(args)) => args.into_command(),
        Some(Subcommands::Compare(args)) => Ok(args.into()),
        Some(Subcommands::Merge(args)) => Ok(args.into()),
        Some(Subcommands::Deliver(args)) => Ok(args.into()),
        None => cli.run.into_command(typed),
    }
}

/// Refuses what was typed after the name of a command, with the usage of that one.
fn refuse_of<T>(command: &str, why: &str) -> Result<T, clap::Error> {
    let mut cli = Cli::command();
    cli.build();
    let command = cli.find_subcommand_mut(command).expect("its arguments were just read");
    Err(command.error(ErrorKind::ArgumentConflict, why))
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
            ("--node 2/3", "--node: needs --primary"),
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
    fn a_command_that_refuses_shows_its_own_usage() {
        for (line, usage) in [
            ("bench scale --preload 5", "load-generator bench"),
            ("chaos --primary host=db", "load-generator chaos"),
        ] {
            let refused = resolve_line(&format!("load-generator {line}")).unwrap_err().to_string();
            assert!(refused.contains(&format!("Usage: {usage}")), "{refused}");
        }
    }

    #[test]
    fn every_command_has_an_example_and_a_short_help() {
        fn check(command: &mut clap::Command) {
            let name = command.get_bin_name().unwrap_or("load-generator").to_owned();
            for help in [command.render_help(), command.render_long_help()] {
                let help = help.to_string();
                assert!(help.contains("Example"), "{name}: {help}");
                assert!(help.contains(&format!("\n  {name} ")), "no example begins with {name}: {help}");
            }
            for command in command.get_subcommands_mut().filter(|command| command.get_name() != "help") {
                check(command);
            }
        }
        let mut cli = Cli::command();
        cli.build();
        check(&mut cli);
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
            "exporter",
            "exporter --primary host=db --listen here",
            "exporter --primary host=db --timeout 0s",
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
