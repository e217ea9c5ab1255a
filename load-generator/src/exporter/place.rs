//! How far replicas are behind the primary, by where their WAL ends.
//!
//! Both are asked at the same time, so that nothing depends on what a replica tells its primary: one that is frozen, cut off or
//! dead falls behind here, while PostgreSQL shows the last lag that it measured, or nothing.

use std::time::{Duration, Instant};

use crate::observe::Backlog;

/// What a server is, and up to where its WAL reaches, in bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Place {
    pub(super) in_recovery: bool,
    pub(super) wal_position: f64,
}

/// The last place of a server, and what it has not replayed.
#[derive(Debug, Default)]
pub(super) struct Follower {
    last: Option<Place>,
    backlog: Backlog,
}

impl Follower {
    pub(super) fn is_at(&mut self, place: Place) {
        self.last = Some(place);
    }

    /// How far it is behind a primary that has written so far, in bytes and in time; `None` of a server that was not seen as a standby.
    pub(super) fn behind(&mut self, now: Instant, written: f64) -> Option<(f64, Duration)> {
        let last = self.last.filter(|place| place.in_recovery)?;
        let bytes = (written - last.wal_position).max(0.0);
        // Places are whole numbers.
        Some((bytes, self.backlog.behind(now, written as u64, bytes as u64)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: f64 = 1e6;

    fn place(in_recovery: bool, wal_position: f64) -> Place {
        Place { in_recovery, wal_position }
    }

    #[test]
    fn a_silent_replica_falls_behind_and_comes_back() {
        let (start, mut replica) = (Instant::now(), Follower::default());
        let at = |second| start + Duration::from_secs(second);
        assert_eq!(replica.behind(at(0), 5.0 * MB), None, "it was never seen");
        replica.is_at(place(true, 5.0 * MB));
        assert_eq!(replica.behind(at(1), 5.0 * MB), Some((0.0, Duration::ZERO)));
        assert_eq!(replica.behind(at(2), 6.0 * MB), Some((MB, Duration::ZERO)));
        assert_eq!(replica.behind(at(12), 8.0 * MB), Some((3.0 * MB, Duration::from_secs(10))));
        replica.is_at(place(true, 8.0 * MB));
        assert_eq!(replica.behind(at(13), 8.0 * MB), Some((0.0, Duration::ZERO)));
    }

    #[test]
    fn a_primary_is_not_behind() {
        let mut server = Follower::default();
        server.is_at(place(false, MB));
        assert_eq!(server.behind(Instant::now(), 9.0 * MB), None);
    }
}
