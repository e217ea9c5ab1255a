//! The arguments of `run`, for all scenarios.

use std::time::{Duration, SystemTime};

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, CommandFactory as _};

use crate::cli::library::LibraryArgs;
use crate::cli::load::LoadArgs;
use crate::cli::output::OutputArgs;
use crate::cli::seats::SeatsArgs;
use crate::cli::values::address;
use crate::cli::{Cli, Command, ServerArgs, refuse_of};
use crate::engine::EngineName;
use crate::plan::{Node, Plan, Pool, ScenarioName};
use crate::servers::ServerSettings;
use crate::slo::Slo;

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    load: LoadArgs,
    /// What to do
    ///
    /// seats takes --seats, --processes, --clients, --engine, --audit, --primary, --replica and --json; other flags are refused
    #[arg(long, value_enum, default_value_t = ScenarioName::Library, help_heading = "Scenario")]
    scenario: ScenarioName,
    #[command(flatten)]
    library: LibraryArgs,
    #[command(flatten)]
    seats: SeatsArgs,
    /// Through what is written and read
    ///
    /// Each engine has its log in a schema of its own: --schema and the engine's name, but for eventstore; that of seats is made
    /// anew. Engines with a connection for each worker (insert, cte, gin, serializable, lock, lock-inside) take 250 workers at
    /// most. Only the store's own engines read from replicas
    #[arg(long, value_enum, default_value_t = EngineName::Eventstore, help_heading = "Servers")]
    engine: EngineName,
    #[command(flatten)]
    servers: ServerArgs,
    /// What servers of its own are set to: tuned (as tuning/ has it), defaults (as PostgreSQL comes), or a file
    ///
    /// The file has lines of postgresql.conf, for the primary and for the replica. What a pair on one machine needs comes after
    /// them, such as addresses and 300 connections
    #[arg(
        long,
        default_value = "tuned",
        value_name = "tuned|defaults|FILE",
        help_heading = "Servers",
        hide_short_help = true
    )]
    settings: ServerSettings,
    /// PostgreSQL schema of the log; created if it is not there
    #[arg(long, default_value = "library", help_heading = "Servers", hide_short_help = true)]
    schema: String,
    /// How many events the log has before the run: missing ones are written first
    ///
    /// And a few more if there would not be something to do for every worker. A log that is there already is read once, to
    /// know what can be lent; one that has more stays as it is
    #[arg(long, default_value_t = 100_000, value_name = "EVENTS", value_parser = clap::value_parser!(u64).range(..=1_000_000_000_000), help_heading = "Servers")]
    preload: u64,
    /// Limits that must hold, or the exit status is 3: 'p99<20ms,errors<0.1%,rejected<1%'
    ///
    /// Latencies: p50, p99, p99.9 or any other percentile, mean and max. service.p99 is without the wait for a worker,
    /// lend_book.p99 is of one operation (--explain names all). With a unit: 20ms.
    ///
    /// Shares of what was scheduled, in percent: errors (time-outs too), rejected, timeouts, late (offered over 1 ms after they were due),
    /// conflicts. And rate, completed requests a second: 'rate>290'.
    ///
    /// With <, <=, > or >=. What was not measured holds no limit. Limit errors and rejections too: requests that fail at once have
    /// short latencies, and rejected ones have none. Quote limits: shells take < and > for themselves
    #[arg(long, value_name = "LIMITS", help_heading = "Verdict")]
    slo: Option<Slo>,
    /// Check at the end that every promise was kept, or the exit status is 4
    ///
    /// What every client asks and is told is recorded, and compared with the log, which is read into memory for that. Nobody
    /// else may write to it meanwhile
    #[arg(long, help_heading = "Verdict")]
    audit: bool,
    /// How often the load is offered, each time after a warm-up
    ///
    /// The report has all of them together, and how far they lie apart. `compare` needs three or more of both results to tell
    /// a change from chance
    #[arg(long, default_value_t = 1, value_name = "TIMES", value_parser = clap::value_parser!(u32).range(1..=100), help_heading = "Verdict")]
    repeats: u32,
    /// Print what would be done, and end
    ///
    /// No server is asked and no result is opened: the number of requests, the mix of operations, the first five requests,
    /// and how many a second this machine could schedule
    #[arg(long, help_heading = "Output")]
    explain: bool,
    /// Plain lines instead of a live screen, as without a terminal
    #[arg(long, help_heading = "Output")]
    no_tui: bool,
    /// Serve Prometheus metrics while it runs, at this address: 9464
    ///
    /// Under /metrics, and /health and /ready of the store. PORT alone is on 127.0.0.1; 0.0.0.0:9464 is open to other machines
    #[arg(
        long,
        value_name = "[HOST:]PORT",
        value_parser = address,
        help_heading = "Output",
        hide_short_help = true
    )]
    metrics: Option<String>,
    #[command(flatten)]
    output: OutputArgs,
    /// Make only this share of the plan's requests, as 1/3
    ///
    /// Several machines make one load together. All need the same flags, --primary, the same --start-at, and clocks that agree;
    /// the first one writes the preload. `merge` joins their --hdr logs
    #[arg(
        long,
        value_name = "NTH/OF",
        default_value = "1/1",
        hide_default_value = true,
        help_heading = "Several machines"
    )]
    node: Node,
    /// When the warm-up begins, in UTC: 2026-11-22T10:00:00Z
    ///
    /// All must be ready by then: say a time that leaves room for the preload. Who is later than 0.1 s ends with status 1
    #[arg(long, value_name = "WHEN", value_parser = moment, help_heading = "Several machines")]
    start_at: Option<SystemTime>,
}

/// Flags that only one of the scenarios takes, by their names.
const OF_LIBRARY: &[&str] = &[
    "rate",
    "ramp",
    "steps",
    "spike",
    "burst",
    "arrivals",
    "replay",
    "speed",
    "record",
    "no_tui",
    "duration",
    "warmup",
    "workers",
    "queue",
    "timeout",
    "task_per_request",
    "seed",
    "schema",
    "settings",
    "preload",
    "metrics",
    "slo",
    "repeats",
    "books",
    "readers",
    "zipf",
    "failures",
    "opening_hours",
    "read_ratio",
    "node",
    "start_at",
    "explain",
    "html",
    "csv",
    "hdr",
];
const OF_SEATS: &[&str] = &["seats", "processes"];
/// Flags of `run` with which it could not be said what is steady.
const NOT_OF_SOAK: &[&str] = &[
    "scenario",
    "part",
    "history",
    "repeats",
    "ramp",
    "steps",
    "spike",
    "burst",
    "clients",
    "replay",
    "speed",
    "task_per_request",
];
/// Connections that a baseline may open: a worker has one.
pub(super) const MOST_SESSIONS: usize = 250;

impl RunArgs {
    /// `typed` is where it was read from.
    pub(super) fn into_command(self, typed: &ArgMatches) -> Result<Command, clap::Error> {
        let (others, of) = match self.scenario {
            ScenarioName::Library => (OF_SEATS, ScenarioName::Seats),
            ScenarioName::Seats => (OF_LIBRARY, ScenarioName::Library),
        };
        let is_typed = |flag: &&&str| typed.value_source(flag) == Some(ValueSource::CommandLine);
        if let Some(flag) = others.iter().find(is_typed) {
            return refuse(format!("--{} is for --scenario {}", flag.replace('_', "-"), of.as_str()));
        }
        match self.scenario {
            ScenarioName::Library => self.into_run(false),
            ScenarioName::Seats => self.into_seats(),
        }
    }

    /// The same over a longer time, and judged by how steady it was.
    pub(super) fn into_soak(mut self, typed: &ArgMatches) -> Result<Command, clap::Error> {
        let refuse = |why: &str| refuse_of("soak", why);
        let is_typed = |flag: &&&str| typed.value_source(flag) == Some(ValueSource::CommandLine);
        if let Some(flag) = OF_SEATS.iter().chain(NOT_OF_SOAK).find(is_typed) {
            let flag = flag.replace('_', "-");
            return refuse(&format!("--{flag}: a soak is one load of the library at a constant rate"));
        }
        if self.engine == EngineName::Null {
            return refuse("--engine null: expected an engine with servers, as it is they that are judged");
        }
        if self.load.lasts(SOAK) < SHORTEST_SOAK {
            return refuse(
                "--duration: expected 20s or more, so that an end can be compared with a beginning",
            );
        }
        self.into_run(true)
    }

    fn into_run(self, soak: bool) -> Result<Command, clap::Error> {
        let explain = self.explain;
        let load = self.load.resolve()?;
        match load.pool {
            Pool::Fixed { workers, .. } if self.engine.has_sessions() && workers > MOST_SESSIONS => {
                let why = format!(
                    "at most {MOST_SESSIONS} workers or clients with this engine, which has a connection for each"
                );
                return refuse(why);
            }
            Pool::TaskPerRequest if self.engine.has_sessions() => {
                return refuse(
                    "--task-per-request: not with this engine, which has a connection for each".to_owned(),
                );
            }
            Pool::Fixed { .. } | Pool::TaskPerRequest => {}
        }
        if self.node.of > 1 && self.repeats > 1 {
            return refuse(
                "--repeats: not with --node, as nodes can not begin each of them together".to_owned(),
            );
        }
        // Each would start servers of its own, and all but the first wait there for a preload that nobody writes.
        if self.node.of > 1 && self.servers.primary.is_none() && !explain && self.engine != EngineName::Null {
            return refuse("--node: needs --primary, as all nodes work on the same servers".to_owned());
        }
        if self.servers.primary.is_some() && self.settings != ServerSettings::default() {
            let why = "--settings: is for servers of its own, and --primary (or LOAD_GENERATOR_PRIMARY) names others";
            return refuse(why.to_owned());
        }
        let plan = Plan {
            timing: load.timing,
            arrivals: load.arrivals,
            warmup: load.warmup,
            repeats: self.repeats,
            pool: load.pool,
            timeout: load.timeout,
            library: self.library.into(),
            engine: self.engine,
            audit: self.audit,
            seed: load.seed,
            node: self.node,
            start_at: self.start_at,
            primary: self.servers.primary,
            replicas: self.servers.replica,
            settings: self.settings,
            schema: self.schema,
            preload: self.preload,
            metrics: self.metrics,
            slo: self.slo,
            soak,
            replay: load.replay,
            outputs: self.output.into(),
            no_tui: self.no_tui,
        };
        Ok(if explain { Command::Explain(Box::new(plan)) } else { Command::Run(Box::new(plan)) })
    }

    fn into_seats(self) -> Result<Command, clap::Error> {
        let Self { seats, load, engine, audit, servers, output, .. } = self;
        seats.into_command(load.clients, (engine, audit), servers, output.json)
    }
}

pub(super) fn refuse<T>(why: String) -> Result<T, clap::Error> {
    Err(Cli::command().error(ErrorKind::ArgumentConflict, why))
}

fn moment(text: &str) -> Result<SystemTime, String> {
    humantime::parse_rfc3339(text)
        .map_err(|error| format!("{error}; expected a day and a time in UTC, such as 2026-11-22T10:00:00Z"))
}

/// How long a soak takes where nothing says it.
const SOAK: Duration = Duration::from_secs(1_800);
const SHORTEST_SOAK: Duration = Duration::from_secs(20);

/// How long the load takes where nothing says it.
pub(super) const DURATION: Duration = Duration::from_secs(60);
