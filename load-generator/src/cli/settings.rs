//! The arguments of `settings`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::cli::library::LibraryArgs;
use crate::cli::{Command, duration, positive_duration, refuse_of};
use crate::plan::{Plan, Rate};
use crate::settings::{Change, SettingsPlan, Variant};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  load-generator settings                                      PostgreSQL's defaults against tuning/
  load-generator settings --only shared_buffers --only wal_compression --rate 0
  load-generator settings --only max_wal_size+checkpoint_timeout --duration 10m
  load-generator settings --without wal_compression --preload 1000000 --rounds 3 --json settings.json

Exit status: 0 it was carried out, 1 it could not be, 2 usage.")]
pub(super) struct SettingsArgs {
    /// Compare PostgreSQL's defaults with these settings of tuning/ alone; several are joined by +
    ///
    /// May be given several times. Everything is compared with the defaults then
    #[arg(long, value_name = "NAME[+NAME]", conflicts_with = "without", help_heading = "Settings")]
    only: Vec<Change>,
    /// Compare tuning/ with the same but these settings; several are joined by +
    ///
    /// May be given several times. Everything is compared with tuning/ then
    #[arg(long, value_name = "NAME[+NAME]", help_heading = "Settings")]
    without: Vec<Change>,
    /// Requests per second of the open loop; 0 for none
    #[arg(long, default_value = "300", value_name = "PER_SECOND", value_parser = rate_or_none, help_heading = "Load")]
    rate: MaybeRate,
    /// Clients of the closed loop, each with one request at a time; 0 for none
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(..=250), help_heading = "Load")]
    clients: u32,
    /// How long each of the two is measured
    ///
    /// What acts after minutes, as checkpoint_timeout does, shows only in what takes longer
    #[arg(long, default_value = "60s", value_name = "TIME", value_parser = positive_duration, help_heading = "Load")]
    duration: Duration,
    /// How long a closed loop warms the servers up before; a checkpoint follows
    #[arg(long, default_value = "10s", value_name = "TIME", value_parser = duration, help_heading = "Load")]
    warmup: Duration,
    /// How often each variant is tried; medians are reported
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100), help_heading = "Load")]
    rounds: u32,
    /// How long a worker waits for one request, retries included
    #[arg(long, default_value = "5s", value_name = "TIME", value_parser = positive_duration, help_heading = "Load", hide_short_help = true)]
    timeout: Duration,
    /// Fixes the sequence of operations and of random choices
    #[arg(long, default_value_t = 1, help_heading = "Load", hide_short_help = true)]
    seed: u64,
    #[command(flatten)]
    library: LibraryArgs,
    /// How many events the log has before each trial
    ///
    /// They are written once; each trial has a copy of them, on the same disk
    #[arg(long, default_value_t = 1_000_000, value_name = "EVENTS", value_parser = clap::value_parser!(u64).range(..=1_000_000_000), help_heading = "Servers")]
    preload: u64,
    /// Write the result as JSON to this file; - for standard output
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    json: Option<PathBuf>,
}

/// A rate, or none.
#[derive(Debug, Clone, Copy)]
struct MaybeRate(Option<Rate>);

fn rate_or_none(text: &str) -> Result<MaybeRate, String> {
    if text == "0" { Ok(MaybeRate(None)) } else { text.parse().map(|rate| MaybeRate(Some(rate))) }
}

impl SettingsArgs {
    pub(super) fn into_command(self) -> Result<Command, clap::Error> {
        if self.rate.0.is_none() && self.clients == 0 {
            return refuse_of("settings", "--clients: 0, and --rate too: nothing would be measured");
        }
        let variants = match (self.only.is_empty(), self.without.is_empty()) {
            (true, true) => vec![Variant::Defaults, Variant::Tuned],
            (false, _) => {
                [Variant::Defaults].into_iter().chain(self.only.into_iter().map(Variant::Only)).collect()
            }
            (true, false) => {
                [Variant::Tuned].into_iter().chain(self.without.into_iter().map(Variant::Without)).collect()
            }
        };
        let load = Plan {
            warmup: self.warmup,
            timeout: self.timeout,
            seed: self.seed,
            preload: self.preload,
            ..Plan::bare(self.library.into())
        };
        Ok(Command::Settings(Box::new(SettingsPlan {
            load,
            variants,
            rate: self.rate.0,
            clients: (self.clients > 0).then_some(self.clients as usize),
            duration: self.duration,
            rounds: self.rounds,
            json: self.json,
        })))
    }
}
