//! `load-generator`: open-loop load for the event store.
//!
//! ```text
//! cli ─▶ plan ─▶ shape ─▶ schedule ─▶ pacer ──try_send──▶ queue ──▶ workers ─▶ scenario ─▶ decider ─▶ engine
//!                                       │ full: rejected              │
//!                                       └──────────▶ tally ◀──────────┘
//!                                                      ▼
//!                        observer (servers) ─▶ collector ─▶ report (text, JSON, HTML, CSV), HDR log, live view, /metrics
//! ```
//!
//! The pacer is a thread of its own and never waits for the system under load: a request is due when its schedule says, and its
//! latency counts from then. A fixed number of workers serve a bounded queue; where the
//! queue is full a request is rejected at once. Nothing is spawned per request.
//!
//! `deliver` measures and audits what subscriptions and consumer groups hand over.
//!
//! `exporter` has PostgreSQL's own figures for Prometheus.
//!
//! `bench` compares the store with other ways to append, and `seats` has many clients fight for the same things. All go
//! through the trait `Engine`, and what an engine did can be checked (`audit`).

mod audit;
mod bench;
mod capacity;
mod chaos;
mod chart;
mod cli;
mod collector;
mod compare;
mod connection;
mod counts;
mod csv;
mod deliver;
mod descriptors;
mod engine;
mod environment;
mod error;
mod explain;
mod exporter;
mod figure;
mod flush;
mod foreseen;
mod hdr_log;
mod histogram;
mod html;
mod interrupt;
mod live;
mod load;
mod machine;
mod median;
mod memory;
mod merge;
mod metrics;
mod observe;
mod output;
mod overload;
mod own;
mod pacer;
mod password;
mod plan;
mod preload;
mod queue;
mod recorded;
mod report;
mod run;
mod scenario;
mod schedule;
mod seats;
mod servers;
mod settings;
mod shape;
mod slo;
mod soak;
mod source;
mod stage;
mod store_metrics;
mod subprocess;
mod tally;
mod verdict;
mod workers;

use std::process::ExitCode;

use tracing_subscriber::EnvFilter;

use crate::cli::Command;
use crate::verdict::Verdict;

/// The run could not be carried out. (Usage errors have 2, by clap.)
const FAILED: u8 = 1;

fn main() -> ExitCode {
    let command = cli::parse();
    // Where faults are injected, what is warned of is what is meant to happen.
    let level = if matches!(command, Command::Chaos(_) | Command::ChaosPart(_)) { "error" } else { "warn" };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let colours =
        std::io::IsTerminal::is_terminal(&std::io::stderr()) && std::env::var_os("NO_COLOR").is_none();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(colours)
        .with_writer(live::LogWriter)
        // That standard error was closed would be said there, which panics.
        .log_internal_errors(false)
        .init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("starting the runtime: {error}")),
    };
    let carried_out = runtime.block_on(async {
        match command {
            Command::Run(plan) => run::run(*plan).await,
            Command::Explain(plan) => explain::explain(&plan).map(|()| Verdict::Kept),
            Command::Capacity(plan) => capacity::run(*plan).await,
            Command::Settings(plan) => settings::run(*plan).await.map(|()| Verdict::Kept),
            Command::Overload(plan) => Box::pin(overload::run(*plan)).await,
            Command::Exporter(plan) => exporter::run(plan).await.map(|()| Verdict::Kept),
            Command::Compare(plan) => compare::run(&plan),
            Command::Merge(plan) => merge::run(&plan).map(|()| Verdict::Kept),
            Command::Seats(plan) => seats::run(plan).await,
            Command::SeatsPart(plan) => seats::part(plan).await.map(|()| Verdict::Kept),
            Command::Chaos(plan) => chaos::run(plan).await,
            Command::ChaosPart(plan) => chaos::part(plan).await.map(|()| Verdict::Kept),
            Command::Bench(plan) => bench::run(plan).await.map(|()| Verdict::Kept),
            Command::BenchPart(plan) => bench::part(plan).await.map(|()| Verdict::Kept),
            Command::Claim(plan) => deliver::claim(plan).await,
            Command::Subscribe(plan) => deliver::subscribe(plan).await,
            Command::Crashes(plan) => deliver::crashes(plan).await,
            Command::CrashPart(plan) => deliver::part(plan).await.map(|()| Verdict::Kept),
            Command::Live(plan) => deliver::live(plan).await.map(|()| Verdict::Kept),
            Command::Count(plan) => deliver::count(plan).await,
            Command::View(plan) => deliver::view(plan).await,
            Command::Dispatch(plan) => deliver::dispatch(plan).await,
            Command::DispatchPart { profile, backlog, common } => {
                deliver::dispatch_part(profile, backlog, common).await.map(|()| Verdict::Kept)
            }
            Command::HotStream(plan) => deliver::hot_stream(plan).await,
            Command::CountPart(common) => deliver::count_part(common).await.map(|()| Verdict::Kept),
        }
    });
    match carried_out {
        Ok(verdict) => ExitCode::from(verdict.exit_status()),
        Err(error) => fail(&error.to_string()),
    }
}

fn fail(message: &str) -> ExitCode {
    live::restore();
    live::say(&format!("load-generator: {message}"));
    ExitCode::from(FAILED)
}
