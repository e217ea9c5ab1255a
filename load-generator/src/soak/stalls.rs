//! Requests that took too long, and what went on meanwhile: pure, no IO.

use std::time::Duration;

use crate::figure::Unit;
use crate::observe::{Mark, MarkKind};
use crate::report::Second;
use crate::soak::sentinel::HitchKind;
use crate::soak::{Hitch, Stall};

/// Who waits longer wants to know why, in milliseconds.
pub(super) const LONG_MS: f64 = 100.0;
/// Which share of a long wait the machine must have stood still for to count as its reason.
const EXPLAINING_SHARE: f64 = 0.5;
/// Marks of the servers are exact to a second.
const MARKS_WITHIN_S: f64 = 1.0;

/// What may have held requests up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Surroundings<'a> {
    pub(super) marks: &'a [Mark],
    pub(super) hitches: &'a [Hitch],
}

impl Surroundings<'_> {
    /// Seconds with a request that took too long; those in a row are one stall where the same was beside them.
    pub(super) fn stalls(self, timeline: &[Second]) -> Vec<Stall> {
        let mut stalls: Vec<Stall> = Vec::new();
        let long =
            timeline.iter().filter_map(|second| Some((second, second.max_ms.filter(|ms| *ms > LONG_MS)?)));
        for (second, max_ms) in long {
            let beside = self.beside(second, max_ms);
            match stalls.last_mut() {
                Some(stall) if stall.at_s + stall.seconds == second.at_s && stall.beside == beside => {
                    stall.seconds += 1;
                    stall.max_ms = stall.max_ms.max(max_ms);
                }
                _ => stalls.push(Stall { at_s: second.at_s, seconds: 1, max_ms, beside }),
            }
        }
        stalls
    }

    /// What went on while the slowest request of a second waited. A checkpoint counts where it begins, as the first change of each
    /// page writes the whole page to the WAL from there on, and where it ends, as it flushes what it wrote; not for the minutes
    /// between. Autovacuum too: half of a run may lie in one.
    fn beside(self, second: &Second, max_ms: f64) -> Vec<String> {
        let until = (second.at_s + 1) as f64;
        let from = second.at_s as f64 - max_ms / 1e3;
        let mut beside = self.hitches(from, until, Duration::from_secs_f64(max_ms * EXPLAINING_SHARE / 1e3));
        let (from, until) = (from - MARKS_WITHIN_S, until + MARKS_WITHIN_S);
        let is_near = |at: f64| at > from && at < until;
        for mark in self.marks {
            let counts = match mark.kind {
                MarkKind::Checkpoint | MarkKind::Autovacuum => {
                    is_near(mark.at_s) || mark.until_s.is_some_and(is_near)
                }
                MarkKind::Unreachable => mark.at_s < until && mark.until_s.is_none_or(|ended| ended > from),
                MarkKind::Repeat | MarkKind::Interrupted => false,
            };
            if counts {
                beside.push(mark.text.clone());
            }
        }
        beside
    }

    /// When the machine stood still for so long.
    fn hitches(self, from: f64, until: f64, least: Duration) -> Vec<String> {
        let mut told = Vec::new();
        for what in [HitchKind::Processor, HitchKind::Disk] {
            let at_that_time = |hitch: &&Hitch| {
                hitch.what == what && hitch.from_s < until && hitch.from_s + hitch.took.as_secs_f64() > from
            };
            let longest = self.hitches.iter().filter(at_that_time).map(|hitch| hitch.took).max();
            if let Some(took) = longest.filter(|took| *took >= least) {
                let ms = Unit::Milliseconds.say(took.as_secs_f64() * 1e3);
                told.push(match what {
                    HitchKind::Processor => format!("a thread that slept woke up {ms} late"),
                    HitchKind::Disk => format!("a flush of one page took {ms}"),
                });
            }
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(at_s: u64, max_ms: f64) -> Second {
        Second { at_s, max_ms: Some(max_ms), ..Second::default() }
    }

    fn mark(kind: MarkKind, at_s: f64, until_s: f64) -> Mark {
        Mark { at_s, until_s: Some(until_s), kind, text: format!("{kind:?}") }
    }

    fn hitch(what: HitchKind, from_s: f64, ms: u64) -> Hitch {
        Hitch { from_s, took: Duration::from_millis(ms), what }
    }

    #[test]
    fn a_long_wait_has_a_reason_only_if_something_was_beside_it() {
        let beside = |marks: &[Mark], hitches: &[Hitch]| {
            Surroundings { marks, hitches }.beside(&second(60, 300.0), 300.0).len()
        };
        assert_eq!(beside(&[], &[]), 0);
        // The middle of a long checkpoint or vacuum is no reason, its ends are.
        for kind in [MarkKind::Checkpoint, MarkKind::Autovacuum] {
            assert_eq!(beside(&[mark(kind, 20.0, 90.0)], &[]), 0);
            assert_eq!(beside(&[mark(kind, 20.0, 60.0)], &[]), 1);
            assert_eq!(beside(&[mark(kind, 61.0, 90.0)], &[]), 1);
            assert_eq!(beside(&[mark(kind, 20.0, 57.0)], &[]), 0);
        }
        assert_eq!(beside(&[mark(MarkKind::Unreachable, 20.0, 90.0)], &[]), 1);
        assert_eq!(beside(&[mark(MarkKind::Repeat, 60.0, 60.0)], &[]), 0);
        // A hitch must be long enough, and of that time.
        let disk = |from_s, ms| hitch(HitchKind::Disk, from_s, ms);
        assert_eq!(beside(&[], &[disk(60.2, 149)]), 0);
        assert_eq!(beside(&[], &[disk(60.2, 151), disk(60.5, 170)]), 1);
        assert_eq!(beside(&[], &[disk(59.0, 151)]), 0);
        assert_eq!(beside(&[], &[disk(60.2, 151), hitch(HitchKind::Processor, 60.0, 200)]), 2);
    }

    #[test]
    fn a_reason_is_one_for_its_own_seconds_alone() {
        let slow = [(3, 120.0), (4, 90.0), (7, 101.0), (8, 150.0), (9, 140.0), (10, 180.0)];
        let timeline = slow.map(|(at_s, max_ms)| second(at_s, max_ms));
        let marks = [mark(MarkKind::Autovacuum, 10.5, 10.8)];
        let stalls = Surroundings { marks: &marks, hitches: &[] }.stalls(&timeline);
        let told: Vec<_> = stalls
            .iter()
            .map(|stall| (stall.at_s, stall.seconds, stall.max_ms, stall.beside.len()))
            .collect();
        assert_eq!(told, [(3, 1, 120.0, 0), (7, 2, 150.0, 0), (9, 2, 180.0, 1)]);
    }
}
