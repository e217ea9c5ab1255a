//! The arguments of `exporter`.

use std::iter;
use std::time::Duration;

use clap::Args;

use crate::cli::values::address;
use crate::cli::{Command, ServerArgs, positive_duration, refuse_of};
use crate::connection;
use crate::exporter::ExporterPlan;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  load-generator exporter --primary 'host=localhost user=monitor dbname=library' --schema library
  load-generator exporter --primary 'host=db1 user=monitor dbname=library' --tls-roots root.crt \\
      --replica 'host=db2 user=monitor dbname=library' --listen 0.0.0.0:9187 --password-file monitor

The first replica is shown as replica1.

A role with pg_monitor sees everything of the servers; for the log it needs USAGE on the schema and SELECT on its tables. With \
fewer rights there are fewer figures.

Why a server does not answer is said on standard error when that begins, and that it answers again.

Exit status: 0 it was told to end, 1 it could not listen, 2 usage, 130 ended by a second Ctrl-C.")]
pub(super) struct ExporterArgs {
    #[command(flatten)]
    servers: ServerArgs,
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

impl ExporterArgs {
    pub(super) fn into_command(self) -> Result<Command, clap::Error> {
        let Self { servers, schema, listen, timeout } = self;
        let Some(primary) = servers.primary else {
            return refuse_of(
                "exporter",
                "--primary: it has no servers of its own, expected a connection string",
            );
        };
        for (flag, server) in
            iter::once(("--primary", &primary)).chain(servers.replica.iter().map(|dsn| ("--replica", dsn)))
        {
            if let Err(why) = connection::check(server) {
                return refuse_of("exporter", &format!("{flag}: {why}"));
            }
        }
        Ok(Command::Exporter(ExporterPlan { primary, replicas: servers.replica, schema, listen, timeout }))
    }
}
