//! What `crashes` reports.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use serde::Serialize;
use testutil::checker::{Action, History};

use crate::deliver::crashes::NUMBERS;

#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) scenario: &'static str,
    pub(super) events: u64,
    pub(super) seconds: f64,
    pub(super) kills: u64,
    /// Of the group, and of the subscription.
    pub(super) deliveries: [u64; 2],
    pub(super) redeliveries: [u64; 2],
    /// From when a process was killed until what it had was handed over again by the group: the median, and the longest.
    pub(super) redelivered_after_ms: [f64; 2],
    pub(super) lease_ms: f64,
    /// Whether that took no longer than the lease and a second, each time.
    pub(super) redelivered_in_time: bool,
    pub(super) operations: usize,
    pub(super) violations: usize,
    #[serde(skip)]
    pub(super) found: String,
}

/// What a history has.
#[derive(Default)]
pub(super) struct Counted {
    pub(super) deliveries: [u64; 2],
    /// From a kill until what the killed one had was handed over again.
    pub(super) redelivered_after: Vec<Duration>,
}

impl Counted {
    pub(super) fn of(history: &History) -> Self {
        let mut counted = Self::default();
        let (mut handed, mut kills) = (HashMap::<u64, Vec<(u64, u64)>>::new(), HashMap::new());
        for operation in &history.operations {
            match &operation.action {
                Action::Handed(of) => {
                    counted.deliveries[0] += 1;
                    handed
                        .entry(of.position)
                        .or_default()
                        .push((operation.invoked, operation.client / NUMBERS));
                }
                Action::Delivery(_) => counted.deliveries[1] += 1,
                Action::Killed { first, .. } => drop(kills.insert(first / NUMBERS, operation.invoked)),
                _ => {}
            }
        }
        for times in handed.values_mut().filter(|times| times.len() > 1) {
            times.sort_unstable();
            let waits = times.windows(2).filter_map(|pair| pair[1].0.checked_sub(*kills.get(&pair[0].1)?));
            counted.redelivered_after.extend(waits.map(Duration::from_nanos));
        }
        counted.redelivered_after.sort_unstable();
        counted
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [by_group, by_subscription] = self.deliveries;
        let [again_by_group, again_by_subscription] = self.redeliveries;
        let [median, longest] = self.redelivered_after_ms;
        writeln!(
            f,
            "crashes: {} events in {:.1} s, {} processes killed: {} deliveries, by a group {by_group} ({again_by_group} of them \
             again), by a subscription {by_subscription} ({again_by_subscription} again)",
            self.events,
            self.seconds,
            self.kills,
            by_group + by_subscription
        )?;
        writeln!(
            f,
            "what a killed worker had was handed over again {median:.0} ms after the kill in the median, {longest:.0} ms at most; \
             leases of {:.0} ms, and a second more: {}",
            self.lease_ms,
            if self.redelivered_in_time { "kept" } else { "NOT kept" }
        )?;
        writeln!(f, "audit: {}", self.found.trim_end())
    }
}
