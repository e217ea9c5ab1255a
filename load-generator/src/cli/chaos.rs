//! The arguments of `chaos`.

use std::path::PathBuf;
use std::time::Duration;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args};

use crate::chaos::{ChaosPlan, Faults, PartPlan};
use crate::cli::{Command, positive_duration, refuse_of};

#[derive(Debug, Args)]
#[command(
    after_help = "\
Examples:
  load-generator chaos
  load-generator chaos --faults kill=5,power=5,ackdrop=50,cut,stop --duration 60s

`--help` says what the faults are.",
    after_long_help = "\
Examples:
  load-generator chaos
  load-generator chaos --faults kill=5,power=5,ackdrop=50,cut,stop --duration 60s
  load-generator chaos --faults failover=10 --duration 10m --json chaos.json
  load-generator chaos --faults power=5 --setting synchronous_commit=off    finds what was lost

Faults:
  kill           kill -9 of the primary, and a start
  power          the same, and its disk forgets all WAL that it was not told to flush
  process        kill -9 of a process whose clients use the store
  stop           SIGSTOP of the primary or the replica for up to 1.5 s
  cut            connections closed; stalled in one direction or both, and closed; or slow
  ackdrop        the answer to an append is lost after its Sync was handed on
  sessions       sessions of the primary terminated
  pause          the replica stops to replay
  replica        a replica is stopped, or its line goes dead, until the store passes it over
  failover       the primary dies with appends that no replica has, and a replica is promoted
  failover-sync  the same, where each commit waits for a replica
  switchover     of three nodes under Patroni another one becomes the primary in good order
  leader         the same, after the primary was killed with its Patroni
  full-data, full-wal, full for both: the disk is full

switchover and leader exclude all other faults, and need Patroni and etcd (make tools). power (by FUSE) and full need the right to \
mount; where disks are filled there is no replica.

Exit status: 0 every promise was kept, 1 the run could not be carried out (a store that does not come back is one), 2 usage, \
3 appends took longer than --recover-within to come back, 4 a promise was broken."
)]
pub(super) struct ChaosArgs {
    /// Which faults, each with how many of it: kill=50,cut
    ///
    /// Without a number as many as the time allows. What they are is said below
    #[arg(
        long,
        default_value = "kill,process,stop,cut,ackdrop,sessions,pause",
        value_name = "NAME[=COUNT],…"
    )]
    faults: Faults,
    /// How long, at most
    ///
    /// It ends earlier when all faults that have a number were injected and no others were asked for
    #[arg(long, default_value = "60s", value_name = "TIME", value_parser = positive_duration)]
    duration: Duration,
    /// Clients, each with one operation under way at a time
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    clients: u64,
    /// Fixes which faults come when, and what clients do
    ///
    /// What they meet depends on the run
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How long appends may take to come back after a fault, or the exit status is 3
    #[arg(long, default_value = "3s", value_name = "TIME", value_parser = positive_duration)]
    recover_within: Duration,
    /// A setting of the servers; may be given several times: synchronous_commit=off
    ///
    /// It may be one that breaks a promise: with synchronous_commit=off, --faults power loses what was acknowledged
    #[arg(long = "setting", value_name = "NAME=VALUE", value_parser = setting)]
    settings: Vec<(String, String)>,
    /// Write the result as JSON to this file; - for standard output
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// The number of a process of clients
    #[arg(long, hide = true, requires = "history", requires = "primary")]
    part: Option<u64>,
    /// Where it writes its history
    #[arg(long, hide = true, requires = "part")]
    history: Option<PathBuf>,
    /// Where it connects
    #[arg(long, hide = true, env = "LOAD_GENERATOR_PRIMARY", hide_env_values = true)]
    primary: Option<String>,
    #[arg(long, hide = true, env = "LOAD_GENERATOR_REPLICA", hide_env_values = true)]
    replica: Option<String>,
}

impl ChaosArgs {
    /// `typed` is where it was read from.
    pub(super) fn into_command(self, typed: &ArgMatches) -> Result<Command, clap::Error> {
        let is_typed = |flag: &&str| typed.value_source(flag) == Some(ValueSource::CommandLine);
        if ["primary", "replica"].iter().any(is_typed) {
            return refuse_of(
                "chaos",
                "--primary, --replica: faults are for servers of its own, never for others",
            );
        }
        if self.faults.are_of_patroni() && !self.settings.is_empty() {
            return refuse_of("chaos", "--setting: servers under Patroni have settings of their own");
        }
        let Self { faults, duration, clients, seed, recover_within, settings, json, .. } = self;
        Ok(match (self.part, self.history, self.primary) {
            (Some(number), Some(history), Some(primary)) => {
                Command::ChaosPart(PartPlan { number, seed, primary, replica: self.replica, history })
            }
            _ => {
                Command::Chaos(ChaosPlan { faults, duration, clients, seed, settings, recover_within, json })
            }
        })
    }
}

/// As it stands in postgresql.conf: quoted.
fn setting(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE, such as synchronous_commit=off")?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.';
    if name.is_empty() || !name.bytes().all(is_plain) {
        return Err(format!("{name:?} is no name of a setting"));
    }
    if value.contains(['\n', '\r']) {
        return Err("a value has one line".to_owned());
    }
    let value = value.trim_matches('\'').replace('\\', "\\\\").replace('\'', "''");
    Ok((name.to_owned(), format!("'{value}'")))
}
