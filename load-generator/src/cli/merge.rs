//! The arguments of `merge`.

use std::path::PathBuf;

use clap::Args;

use crate::cli::Command;
use crate::merge::MergePlan;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  load-generator merge node1.hlog node2.hlog node3.hlog
  load-generator merge node*.hlog --hdr all.hlog --json all.json

Each generator writes its log with --hdr. Counts are added up, and not percentiles: what is reported is what one generator would \
have measured that had made all the requests. Logs that do not overlap in time get a warning: they were not parts of one run. \
The values in logs of other tools are taken as microseconds.

Exit status: 0 they were joined, 1 they could not be (a log is given twice, say), 2 usage.")]
pub(super) struct MergeArgs {
    /// HdrHistogram logs as --hdr wrote them, each once
    #[arg(required = true, value_name = "LOG")]
    logs: Vec<PathBuf>,
    /// Write one log for all of them to this file
    ///
    /// Intervals that began in the same second of the clock are added up
    #[arg(long, value_name = "FILE")]
    hdr: Option<PathBuf>,
    /// Write the result as JSON to this file; - for standard output
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

impl From<MergeArgs> for Command {
    fn from(args: MergeArgs) -> Self {
        let MergeArgs { logs, hdr, json } = args;
        Self::Merge(MergePlan { logs, hdr, json })
    }
}
