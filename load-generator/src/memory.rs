//! How much memory something takes while it goes on: what it has given back at its end counts too.

use crate::environment::{forget_peak, peak_mib, resident_mib};

/// Measures from its start on.
#[derive(Debug)]
pub(crate) struct MemoryClock {
    /// In MiB.
    pub(crate) before_mib: f64,
}

impl MemoryClock {
    /// `None` where the system does not let a process forget the most memory that it had.
    pub(crate) fn start() -> Option<Self> {
        if !forget_peak() {
            return None;
        }
        Some(Self { before_mib: resident_mib()? })
    }

    /// The most that this process had in memory since, beyond what it had then; in MiB.
    pub(crate) fn most_beyond_mib(&self) -> Option<f64> {
        Some(peak_mib()? - self.before_mib)
    }
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;

    use super::*;

    /// Other tests of this process may have it forget its peak in between: one of some tries must see it.
    #[cfg(target_os = "linux")]
    #[test]
    fn what_was_given_back_counts() {
        if MemoryClock::start().is_none() {
            return testutil::skip("what_was_given_back_counts", "/proc/self/clear_refs can not be written");
        }
        let mut seen = Vec::new();
        let is_seen = (0..10).any(|_| {
            let Some(clock) = MemoryClock::start() else {
                return false;
            };
            drop(black_box(vec![1_u8; 64 << 20]));
            seen.push(clock.most_beyond_mib());
            clock.most_beyond_mib().is_some_and(|most| most > 48.0)
        });
        assert!(is_seen, "{seen:?}");
    }
}
