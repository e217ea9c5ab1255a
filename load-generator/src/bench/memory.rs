//! How much memory something takes while it goes on: what it has given back at its end counts too.

use std::fs;

use crate::environment::{peak_mib, resident_mib};

/// Measures from its start on.
#[derive(Debug)]
pub(super) struct MemoryClock {
    resident_before_mib: f64,
}

impl MemoryClock {
    /// `None` where the system does not let a process forget the most memory that it had.
    pub(super) fn start() -> Option<Self> {
        fs::write("/proc/self/clear_refs", "5").ok()?;
        Some(Self { resident_before_mib: resident_mib()? })
    }

    /// The most that this process had in memory since, beyond what it had then; in MiB.
    pub(super) fn most_beyond_mib(&self) -> Option<f64> {
        Some(peak_mib()? - self.resident_before_mib)
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
