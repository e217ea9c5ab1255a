//! How other members hear of something to claim.

use std::time::Duration;

use tokio::time::sleep;

use crate::group::membership::Membership;
use crate::group::ops::Underway;

/// How often they are told, at most.
const EVERY: Duration = Duration::from_millis(50);

#[derive(Default)]
pub(super) struct Telling {
    /// There is something for others to claim, which this one does not want.
    pub(super) is_due: bool,
    /// Nobody else takes part, as the last heartbeat found.
    pub(super) is_alone: bool,
    pub(super) under_way: Underway<()>,
}

impl Telling {
    pub(super) fn begin(&mut self, membership: &Membership) {
        if self.is_due && self.under_way.is_free() {
            self.is_due = false;
            if !self.is_alone {
                let news = membership.store.tell_of_work(membership.calls.group);
                self.under_way.begin(async move {
                    news.await;
                    sleep(EVERY).await;
                });
            }
        }
    }
}
