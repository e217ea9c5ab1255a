//! What the store tells of itself: metrics, and the outcome of each call.
//!
//! Figures are always kept (an atomic addition each); with a registry of the caller's they can be scraped. Labels are
//! fixed names and the servers' own: never a payload, a filter or a password.

mod consumers;
mod gauges;
mod lag;
mod metrics;
mod operation;

pub(crate) use gauges::{
    CacheCounters, GroupGauges, ProcessGauges, RecomputeCounters, ReplicaGauges, SubscriptionGauges,
};
pub(crate) use lag::HeadClock;
pub(crate) use metrics::{Metrics, Registration};
pub(crate) use operation::{Operation, Target};
