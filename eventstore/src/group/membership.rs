//! What a member is told when it takes part.

use std::sync::Arc;
use std::time::Duration;

use crate::error::Error;
use crate::group::ConsumerGroup;
use crate::group::calls::{Calls, Terms};
use crate::store::EventStore;

/// A membership of a group.
pub(super) struct Membership {
    pub(super) store: EventStore,
    pub(super) name: String,
    pub(super) calls: Arc<Calls>,
    pub(super) terms: Terms,
    pub(super) time_limit: Duration,
    pub(super) backoff: Backoff,
    pub(super) group: ConsumerGroup,
}

impl Membership {
    pub(super) fn is_gone(&self) -> Error {
        Error::invalid(format!("group {:?} was deleted", self.name))
    }
}

/// How long to wait before another attempt.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Backoff {
    pub(crate) first: Duration,
    pub(crate) longest: Duration,
}

impl Backoff {
    /// After so many attempts. Give or take a tenth, so that what failed together is not tried again together.
    pub(crate) fn after(self, attempts: i32) -> Duration {
        let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or(0).min(30);
        let pause = self.first.saturating_mul(1 << doublings).min(self.longest);
        pause.mul_f64(0.9 + 0.2 * fastrand::f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let backoff = Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(300) };
        for (attempts, seconds) in
            [(0, 1.0), (1, 1.0), (2, 2.0), (3, 4.0), (9, 256.0), (10, 300.0), (i32::MAX, 300.0)]
        {
            let pause = backoff.after(attempts).as_secs_f64();
            assert!((0.9 * seconds..=1.1 * seconds).contains(&pause), "{attempts}: {pause}");
        }
    }
}
