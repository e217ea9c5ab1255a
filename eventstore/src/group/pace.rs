//! How fast a member's events are handled, and with it how many are to be claimed before anybody asks: pure, no IO.
//!
//! Takers that are fast would wait for a claim each time they come back. What they handle within the next [`AHEAD`] is claimed beforehand,
//! so that claims run while events are handled, and fewer of them are needed. An event that was claimed ahead waits about so long, and
//! not longer than [`KEPT`]: then it is handed back, for members that are free. Where handling takes longer than [`AHEAD`], nothing is
//! claimed ahead, however many are handled at once.

use std::time::Duration;

use tokio::time::Instant;

/// For how long claims are to suffice: several times a claim's round trip in one data centre, and nothing to a person.
const AHEAD: Duration = Duration::from_millis(20);
/// How long an event is kept that was claimed ahead.
pub(super) const KEPT: Duration = Duration::from_millis(100);
/// How long what was handled counts: less and less, exponentially, with this time constant.
const MEMORY: Duration = Duration::from_millis(40);

/// The pace of one member.
#[derive(Debug)]
pub(super) struct Pace {
    /// How many were handled quickly of late, each counting the less the longer ago it was.
    quick: f64,
    last: Instant,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self { quick: 0.0, last: now }
    }

    /// An event was answered so long after it was handed over.
    pub(super) fn notes(&mut self, handled_in: Duration, now: Instant) {
        if handled_in <= AHEAD {
            self.quick = self.at(now) + 1.0;
            self.last = now;
        }
    }

    /// Something that was claimed ahead went back. Where nothing was handled quickly just now either, nothing is claimed ahead until
    /// something is: it would be the same.
    pub(super) fn was_too_fast(&mut self, now: Instant) {
        if now.duration_since(self.last) > AHEAD {
            self.quick = 0.0;
        }
    }

    /// How many events there should be that nobody has asked for yet.
    pub(super) fn ahead(&self, now: Instant) -> usize {
        (self.at(now) * AHEAD.div_duration_f64(MEMORY)) as usize
    }

    fn at(&self, now: Instant) -> f64 {
        self.quick * (-now.duration_since(self.last).div_duration_f64(MEMORY)).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One is answered every so often, for a second, each handled in so long.
    fn paced(every: Duration, handled_in: Duration) -> (Pace, Instant) {
        let mut now = Instant::now();
        let (mut pace, end) = (Pace::new(now), now + Duration::from_secs(1));
        while now < end {
            now += every;
            pace.notes(handled_in, now);
        }
        (pace, now)
    }

    #[test]
    fn twenty_milliseconds_are_claimed_ahead() {
        let ahead = |every| {
            let (pace, now) = paced(every, Duration::from_millis(1));
            pace.ahead(now)
        };
        assert_eq!(ahead(Duration::from_millis(200)), 0);
        assert_eq!(ahead(Duration::from_millis(5)), 4);
        assert!((195..=205).contains(&ahead(Duration::from_micros(100))));
    }

    #[test]
    fn slow_handlers_have_nothing_claimed_ahead_however_many_they_are() {
        let (pace, now) = paced(Duration::from_millis(1), Duration::from_millis(100));
        assert_eq!(pace.ahead(now), 0);
    }

    #[test]
    fn who_stops_is_forgotten() {
        let (mut pace, now) = paced(Duration::from_millis(1), Duration::ZERO);
        assert_eq!(pace.ahead(now), 20);
        assert_eq!(pace.ahead(now + MEMORY), 7);
        assert_eq!(pace.ahead(now + 10 * MEMORY), 0);
        pace.was_too_fast(now);
        assert_eq!(pace.ahead(now), 20, "still as fast");
        pace.was_too_fast(now + MEMORY);
        assert_eq!(pace.ahead(now + MEMORY), 0);
    }
}
