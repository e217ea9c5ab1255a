//! Whether a long load stays as it began: `soak`.
//!
//! A soak is a run like others that is looked at over its whole length. [`Parts`] keeps latencies by parts of the time, the
//! [`Sentinel`] says when the machine itself stood still, and [`Steadiness`] judges: nothing failed, the end is not much slower than
//! what came after the first checkpoint, and each long wait has something beside it that it may have come from.

mod judge;
mod parts;
mod sentinel;
mod stalls;
mod text;

use serde::{Deserialize, Serialize};

use crate::histogram::Latencies;
use crate::slo::Check;

pub(crate) use judge::Judged;
pub(crate) use parts::Parts;
pub(crate) use sentinel::{Hitch, Sentinel};

/// How a load went over its time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Steadiness {
    pub(crate) held: bool,
    pub(crate) checks: Vec<Check>,
    /// The two stretches that are compared; nothing where the run was too short to have both.
    pub(crate) growth: Option<Growth>,
    /// Seconds with a request that took too long, joined where they follow each other.
    pub(crate) stalls: Vec<Stall>,
    /// The whole run in a dozen parts or less.
    pub(crate) parts: Vec<Part>,
}

/// How much slower the end was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Growth {
    /// Whether the first stretch begins where the first checkpoint began. There may have been none, or none early enough.
    pub(crate) after_checkpoint: bool,
    pub(crate) first: Part,
    pub(crate) last: Part,
}

/// A part of the run's time, and the corrected latencies of what ended in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Part {
    /// Seconds since measuring began.
    pub(crate) at_s: u64,
    pub(crate) until_s: u64,
    pub(crate) latency: Latencies,
}

/// Requests that took too long.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Stall {
    /// The second in which the first of them ended.
    pub(crate) at_s: u64,
    /// How many seconds in a row had one.
    pub(crate) seconds: u64,
    /// The slowest.
    pub(crate) max_ms: f64,
    /// What was going on while it waited; nothing that is known if empty.
    pub(crate) beside: Vec<String>,
}
