//! What a server runs on.

use clap::ValueEnum;

use crate::tune::size::Size;

/// The machine, or the part of it that a server may use.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Machine {
    /// What PostgreSQL and the system's cache of its files may take together.
    pub(crate) memory: Size,
    pub(crate) cpus: u32,
    pub(crate) disk: Disk,
    pub(crate) connections: u32,
    pub(crate) version: Version,
}

/// What a random page costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Disk {
    /// Random pages cost hardly more than sequential ones: SSD, NVMe, network volumes
    Ssd,
    /// A disk that turns
    Hdd,
}

/// The major version of PostgreSQL; `None` is any that is supported, for which only what all of them know is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Version(pub(crate) Option<u32>);

/// The versions that a log runs on.
pub(crate) const SUPPORTED: std::ops::RangeInclusive<u32> = 15..=18;

impl Version {
    /// Whether the version is known, and this one or a later one.
    pub(crate) fn is_at_least(self, version: u32) -> bool {
        self.0.is_some_and(|own| own >= version)
    }
}
