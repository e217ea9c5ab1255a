//! The arguments of `bench`.

use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, CommandFactory as _};

use crate::bench::{BenchName, BenchPlan, PartPlan};
use crate::cli::{Cli, Command, ServerArgs, positive_duration};
use crate::engine::EngineName;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  load-generator bench append --clients 1,8,50,200 --json append.json
  load-generator bench append --clients 1,2,4,8,16,32,64,128 --picture appends.svg
  load-generator bench query --engines eventstore,gin
  load-generator bench contended --engines eventstore,replica-reads
  load-generator bench all --rounds 3

Engines: `insert` does no more than write the same rows (one autocommit statement an append, one connection a client, a
sequence, no condition, no lock); `cte` checks and inserts in one statement over GIN indexes, with the settings under which its
plans are best, and is not safe where two do it at once; `gin` reads the same tables with plans as the planner chooses them;
`inline` is the store with an inline projection, `replica-reads` is the store with its decisions made on what a replica has; `serializable` is `cte` at that level, `lock` after a lock of its own; `copy` is COPY of the same rows. The servers
should have nothing else to do.")]
pub(super) struct BenchArgs {
    /// What to measure
    #[arg(value_enum)]
    bench: BenchName,
    /// Numbers of clients, each with one operation under way at a time; each benchmark has its own
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=250))]
    clients: Vec<u32>,
    /// What to compare; each benchmark has its own
    #[arg(long, value_delimiter = ',', value_enum)]
    engines: Vec<EngineName>,
    /// How often everything is measured; medians are reported
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// How long one measurement takes
    #[arg(long, default_value = "4s", value_parser = positive_duration)]
    duration: Duration,
    /// How many events each log has before; schemas whose names begin with bench_ are made anew
    #[arg(long, default_value_t = 300_000, value_name = "EVENTS", value_parser = clap::value_parser!(u64).range(..=1_000_000_000))]
    preload: u64,
    #[command(flatten)]
    servers: ServerArgs,
    /// Write the result as JSON to this file; - for standard output
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Draw rates against numbers of clients into this file, as SVG; for append, contended and decide
    #[arg(long, value_name = "FILE")]
    picture: Option<PathBuf>,
    /// Be one of several processes
    #[arg(long, hide = true, requires = "primary")]
    part: bool,
}

impl BenchArgs {
    /// `typed` is where it was read from.
    pub(super) fn into_command(self, typed: &ArgMatches) -> Result<Command, clap::Error> {
        let clients: Vec<usize> = self.clients.iter().map(|clients| *clients as usize).collect();
        if let (true, Some(primary)) = (self.part, &self.servers.primary) {
            let (clients, primary) = (clients.first().copied().unwrap_or(1), primary.clone());
            return Ok(Command::BenchPart(PartPlan { clients, duration: self.duration, primary }));
        }
        let is_typed = |flag: &str| typed.value_source(flag) == Some(ValueSource::CommandLine);
        let refused = ["clients", "engines", "preload", "picture"]
            .into_iter()
            .find(|flag| is_typed(flag) && !self.bench.takes(flag));
        if let Some(flag) = refused {
            let why = match flag {
                "picture" => "--picture: drawn of append, contended and decide only".to_owned(),
                _ => format!("--{flag}: the benchmark {} has its own", self.bench.as_str()),
            };
            return Err(Cli::command().error(ErrorKind::ArgumentConflict, why));
        }
        Ok(Command::Bench(BenchPlan {
            bench: self.bench,
            clients,
            engines: self.engines,
            rounds: self.rounds as usize,
            duration: self.duration,
            preload: self.preload,
            primary: self.servers.primary,
            replicas: self.servers.replica,
            json: self.json,
            picture: self.picture,
        }))
    }
}
