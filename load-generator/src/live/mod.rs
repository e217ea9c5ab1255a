//! What a run shows of itself while it goes on.

mod lines;
mod screen;

use std::time::Duration;

use crate::histogram::LatencySummary;
use crate::report::{Requests, Second};

/// How a run is, told once a second.
#[derive(Debug, Clone)]
pub(crate) struct Tick {
    pub(crate) phase: Phase,
    /// Since the phase began.
    pub(crate) running: Duration,
    /// How long the phase is to last.
    pub(crate) length: Duration,
    /// Requests a second that are due now; nothing in a closed loop.
    pub(crate) target: Option<f64>,
    /// The last second. Of the warm-up too.
    pub(crate) second: Second,
    /// Everything measured so far.
    pub(crate) total: Requests,
    /// Corrected, of everything measured so far.
    pub(crate) latency: LatencySummary,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    WarmUp,
    /// Which repeat, from 1.
    Measuring { repeat: u32, of: u32 },
}

/// What does not change while it runs.
#[derive(Debug, Clone)]
pub(crate) struct About {
    /// `library through eventstore: ramp 100..2000/60s`
    pub(crate) title: String,
    /// `PostgreSQL 15.18 (embedded, 1 replica(s), …)`
    pub(crate) environment: String,
    /// How many requests can be under way; nothing without a limit.
    pub(crate) workers: Option<u64>,
    /// How many can wait; nothing without a queue.
    pub(crate) queue: Option<u64>,
}
