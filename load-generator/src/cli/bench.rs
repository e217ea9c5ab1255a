//! The arguments of `bench`.

use std::path::PathBuf;
use std::time::Duration;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args};

use crate::bench::{BenchName, BenchPlan, PartPlan};
use crate::cli::{Command, ServerArgs, positive_duration, refuse_of};
use crate::engine::EngineName;

#[derive(Debug, Args)]
#[command(
    after_help = "\
Examples:
  load-generator bench append --clients 1,8,50,200 --json append.json
  load-generator bench query --engines eventstore,gin
  load-generator bench all --rounds 3

`--help` says what the benchmarks and the engines are.",
    after_long_help = "\
Examples:
  load-generator bench append --clients 1,8,50,200 --json append.json
  load-generator bench append --clients 1,2,4,8,16,32,64,128 --picture appends.svg
  load-generator bench query --engines eventstore,gin
  load-generator bench contended --engines eventstore,replica-reads
  load-generator bench all --rounds 3

Not every benchmark takes every flag: append, decide, query and all take --clients, --engines and --preload; contended takes \
--clients and --engines; import, catch-up and processes take --preload; scale takes none of them.

Engines: `insert` writes the same rows by one autocommit statement an append, on a connection for each client. `cte` checks and \
inserts in one statement over GIN indexes, with the settings under which its plans are best, and is not safe where two do it at \
once. `copy`, of import and catch-up, is COPY of the same rows.

Exit status: 0 it was carried out, 1 it could not be (the audit of contended found a broken promise, say), 2 usage."
)]
pub(super) struct BenchArgs {
    /// What to measure
    #[arg(value_enum)]
    bench: BenchName,
    /// Numbers of clients, each with one operation under way at a time: 1,8,50 [default: the benchmark's]
    #[arg(long, value_delimiter = ',', value_name = "CLIENTS,…", value_parser = clap::value_parser!(u32).range(1..=250))]
    clients: Vec<u32>,
    /// What to compare [default: the benchmark's]
    #[arg(long, value_delimiter = ',', value_name = "ENGINE,…", value_enum)]
    engines: Vec<EngineName>,
    /// How often everything is measured; medians are reported
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// How long one measurement takes
    #[arg(long, default_value = "4s", value_name = "TIME", value_parser = positive_duration)]
    duration: Duration,
    /// How many events each log has before
    ///
    /// Schemas whose names begin with bench_ are dropped and made anew
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
            return refuse_of("bench", &why);
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
