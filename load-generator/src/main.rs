//! `load-generator`: open-loop load for the event store.
//!
//! ```text
//! cli ─▶ plan ─▶ schedule ──try_send──▶ queue ──▶ workers ─▶ scenario ─▶ engine ─▶ eventstore
//!                   │ full: rejected                │
//!                   └────────────▶ tally ◀──────────┘ ─▶ report, progress, /metrics
//! ```
//!
//! The schedule runs on a thread of its own and never waits for the system under load: request i is due at
//! start + i/rate, and its latency counts from then. A fixed number of workers serve a bounded queue; where the
//! queue is full a request is rejected at once. Nothing is spawned per request.

mod cli;
mod engine;
mod environment;
mod histogram;
mod metrics;
mod plan;
mod preload;
mod progress;
mod queue;
mod report;
mod run;
mod scenario;
mod schedule;
mod servers;
mod tally;
mod workers;

use std::process::ExitCode;

use tracing_subscriber::EnvFilter;

/// The run could not be carried out. (Usage errors have 2, by clap.)
const FAILED: u8 = 1;

fn main() -> ExitCode {
    let plan = cli::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("starting the runtime: {error}")),
    };
    match runtime.block_on(run::run(plan)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error.to_string()),
    }
}

fn fail(message: &str) -> ExitCode {
    eprintln!("load-generator: {message}");
    ExitCode::from(FAILED)
}
