//! The command line of `tune`.

use clap::{Args, ValueEnum};

use crate::Failure;
use crate::tune::machine::{self, Disk, Machine, SUPPORTED, Version};
use crate::tune::server::Server;
use crate::tune::size::Size;

/// What to print, and for which machine.
#[derive(Debug, Args)]
pub(crate) struct TuneArgs {
    /// What the settings are for
    #[arg(long, value_enum, default_value = "primary")]
    pub(crate) server: Target,
    /// Memory that the server may use, with the system's cache of its files: 16GB
    #[arg(long, value_name = "SIZE", value_parser = machine::memory)]
    memory: Option<Size>,
    /// Processors that the server may use
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=1024))]
    cpus: Option<u32>,
    /// What the data is on
    #[arg(long, value_enum, default_value = "ssd")]
    disk: Disk,
    /// How many connections there may be
    #[arg(long, value_name = "COUNT", default_value_t = 200, value_parser = clap::value_parser!(u32).range(10..=10_000))]
    connections: u32,
    /// Also what only this version knows; without it the file is for all of 15 to 18
    #[arg(long, value_name = "VERSION", value_parser = version)]
    postgresql: Option<u32>,
}

/// What can be printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Target {
    /// Takes the appends
    Primary,
    /// A streaming standby that is read
    Replica,
    /// For tests: fast, and nothing survives a power cut
    Test,
    /// Storage parameters of the tables of a log (--schema), as a script for psql
    Tables,
}

impl Target {
    /// The kind of server; none for tables.
    pub(crate) fn server(self) -> Option<Server> {
        match self {
            Self::Primary => Some(Server::Primary),
            Self::Replica => Some(Server::Replica),
            Self::Test => Some(Server::Test),
            Self::Tables => None,
        }
    }
}

impl TuneArgs {
    /// The machine that was described.
    pub(crate) fn machine(&self) -> Result<Machine, Failure> {
        let missing = |flag: &str| {
            Failure::Usage(format!("how large is the server? {flag} says it, as in --memory 16GB --cpus 8"))
        };
        let memory = self.memory.ok_or_else(|| missing("--memory"))?;
        let cpus = self.cpus.ok_or_else(|| missing("--cpus"))?;
        if memory < Size::mb(512) {
            return Err(Failure::Usage(format!("--memory is {memory}; expected at least 512MB")));
        }
        let version = Version(self.postgresql);
        Ok(Machine { memory, cpus, disk: self.disk, connections: self.connections, version })
    }

    /// The command that prints the same again.
    pub(crate) fn command(&self, machine: &Machine) -> String {
        let name = |value: Option<clap::builder::PossibleValue>| {
            value.map(|value| value.get_name().to_owned()).unwrap_or_default()
        };
        let version = self.postgresql.map(|version| format!(" --postgresql {version}")).unwrap_or_default();
        format!(
            "eventstore tune --server {} --memory {} --cpus {} --disk {} --connections {}{version}",
            name(self.server.to_possible_value()),
            machine.memory,
            machine.cpus,
            name(self.disk.to_possible_value()),
            machine.connections
        )
    }
}

fn version(text: &str) -> Result<u32, String> {
    let version = text.parse().ok().filter(|version| SUPPORTED.contains(version));
    version.ok_or_else(|| format!("expected one of {} to {}", SUPPORTED.start(), SUPPORTED.end()))
}
