//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::Failure;
use crate::consumer_args::{GroupsCommand, ProcessesCommand, ProjectionsCommand, SubscriptionsCommand};
use crate::doctor::DoctorArgs;
use crate::filter::FilterArgs;
use crate::roles::RolesCommand;
use crate::tls_args::TlsArgs;
use crate::tune::TuneArgs;

/// Administers a log of events on PostgreSQL: creates it, looks into it, moves events, declares indexes, grants privileges, looks after
/// subscriptions, consumer groups, projections and process managers; says what servers are to be set to, and what is wrong with them.
#[derive(Debug, Parser)]
#[command(
    name = "eventstore",
    version,
    after_help = "\
Examples:
  export EVENTSTORE_PRIMARY='host=localhost user=postgres dbname=postgres' EVENTSTORE_SCHEMA=library
  eventstore migrate up
  eventstore query --type BookCopyLentToReader --any BookID=7 --any ReaderID=ada --limit 10 --backwards
  eventstore tail --follow
  eventstore groups parked list mailers
  eventstore head --primary 'host=db1.example user=app dbname=library channel_binding=require' --tls-roots root.crt

Exit status: 0 done, 1 failed, 2 usage, 3 refused as it stands (a bad filter, a schema that was never migrated),
4 not now (the server is not available, somebody holds what is to be reset), 5 not found, 10 and 11 what doctor
found (warnings, errors), 130 interrupted."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) log: LogArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Which log.
#[derive(Debug, Args)]
pub(crate) struct LogArgs {
    /// Connection string of the primary. A server on another machine needs --tls-roots, or sslmode=disable
    #[arg(long, value_name = "DSN", global = true, env = "EVENTSTORE_PRIMARY", hide_env_values = true)]
    primary: Option<String>,
    /// Connection string of a replica, which `query`, `export` and `tail --follow` then read, and `doctor` looks at; may be given several times
    #[arg(long, value_name = "DSN", global = true, env = "EVENTSTORE_REPLICA", hide_env_values = true)]
    replica: Vec<String>,
    /// File whose first line is the password of every connection string that has none
    #[arg(long, value_name = "FILE", global = true, env = "EVENTSTORE_PASSWORD_FILE")]
    password_file: Option<PathBuf>,
    /// For a pooler that lends sessions for a transaction at a time and knows no prepared statements
    #[arg(long, global = true)]
    pub(crate) unprepared: bool,
    /// PostgreSQL schema that holds the log
    #[arg(long, global = true, env = "EVENTSTORE_SCHEMA", default_value = "eventstore")]
    pub(crate) schema: String,
    #[command(flatten)]
    pub(crate) tls: TlsArgs,
}

impl LogArgs {
    /// Connection string of the primary, complete with the password that is in a file, if one was named. Only who connects reads it.
    pub(crate) fn primary(&self) -> Result<String, Failure> {
        let missing =
            || Failure::Usage("which log? --primary or EVENTSTORE_PRIMARY names its server".to_owned());
        self.complete(self.primary.as_deref().ok_or_else(missing)?)
    }

    /// The same of each replica.
    pub(crate) fn replicas(&self) -> Result<Vec<String>, Failure> {
        self.replica.iter().map(|replica| self.complete(replica)).collect()
    }

    fn complete(&self, server: &str) -> Result<String, Failure> {
        match &self.password_file {
            Some(file) => Ok(eventstore::with_password_file(server, file)?),
            None => Ok(server.to_owned()),
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create the log, or bring it to the version of this program
    #[command(subcommand)]
    Migrate(MigrateCommand),
    /// Print the position of the newest event
    #[command(after_help = "Example:\n  eventstore head          prints 4711")]
    Head,
    /// Print the events that match a filter, one a line, as JSON
    #[command(after_help = "\
Examples:
  eventstore query --type A --type B --any BookID=7
  eventstore query --all customer.id=42 --all open=true --limit 20 --backwards
Values are integers or booleans where they look like one; \"7\" in quotes is a string.")]
    Query(QueryArgs),
    /// Print the newest events that match a filter, and with --follow whatever comes
    #[command(after_help = "Example:\n  eventstore tail --follow --type BookCopyLentToReader")]
    Tail(TailArgs),
    /// Print one event, by its position or id
    #[command(
        after_help = "Examples:\n  eventstore show 4711\n  eventstore show 0190a5e2-1d2c-7e3a-b7a1-0242ac120002"
    )]
    Show {
        /// A position, or an event's id
        #[arg(value_name = "POSITION|ID")]
        event: String,
    },
    /// Print how large the log is, and what is in it
    #[command(after_help = "Example:\n  eventstore stats")]
    Stats,
    /// Write events as lines of JSON, in position order
    #[command(after_help = "\
Examples:
  eventstore export --file library.ndjson
  eventstore export --after 4711 | gzip > rest.ndjson.gz      goes on after a position")]
    Export(ExportArgs),
    /// Append the events of an export, with their ids and in their order; those that are there already are left alone
    #[command(after_help = "Example:\n  eventstore --schema copy import --file library.ndjson")]
    Import {
        /// The file to read; standard input unless given
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// List, declare and drop the payload paths that filters may use
    #[command(subcommand)]
    Index(IndexCommand),
    /// List, reset and delete the checkpoints of subscriptions
    #[command(subcommand)]
    Subscriptions(SubscriptionsCommand),
    /// List, reset and delete consumer groups, and what they have parked
    #[command(subcommand)]
    Groups(GroupsCommand),
    /// List, rebuild, pause, resume and delete projections
    #[command(subcommand)]
    Projections(ProjectionsCommand),
    /// List what process managers have to do; replay and drop what they have parked
    #[command(subcommand)]
    Processes(ProcessesCommand),
    /// Grant, revoke and list what roles of the server may do on the log
    #[command(subcommand)]
    Roles(RolesCommand),
    /// Print what a server is to be set to, each line with its reason; connects to nothing
    #[command(after_help = "\
Examples:
  eventstore tune --memory 16GB --cpus 8 > primary.conf
  eventstore tune --server replica --memory 64GB --cpus 16 --postgresql 18
  eventstore tune --server tables --schema library | psql -v ON_ERROR_STOP=1
Add the file to a server's settings with include_if_exists, or as its config_file. docs/tuning.md says how each figure is found.")]
    Tune(TuneArgs),
    /// Look at live servers, and say what is wrong with them, why, and what mends it; changes nothing
    #[command(after_help = "\
Examples:
  eventstore doctor --primary 'host=localhost user=postgres dbname=postgres' --schema library
  eventstore doctor --replica 'host=replica1 user=monitor dbname=library' --memory 16GB --cpus 8
  eventstore doctor --json | jq '.findings[] | select(.severity == \"error\")'
The role needs pg_monitor to see everything; what it may not see is said.

Exit status, the worst first: 11 errors, 10 warnings, 1 a server could not be looked at (the others are told all the same), 0 content (notes at most).")]
    Doctor(DoctorArgs),
}

#[derive(Debug, Subcommand)]
pub(crate) enum MigrateCommand {
    /// Apply what is missing; many may do so at once
    #[command(
        after_help = "Example:\n  eventstore --schema library migrate up --index BookID --index ReaderID"
    )]
    Up {
        /// Give a new log keys for these payload paths only, instead of all top-level fields
        #[arg(long, value_name = "PATH")]
        index: Vec<String>,
    },
    /// Print which migrations the log has, and which it lacks
    #[command(after_help = "Example:\n  eventstore migrate status")]
    Status,
    /// Print everything that `up` would do to a new schema, as a script for psql; connects to nothing
    #[command(after_help = "Example:\n  eventstore --schema library migrate print | psql -v ON_ERROR_STOP=1")]
    Print,
}

#[derive(Debug, Subcommand)]
pub(crate) enum IndexCommand {
    /// Print the paths that have keys, and how far those are that are being built or dropped
    #[command(after_help = "Example:\n  eventstore index list")]
    List,
    /// Give a path keys, beside running appends; run it again to go on if it was broken off
    #[command(after_help = "Example:\n  eventstore index add customer.id")]
    Add {
        /// Dots separate, a backslash escapes
        path: String,
        /// As fast as the server can, at the cost of everybody else
        #[arg(long)]
        full_speed: bool,
    },
    /// Drop a declared path and its keys, beside running appends
    #[command(after_help = "Example:\n  eventstore index drop customer.id")]
    Drop {
        /// As `index list` prints it
        path: String,
        /// As fast as the server can, at the cost of everybody else
        #[arg(long)]
        full_speed: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct QueryArgs {
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    /// Only events after this position (exclusive)
    #[arg(long, value_name = "POSITION")]
    pub(crate) after: Option<u64>,
    /// Only events up to this position (inclusive)
    #[arg(long, value_name = "POSITION")]
    pub(crate) until: Option<u64>,
    /// At most so many
    #[arg(long, value_name = "EVENTS", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) limit: Option<u64>,
    /// The newest first
    #[arg(long)]
    pub(crate) backwards: bool,
    /// Read the whole log where a path has no keys
    #[arg(long)]
    pub(crate) allow_scan: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TailArgs {
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    /// How many events to begin with
    #[arg(long, default_value_t = 10, value_name = "EVENTS")]
    pub(crate) lines: u64,
    /// Go on until interrupted
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// How often to look for new events where nobody tells of them, such as behind a pooler
    #[arg(long, default_value = "200", value_name = "MILLISECONDS", value_parser = milliseconds)]
    pub(crate) interval: Duration,
}

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    pub(crate) filter: FilterArgs,
    /// Only events after this position (exclusive). With --file, goes on with an export that was broken off and ends with it
    #[arg(long, value_name = "POSITION", default_value_t = 0)]
    pub(crate) after: u64,
    /// The file to write; standard output unless given
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
}

fn milliseconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(ms @ 1..=3_600_000) => Ok(Duration::from_millis(ms)),
        _ => Err("expected from 1 to 3600000 milliseconds".to_owned()),
    }
}
