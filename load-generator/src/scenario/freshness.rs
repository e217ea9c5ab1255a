//! How old the answers of replicas are.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// At 10,000 appends a second one in two is kept, for a second.
const FINE: Duration = Duration::from_micros(200);
/// For a replica that stands still: kept for some six minutes.
const COARSE: Duration = Duration::from_millis(100);
/// Entries of each.
const MOST: usize = 4_096;

/// Which positions this process had acknowledged, and when. Shared by all workers.
///
/// Not each of them is kept. One that is not counts as acknowledged when the next was that is, and none counts for longer
/// than is remembered: a time is never overstated.
#[derive(Debug)]
pub(crate) struct Freshness {
    tracks: Mutex<[Track; 2]>,
}

/// Positions so far apart in time; positions and times both rise.
#[derive(Debug)]
struct Track {
    apart: Duration,
    acknowledged: VecDeque<Acknowledged>,
}

#[derive(Debug, Clone, Copy)]
struct Acknowledged {
    position: u64,
    at: Instant,
}

/// How much older an answer is than the newest append that was acknowledged before it was asked for; zero if it is not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Staleness {
    /// How many positions it lacks.
    pub(crate) events: u64,
    /// How long the first that it lacks had been acknowledged.
    pub(crate) time: Duration,
}

impl Freshness {
    pub(crate) fn new() -> Self {
        let track = |apart| Track { apart, acknowledged: VecDeque::with_capacity(MOST) };
        Self { tracks: Mutex::new([track(FINE), track(COARSE)]) }
    }

    /// An append ended at this position, and its caller was just told so.
    pub(crate) fn acknowledged(&self, position: u64) {
        self.note(position, Instant::now());
    }

    /// Of an answer that has everything up to the position `seen`.
    pub(crate) fn staleness(&self, seen: u64, asked_at: Instant) -> Staleness {
        let tracks = self.tracks();
        let newest = tracks.iter().filter_map(|track| track.newest(asked_at)).max();
        let lacks_since = tracks.iter().filter_map(|track| track.first_after(seen)).min();
        match (newest, lacks_since) {
            (Some(newest), Some(since)) if newest > seen => {
                Staleness { events: newest - seen, time: asked_at.saturating_duration_since(since) }
            }
            _ => Staleness::default(),
        }
    }

    fn note(&self, position: u64, at: Instant) {
        for track in self.tracks().iter_mut() {
            track.note(position, at);
        }
    }

    fn tracks(&self) -> std::sync::MutexGuard<'_, [Track; 2]> {
        self.tracks.lock().expect("nothing panics with the positions in hand")
    }
}

impl Track {
    fn note(&mut self, position: u64, at: Instant) {
        let last = self.acknowledged.back().copied();
        // Another worker was told of a later position first: whoever lacks this one lacks that one longer.
        if last.is_some_and(|last| position <= last.position) {
            return;
        }
        // Workers may come here in another order than they looked at the clock.
        let entry = Acknowledged { position, at: last.map_or(at, |last| at.max(last.at)) };
        let before_last = self.acknowledged.len().checked_sub(2).map(|place| self.acknowledged[place].at);
        // The newest position is always there: the last entry moves on until it is far enough from the one before.
        if before_last.is_some_and(|before| entry.at.saturating_duration_since(before) < self.apart) {
            self.acknowledged.pop_back();
        } else if self.acknowledged.len() == MOST {
            self.acknowledged.pop_front();
        }
        self.acknowledged.push_back(entry);
    }

    /// The highest position that was acknowledged by then.
    fn newest(&self, by: Instant) -> Option<u64> {
        let count = self.acknowledged.partition_point(|entry| entry.at <= by);
        count.checked_sub(1).map(|last| self.acknowledged[last].position)
    }

    /// When the first position after this one was acknowledged.
    fn first_after(&self, position: u64) -> Option<Instant> {
        let first = self.acknowledged.partition_point(|entry| entry.position <= position);
        self.acknowledged.get(first).map(|entry| entry.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Positions 10, 20 … 100, one a millisecond, from the second millisecond on.
    fn ten(start: Instant) -> Freshness {
        let freshness = Freshness::new();
        for nth in 1..=10 {
            freshness.note(u64::from(nth) * 10, start + MS * nth);
        }
        freshness
    }

    #[test]
    fn an_answer_lacks_what_was_acknowledged_before_it_was_asked_for() {
        let start = Instant::now();
        let freshness = ten(start);
        let stale = |seen: u64, asked: Duration| freshness.staleness(seen, start + asked);
        assert_eq!(stale(40, MS * 20), Staleness { events: 60, time: MS * 15 });
        // Between two that were acknowledged.
        assert_eq!(stale(45, MS * 20), Staleness { events: 55, time: MS * 15 });
        assert_eq!(stale(0, MS * 20), Staleness { events: 100, time: MS * 19 });
        assert_eq!(stale(100, MS * 20), Staleness::default());
        assert_eq!(stale(300, MS * 20), Staleness::default());
    }

    #[test]
    fn what_is_acknowledged_later_need_not_be_in_it() {
        let start = Instant::now();
        let freshness = ten(start);
        assert_eq!(freshness.staleness(40, start + MS * 4), Staleness::default());
        assert_eq!(freshness.staleness(40, start + MS * 5), Staleness { events: 10, time: Duration::ZERO });
        assert_eq!(freshness.staleness(0, start), Staleness::default());
    }

    #[test]
    fn positions_that_are_told_in_another_order_do_no_harm() {
        let (start, freshness) = (Instant::now(), Freshness::new());
        freshness.note(7, start + MS);
        freshness.note(5, start + MS * 2);
        assert_eq!(freshness.staleness(4, start + MS * 3), Staleness { events: 3, time: MS * 2 });
    }

    #[test]
    fn the_newest_position_is_known_however_many_come_at_once() {
        let (start, freshness) = (Instant::now(), Freshness::new());
        for position in 1..=50 {
            freshness.note(position, start);
        }
        assert_eq!(freshness.staleness(20, start + MS), Staleness { events: 30, time: MS });
        assert!(freshness.tracks().iter().all(|track| track.acknowledged.len() <= 2));
    }

    #[test]
    fn what_is_kept_is_bounded_and_reaches_far_back() {
        let (start, freshness) = (Instant::now(), Freshness::new());
        for ms in 1..=100_000 {
            freshness.note(u64::from(ms), start + MS * ms);
        }
        assert!(freshness.tracks().iter().all(|track| track.acknowledged.len() <= MOST));
        let stale = |seen: u64| freshness.staleness(seen, start + MS * 100_000);
        // Of the last seconds to the millisecond, of the last minutes to some tenths of a second.
        assert_eq!(stale(99_000), Staleness { events: 1_000, time: MS * 999 });
        let old = stale(40_000);
        assert_eq!(old.events, 60_000);
        assert!((MS * 59_700..MS * 60_000).contains(&old.time), "{old:?}");
    }
}
