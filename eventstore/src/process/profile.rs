//! How much a process manager does at once.

use std::time::Duration;

/// How much is fetched, and done, at once. Three to begin with; the figures are those of an orchestrator that was brought from ten to a
/// thousand dispatches a second with them, on tasks that take a tenth of a second each.
///
/// ```
/// use eventstore::{Profile, Settings};
///
/// let mut profile = Profile::balanced();
/// profile.dispatches = 20;
/// let mut settings = Settings::default();
/// settings.pool_size = profile.pool_size;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Profile {
    /// How often to look for what is due where nothing was; after work it is looked again at once.
    pub poll_every: Duration,
    /// How many commands, checks, or wake-ups are fetched in one statement; no more of each are in memory.
    pub batch: usize,
    /// How many commands are carried out at once, how many events and wake-ups reacted to.
    pub dispatches: usize,
    /// How many of what was started are asked after at once.
    pub status_checks: usize,
    /// How many connections go with that, for [`Settings::pool_size`](crate::Settings::pool_size): the profile does not set them.
    pub pool_size: usize,
}

impl Profile {
    /// Little memory, and short waits: looks every 2 s; 50 in memory, 5 dispatches, 20 checks, 5 connections.
    #[must_use]
    pub const fn low_memory() -> Self {
        Self { poll_every: Duration::from_secs(2), batch: 50, dispatches: 5, status_checks: 20, pool_size: 5 }
    }

    /// Looks every 5 s; 100 in memory, 10 dispatches, 50 checks, 10 connections.
    #[must_use]
    pub const fn balanced() -> Self {
        Self {
            poll_every: Duration::from_secs(5),
            batch: 100,
            dispatches: 10,
            status_checks: 50,
            pool_size: 10,
        }
    }

    /// Looks every 5 s; 500 in memory, 50 dispatches, 100 checks, 20 connections.
    #[must_use]
    pub const fn high_throughput() -> Self {
        Self {
            poll_every: Duration::from_secs(5),
            batch: 500,
            dispatches: 50,
            status_checks: 100,
            pool_size: 20,
        }
    }
}

impl Default for Profile {
    fn default() -> Self {
        Self::balanced()
    }
}
