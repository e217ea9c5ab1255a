//! The arguments that say where a result goes.

use std::path::PathBuf;

use clap::Args;

use crate::output::OutputPlan;

/// All files are opened before the run: what can not be written is found out at once. What is in them stays until there is
/// something to take its place.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct OutputArgs {
    /// Write the result as JSON to this file, for compare and for scripts
    ///
    /// With - it goes to standard output, and people's text to standard error
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(super) json: Option<PathBuf>,
    /// Write a page to look at and to pass on: one file with its pictures
    ///
    /// It needs no network, and nothing beside it
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    html: Option<PathBuf>,
    /// Write each second of the run as a line of CSV
    ///
    /// What was due, done and rejected, latencies, the queue, replicas' lag
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    csv: Option<PathBuf>,
    /// Write each second's latencies to an HdrHistogram log (.hlog), for merge
    ///
    /// While the run goes on. `merge` adds up the logs of several generators exactly; HdrHistogram's own tools read them too
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    hdr: Option<PathBuf>,
    /// Write what is due when to this file, before the load, for --replay
    #[arg(long, value_name = "FILE", help_heading = "Output", hide_short_help = true)]
    record: Option<PathBuf>,
}

impl From<OutputArgs> for OutputPlan {
    fn from(args: OutputArgs) -> Self {
        let OutputArgs { json, html, csv, hdr, record } = args;
        Self { json, html, csv, hdr, record }
    }
}
