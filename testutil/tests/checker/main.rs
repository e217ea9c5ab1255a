//! What the checker must catch, each on a history of a small model store that is right but for one thing.

#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

mod append;
mod delivery;
mod failover;
mod group;
mod model;
mod read;
mod recorder;
