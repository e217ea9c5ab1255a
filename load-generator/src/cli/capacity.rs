//! The arguments of `capacity` and `overload`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::capacity::CapacityPlan;
use crate::cli::library::LibraryArgs;
use crate::cli::{Command, ServerArgs, duration, percent, positive_duration, refuse_of};
use crate::engine::EngineName;
use crate::overload::OverloadPlan;
use crate::plan::{Arrivals, Plan, Pool, Rate};
use crate::slo::Slo;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  load-generator capacity
  load-generator capacity --slo 'p99<50ms,errors<0.1%,rejected<1%' --from 1000 --json capacity.json
  load-generator capacity --read-ratio 0.8 --precision 2% --confirm-for 60s
  load-generator capacity --engines eventstore,cte --picture capacity.svg

Exit status: 0 each engine holds the limits at some rate, 1 the search could not be carried out, 2 usage, 3 an engine holds them \
at no rate.")]
pub(super) struct CapacityArgs {
    #[command(flatten)]
    search: SearchArgs,
    /// What to search the capacity of: one or several, which take turns
    ///
    /// Each has a log of its own
    #[arg(
        long,
        value_delimiter = ',',
        value_enum,
        value_name = "ENGINE,…",
        default_value = "eventstore",
        help_heading = "Search"
    )]
    engines: Vec<EngineName>,
    #[command(flatten)]
    load: SearchedLoadArgs,
    /// How long a worker waits for one request, retries included
    #[arg(long, default_value = "1s", value_name = "TIME", value_parser = positive_duration, help_heading = "Load")]
    timeout: Duration,
    /// Write the result as JSON to this file; - for standard output
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    json: Option<PathBuf>,
    /// Draw latency against rate into this file, as SVG
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    picture: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  load-generator overload
  load-generator overload --capacity 5000 --json overload.json
  load-generator overload --capacity 5000 --factor 2 --duration 60s --timeout 1s

Exit status: 0 it was carried out, whatever came of it, 1 it could not be (no rate that holds --slo was found, say), 2 usage.")]
pub(super) struct OverloadArgs {
    /// Requests per second that the store can do; without it, they are searched for first
    #[arg(long, value_name = "PER_SECOND", help_heading = "Overload")]
    capacity: Option<Rate>,
    /// How many times the capacity is offered
    #[arg(long, default_value_t = 1.2, value_name = "TIMES", value_parser = factor, help_heading = "Overload")]
    factor: f64,
    /// How long it is offered, each time
    #[arg(long, default_value = "30s", value_name = "TIME", value_parser = positive_duration, help_heading = "Overload")]
    duration: Duration,
    /// How often both ways are measured; medians are reported
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=100), help_heading = "Overload")]
    rounds: u32,
    /// How long a request may take from when it was begun, in both ways and in the search
    #[arg(long, default_value = "5s", value_name = "TIME", value_parser = positive_duration, help_heading = "Overload")]
    timeout: Duration,
    #[command(flatten)]
    search: SearchArgs,
    #[command(flatten)]
    load: SearchedLoadArgs,
    /// Write the result as JSON to this file; - for standard output
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    json: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct SearchArgs {
    /// Limits that must hold; `run --help` says what there is
    ///
    /// Where they name neither rejected nor rate, rejected<1% is one of them: what is rejected at once has no latency and is no error
    #[arg(
        long,
        value_name = "LIMITS",
        default_value = "p99<20ms,errors<0.1%,rejected<1%",
        help_heading = "Search"
    )]
    slo: Slo,
    /// The rate that is tried first
    ///
    /// From there on rates are doubled, or halved if this one breaks
    #[arg(long, default_value = "500", value_name = "PER_SECOND", help_heading = "Search")]
    from: Rate,
    /// The highest rate that is tried
    #[arg(long, default_value = "200000", value_name = "PER_SECOND", help_heading = "Search")]
    most: Rate,
    /// How close the rate that held and the one that broke must come
    #[arg(long, default_value = "5%", value_name = "PERCENT%", value_parser = percent, help_heading = "Search")]
    precision: f64,
    /// How long a rate is tried, after --warmup
    #[arg(long, default_value = "8s", value_name = "TIME", value_parser = positive_duration, help_heading = "Search")]
    probe: Duration,
    /// How often the rate that was found is tried again; 0 for not at all
    ///
    /// Most of these runs must hold, or the next lower rate is confirmed
    #[arg(long, default_value_t = 3, value_name = "TIMES", value_parser = clap::value_parser!(u32).range(..=20), help_heading = "Search")]
    confirmations: u32,
    /// How long each confirmation takes, after --warmup
    ///
    /// Longer than --probe, so that checkpoints may fall into it
    #[arg(long, default_value = "20s", value_name = "TIME", value_parser = positive_duration, help_heading = "Search")]
    confirm_for: Duration,
}

/// What is offered at every rate.
#[derive(Debug, Args)]
struct SearchedLoadArgs {
    /// How requests follow each other
    #[arg(long, value_enum, default_value_t = Arrivals::Even, help_heading = "Load", hide_short_help = true)]
    arrivals: Arrivals,
    /// How long to run at each rate before measuring
    #[arg(long, default_value = "2s", value_name = "TIME", value_parser = duration, help_heading = "Load")]
    warmup: Duration,
    /// How many requests are under way at once, at most
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=250), help_heading = "Load")]
    workers: u32,
    /// Places in the queue before the workers; a request that finds it full is rejected
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000), help_heading = "Load")]
    queue: u32,
    /// Fixes the sequence of operations and of random choices
    #[arg(long, default_value_t = 1, help_heading = "Load", hide_short_help = true)]
    seed: u64,
    #[command(flatten)]
    library: LibraryArgs,
    #[command(flatten)]
    servers: ServerArgs,
    /// PostgreSQL schema of the log; created if it is not there
    #[arg(long, default_value = "library", help_heading = "Servers", hide_short_help = true)]
    schema: String,
    /// How many events the log has before the search: missing ones are written first
    #[arg(long, default_value_t = 100_000, value_name = "EVENTS", value_parser = clap::value_parser!(u64).range(..=1_000_000_000_000), help_heading = "Servers")]
    preload: u64,
}

impl SearchedLoadArgs {
    fn into_plan(self, timeout: Duration) -> Plan {
        Plan {
            arrivals: self.arrivals,
            warmup: self.warmup,
            pool: Pool::Fixed { workers: self.workers as usize, queue: self.queue as usize },
            timeout,
            seed: self.seed,
            primary: self.servers.primary,
            replicas: self.servers.replica,
            schema: self.schema,
            preload: self.preload,
            ..Plan::bare(self.library.into())
        }
    }
}

impl SearchArgs {
    fn check(&self, command: &str) -> Result<(), clap::Error> {
        if self.from.per_second() > self.most.per_second() {
            return refuse_of(
                command,
                &format!("--from is {}, more than --most, which is {}", self.from, self.most),
            );
        }
        Ok(())
    }

    fn into_plan(self, load: Plan, engines: Vec<EngineName>) -> CapacityPlan {
        CapacityPlan {
            load,
            slo: self.slo.with_rejections(),
            engines,
            from: self.from,
            most: self.most,
            precision: self.precision,
            probe: self.probe,
            confirmations: self.confirmations,
            confirm_for: self.confirm_for,
            json: None,
            picture: None,
        }
    }
}

impl CapacityArgs {
    pub(super) fn into_command(self) -> Result<Command, clap::Error> {
        self.search.check("capacity")?;
        let repeated = (1..self.engines.len()).find(|nth| self.engines[..*nth].contains(&self.engines[*nth]));
        if let Some(nth) = repeated {
            let name = self.engines[nth].as_str();
            return refuse_of("capacity", &format!("--engines: {name} twice, and they would share a log"));
        }
        if self.json.is_some() && self.json == self.picture {
            return refuse_of("capacity", "--picture: --json goes to the same file");
        }
        let load = self.load.into_plan(self.timeout);
        let search = self.search.into_plan(load, self.engines);
        Ok(Command::Capacity(Box::new(CapacityPlan { json: self.json, picture: self.picture, ..search })))
    }
}

impl OverloadArgs {
    pub(super) fn into_command(self) -> Result<Command, clap::Error> {
        self.search.check("overload")?;
        if self.load.servers.replica.len() > 1 {
            return refuse_of("overload", "--replica: one at most");
        }
        let rate = self.capacity.map(|capacity| capacity.per_second() * self.factor);
        if let Some(Err(why)) = rate.map(Rate::try_from) {
            return refuse_of("overload", &format!("--capacity times --factor: {why}"));
        }
        Ok(Command::Overload(Box::new(self.into())))
    }
}

impl From<OverloadArgs> for OverloadPlan {
    fn from(args: OverloadArgs) -> Self {
        let load = args.load.into_plan(args.timeout);
        Self {
            capacity: args.search.into_plan(load, vec![EngineName::Eventstore]),
            known: args.capacity,
            factor: args.factor,
            duration: args.duration,
            rounds: args.rounds,
            json: args.json,
        }
    }
}

fn factor(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(factor) if (0.1..=100.0).contains(&factor) => Ok(factor),
        _ => Err("expected a number from 0.1 to 100, such as 1.2".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::{Cli, resolve};

    #[test]
    fn what_is_mostly_rejected_is_no_capacity() {
        let limits = |line: &str| {
            let typed = Cli::command().try_get_matches_from(line.split(' ')).unwrap();
            match resolve(&typed).unwrap() {
                Command::Capacity(plan) => plan.slo.to_string(),
                Command::Overload(plan) => plan.capacity.slo.to_string(),
                other => panic!("expected a search, got {other:?}"),
            }
        };
        for command in ["capacity", "overload"] {
            let line = format!("load-generator {command} --slo p99<20ms,errors<0.1%");
            assert_eq!(limits(&line), "p99<20ms,errors<0.1%,rejected<1%");
        }
        assert_eq!(limits("load-generator capacity --slo p99<20ms,rejected<50%"), "p99<20ms,rejected<50%");
    }
}
