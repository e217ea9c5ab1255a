//! How fast a member's events are taken, and with it how many are to be claimed before anybody asks: pure, no IO.
//!
//! Takers that are fast would wait for a claim each time they come back. What they take within the next [`AHEAD`] is claimed beforehand,
//! so that claims run while events are handled, and fewer of them are needed. An event that was claimed ahead waits about so long, and
//! not longer than [`KEPT`]: then it is handed back, for members that are free. Slow takers have nothing claimed ahead.

use std::time::Duration;

use tokio::time::Instant;

/// For how long claims are to suffice: several times a claim's round trip in one data centre, and nothing to a person.
const AHEAD: Duration = Duration::from_millis(20);
/// How long what nobody asks for is kept.
const KEPT: Duration = Duration::from_millis(50);
/// How long what was taken counts: less and less, exponentially, with this time constant.
const MEMORY: Duration = Duration::from_millis(100);

/// The pace of one member.
#[derive(Debug)]
pub(super) struct Pace {
    /// How many were taken lately, each counting the less the longer ago it was.
    taken: f64,
    last: Instant,
    /// Since when there has been something that nobody has asked for.
    unasked_since: Option<Instant>,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self { taken: 0.0, last: now, unasked_since: None }
    }

    /// Somebody asks for an event.
    pub(super) fn is_asked(&mut self, now: Instant) {
        self.taken = self.at(now) + 1.0;
        (self.last, self.unasked_since) = (now, None);
    }

    /// How many events there should be that nobody has asked for yet.
    pub(super) fn ahead(&self, now: Instant) -> usize {
        (self.at(now) * AHEAD.div_duration_f64(MEMORY)) as usize
    }

    /// So many events are there that nobody has asked for; with when they are to be handed back, if there are any.
    pub(super) fn kept_until(&mut self, unasked: usize, now: Instant) -> Option<Instant> {
        match unasked {
            0 => self.unasked_since = None,
            _ => _ = self.unasked_since.get_or_insert(now),
        }
        self.unasked_since.map(|since| since + KEPT)
    }

    fn at(&self, now: Instant) -> f64 {
        self.taken * (-now.duration_since(self.last).div_duration_f64(MEMORY)).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asked every so often, for a second.
    fn paced(every: Duration) -> (Pace, Instant) {
        let mut now = Instant::now();
        let (mut pace, end) = (Pace::new(now), now + Duration::from_secs(1));
        while now < end {
            now += every;
            pace.is_asked(now);
        }
        (pace, now)
    }

    #[test]
    fn twenty_milliseconds_are_claimed_ahead() {
        let ahead = |every| {
            let (pace, now) = paced(every);
            pace.ahead(now)
        };
        assert_eq!(ahead(Duration::from_millis(200)), 0, "slow takers have nothing claimed ahead");
        assert_eq!(ahead(Duration::from_millis(5)), 4);
        assert!((195..=205).contains(&ahead(Duration::from_micros(100))));
    }

    #[test]
    fn who_stops_asking_is_forgotten() {
        let (pace, now) = paced(Duration::from_millis(1));
        assert_eq!(pace.ahead(now), 20);
        assert_eq!(pace.ahead(now + MEMORY), 7);
        assert_eq!(pace.ahead(now + 10 * MEMORY), 0);
    }

    #[test]
    fn what_nobody_asks_for_is_kept_for_a_moment() {
        let (mut pace, now) = paced(Duration::from_secs(1));
        let at = |ms| now + Duration::from_millis(ms);
        assert_eq!(pace.kept_until(0, now), None);
        assert_eq!(pace.kept_until(3, at(1)), Some(at(1) + KEPT), "however long ago somebody asked");
        assert_eq!(pace.kept_until(2, at(20)), Some(at(1) + KEPT));
        pace.is_asked(at(30));
        assert_eq!(pace.kept_until(1, at(31)), Some(at(31) + KEPT), "somebody has asked");
        assert_eq!(pace.kept_until(0, at(32)), None, "all is taken");
        assert_eq!(pace.kept_until(1, at(90)), Some(at(90) + KEPT));
    }
}
