//! What `crashes` reports.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use serde::Serialize;
use testutil::checker::{Action, History};

use crate::deliver::crashes::{LEASE, NUMBERS};
use crate::deliver::ms;
use crate::median::median;
use crate::verdict::Verdict;

#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) scenario: &'static str,
    pub(super) events: u64,
    pub(super) seconds: f64,
    pub(super) kills: u64,
    /// Of the group, and of the subscription.
    pub(super) deliveries: [u64; 2],
    pub(super) redeliveries: [u64; 2],
    /// From when a process was killed until what it had was handed over again by the group: the median, and the longest. None where
    /// nothing was.
    pub(super) redelivered_after_ms: Option<[f64; 2]>,
    pub(super) lease_ms: f64,
    /// Whether that took no longer than the lease and a second, each time.
    pub(super) redelivered_in_time: Option<bool>,
    pub(super) operations: usize,
    pub(super) violations: usize,
    #[serde(skip)]
    pub(super) found: String,
}

/// What a history has.
#[derive(Default)]
pub(super) struct Counted {
    pub(super) deliveries: [u64; 2],
    /// From a kill until what the killed one had was handed over again, ascending.
    redelivered_after: Vec<Duration>,
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

    pub(super) fn longest(&self) -> Option<Duration> {
        self.redelivered_after.last().copied()
    }

    pub(super) fn median_and_longest_ms(&self) -> Option<[f64; 2]> {
        let median = median(self.redelivered_after.iter().copied().map(ms).collect())?;
        Some([median, ms(self.longest()?)])
    }
}

/// Whether what a killed process had was handed over again as soon as it has to be.
pub(super) fn in_time(after: Duration) -> bool {
    after <= LEASE + Duration::from_secs(1)
}

impl Report {
    pub(super) fn verdict(&self) -> Verdict {
        match self.redelivered_in_time {
            _ if self.violations > 0 => Verdict::Violated,
            Some(false) => Verdict::TooSlow,
            Some(true) | None => Verdict::Kept,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [by_group, by_subscription] = self.deliveries;
        let [again_by_group, again_by_subscription] = self.redeliveries;
        writeln!(
            f,
            "crashes: {} events in {:.1} s, {} processes killed: {} deliveries, by a group {by_group} ({again_by_group} of them \
             again), by a subscription {by_subscription} ({again_by_subscription} again)",
            self.events,
            self.seconds,
            self.kills,
            by_group + by_subscription
        )?;
        match self.redelivered_after_ms {
            Some([median, longest]) => writeln!(
                f,
                "what a killed worker had was handed over again {median:.0} ms after the kill in the median, {longest:.0} ms at most; \
                 leases of {:.0} ms, and a second more: {}",
                self.lease_ms,
                if self.redelivered_in_time == Some(false) { "NOT kept" } else { "kept" }
            )?,
            None => writeln!(f, "no killed worker had anything: nothing was handed over again")?,
        }
        writeln!(f, "audit: {}", self.found.trim_end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of redeliveries so many milliseconds after a kill.
    fn report(after_ms: &[u64], violations: usize) -> Report {
        let redelivered_after = after_ms.iter().copied().map(Duration::from_millis).collect();
        let counted = Counted { redelivered_after, ..Counted::default() };
        Report {
            scenario: "crashes",
            events: 10,
            seconds: 1.0,
            kills: 1,
            deliveries: [10, 10],
            redeliveries: [0, 0],
            redelivered_after_ms: counted.median_and_longest_ms(),
            lease_ms: ms(LEASE),
            redelivered_in_time: counted.longest().map(in_time),
            operations: 20,
            violations,
            found: String::new(),
        }
    }

    #[test]
    fn what_is_handed_over_again_too_late_is_a_limit_that_was_passed() {
        let prompt = report(&[900, 1_100, 1_300, 2_000], 0);
        assert_eq!(
            (prompt.verdict(), prompt.redelivered_after_ms),
            (Verdict::Kept, Some([1_200.0, 2_000.0]))
        );
        assert!(prompt.to_string().contains("2000 ms at most; leases of 1000 ms, and a second more: kept"));
        let late = report(&[900, 2_001], 0);
        assert_eq!(late.verdict(), Verdict::TooSlow);
        assert!(late.to_string().contains("NOT kept"), "{late}");
        assert_eq!(report(&[2_001], 1).verdict(), Verdict::Violated);
    }

    #[test]
    fn where_nothing_is_handed_over_again_nothing_is_said_to_be_kept() {
        let none = report(&[], 0);
        assert_eq!((none.verdict(), none.redelivered_in_time), (Verdict::Kept, None));
        let text = none.to_string();
        assert!(text.contains("nothing was handed over again") && !text.contains("kept"), "{text}");
    }
}
