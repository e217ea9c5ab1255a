//! The command line of `doctor`.

use clap::Args;

use crate::tune::{Disk, Size, memory_size};

/// What the servers are measured by, and how it is told.
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Print one document of JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Memory of each server, one size for all: the limit of its container, not the machine around it. Unless given, sizes are compared
    /// only for servers reached through a socket, which share this machine
    #[arg(long, value_name = "SIZE", requires = "cpus", value_parser = memory_size)]
    pub(crate) memory: Option<Size>,
    /// Processors of each server, one count for all
    #[arg(long, value_name = "COUNT", requires = "memory", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) cpus: Option<u32>,
    /// What the data is on
    #[arg(long, value_enum, default_value = "ssd")]
    pub(crate) disk: Disk,
}
