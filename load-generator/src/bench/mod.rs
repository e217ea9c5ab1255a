//! Benchmarks: the store against what it is compared with, interleaved on the same servers.
//!
//! A round measures every engine once at each number of clients; which engine goes first changes from round to round, so
//! that a machine whose speed drifts is unfair to none. What is reported is the median of the rounds, and ratios of
//! medians.

mod append;
mod report;

pub(crate) use append::{BenchPlan, append};
