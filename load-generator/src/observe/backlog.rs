//! How long ago the WAL was written that a replica has not replayed.
//!
//! PostgreSQL measures a replica's lag when the replica reports that it has replayed something: of one that is frozen or
//! paused it goes on to show the last lag it measured, however small. This here grows then.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The WAL of a quiet server may end within a record, which no replica can replay before the rest is written.
const PAGE: u64 = 8_192;

/// Where the WAL ended at each look, for as long as a replica has not replayed it.
#[derive(Debug, Default)]
pub(crate) struct Backlog(VecDeque<(Instant, u64)>);

impl Backlog {
    /// The least that a replica is behind of which `bytes` of the WAL `written` so far are missing, to a second and to a page.
    pub(crate) fn behind(&mut self, now: Instant, written: u64, bytes: u64) -> Duration {
        if self.0.back().is_some_and(|(_, end)| *end > written) {
            // Another server, with a WAL of its own.
            self.0.clear();
        }
        if self.0.back().is_none_or(|(_, end)| *end < written) {
            self.0.push_back((now, written));
        }
        let replayed = written.saturating_sub(bytes) + PAGE;
        while self.0.front().is_some_and(|(_, end)| *end <= replayed) {
            self.0.pop_front();
        }
        self.0.front().map_or(Duration::ZERO, |(at, _)| now.saturating_duration_since(*at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_that_stands_still_falls_behind_and_catches_up() {
        let (start, mut backlog) = (Instant::now(), Backlog::default());
        let mut behind = |second: u64, written: u64, bytes: u64| {
            let now = start + Duration::from_secs(second);
            backlog.behind(now, written * PAGE, bytes * PAGE).as_secs()
        };
        assert_eq!(behind(0, 100, 0), 0);
        // What is not replayed from here on was first seen at 1 s.
        assert_eq!([behind(1, 200, 100), behind(2, 300, 200), behind(3, 300, 200)], [0, 1, 2]);
        assert_eq!(behind(4, 400, 200), 2, "the WAL up to 200 is replayed, that of 2 s is not");
        assert_eq!([behind(5, 400, 0), behind(8, 401, 1), behind(9, 401, 1)], [0, 0, 0]);
    }

    #[test]
    fn the_wal_of_another_server_is_not_compared() {
        let (start, mut backlog) = (Instant::now(), Backlog::default());
        let later = start + Duration::from_secs(9);
        assert_eq!(backlog.behind(start, 900 * PAGE, 900 * PAGE), Duration::ZERO);
        assert_eq!(backlog.behind(later, 100 * PAGE, 50 * PAGE), Duration::ZERO);
    }
}
