//! The arguments of `exporter`.

use std::time::Duration;

use clap::Args;

use crate::cli::values::address;
use crate::cli::{Command, positive_duration};
use crate::exporter::ExporterPlan;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  load-generator exporter --primary 'host=db1 user=monitor dbname=library sslmode=disable' --schema library
  load-generator exporter --primary 'host=db1 user=monitor dbname=library sslmode=disable' \\
      --replica 'host=db2 user=monitor dbname=library sslmode=disable' --listen 0.0.0.0:9187

A role with pg_monitor sees everything of the servers; for the log it needs USAGE on the schema and SELECT on its tables. With \
fewer rights there are fewer figures.

Exit status: 0 it was told to end, 1 it could not listen, 2 usage, 130 ended by a second Ctrl-C.")]
pub(super) struct ExporterArgs {
    /// Connection string of the primary
    #[arg(long, value_name = "DSN", env = "EVENTSTORE_PRIMARY", hide_env_values = true)]
    primary: String,
    /// Connection string of a replica; may be given several times
    ///
    /// The first is shown as replica1. The environment variable names one
    #[arg(long, value_name = "DSN", env = "EVENTSTORE_REPLICA", hide_env_values = true)]
    replica: Vec<String>,
    /// PostgreSQL schema of the log
    #[arg(long, default_value = "library")]
    schema: String,
    /// Serve /metrics and /health at this address
    ///
    /// PORT alone is on 127.0.0.1; 0.0.0.0:9187 is open to other machines, port 0 is any that is free
    #[arg(long, default_value = "127.0.0.1:9187", value_name = "[HOST:]PORT", value_parser = address)]
    listen: String,
    /// How long a server may take to answer a scrape
    ///
    /// Less than Prometheus waits (its scrape_timeout)
    #[arg(long, default_value = "2s", value_name = "TIME", value_parser = positive_duration)]
    timeout: Duration,
}

impl From<ExporterArgs> for Command {
    fn from(args: ExporterArgs) -> Self {
        let ExporterArgs { primary, replica: replicas, schema, listen, timeout } = args;
        Self::Exporter(ExporterPlan { primary, replicas, schema, listen, timeout })
    }
}
