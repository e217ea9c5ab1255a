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

/// No server has more, and sizes that are made of it stay below what PostgreSQL takes.
const MOST_MEMORY: Size = Size::gb(16 << 10);

/// An amount of memory that a server may have.
pub(crate) fn memory(text: &str) -> Result<Size, String> {
    let size: Size = text.parse()?;
    match size <= MOST_MEMORY {
        true => Ok(size),
        false => Err(format!("expected at most {MOST_MEMORY}, found {size}")),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_machine_is_larger_than_there_are() {
        assert_eq!(memory("16TB"), Ok(Size::gb(16 << 10)));
        for text in ["17TB", "16777215TB"] {
            let refused = memory(text).unwrap_err();
            assert!(refused.starts_with("expected at most 16TB, found "), "{refused}");
        }
    }
}
