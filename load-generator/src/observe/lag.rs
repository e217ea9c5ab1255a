//! How far replicas are behind: what the primary says of all that stream from it, and what each named one says of itself.
//!
//! The primary knows its standbys, and not which of them were named: one that nobody named says nothing of one that was named and does
//! not stream. So each named one is asked how far it has replayed.

use std::time::{Duration, Instant};

use crate::observe::backlog::Backlog;

/// What the primary says of its standbys, in bytes of WAL; `None` where it does not know.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Standbys {
    pub(super) count: u64,
    /// How much WAL there is in all.
    pub(super) written: Option<u64>,
    /// What the one that is furthest behind lacks of it.
    pub(super) missing: Option<u64>,
    /// How long ago that was written, as measured when it last reported.
    pub(super) delay: Option<Duration>,
}

/// How far the replica that is furthest behind is, over time.
#[derive(Debug, Default)]
pub(super) struct Lag(Backlog);

impl Lag {
    /// `None` unless the primary has as many standbys as there are replicas, and each of them has said once how far it has `replayed`.
    /// One that is silent has replayed at least what it said last.
    pub(super) fn of(
        &mut self,
        now: Instant,
        standbys: Standbys,
        replayed: &[Option<u64>],
    ) -> Option<Duration> {
        let (written, missing) = standbys.written.zip(standbys.missing)?;
        let replayed: Option<Vec<u64>> = replayed.iter().copied().collect();
        let are_all_there = replayed.as_ref().is_some_and(|all| all.len() as u64 <= standbys.count);
        let least = replayed.into_iter().flatten().min().unwrap_or(written);
        let behind = self.0.behind(now, written, written.saturating_sub(least).max(missing));
        are_all_there.then(|| standbys.delay.unwrap_or_default().max(behind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// One standby, which has everything but `missing`.
    fn standbys(written: u64, missing: u64) -> Standbys {
        let delay = Some(Duration::from_millis(2));
        Standbys { count: 1, written: Some(written), missing: Some(missing), delay }
    }

    /// In milliseconds, from second to second.
    fn lags(seconds: &[(Standbys, &[Option<u64>])]) -> Vec<Option<u128>> {
        let (start, mut lag) = (Instant::now(), Lag::default());
        let looks = (0..).zip(seconds).map(|(second, (standbys, replayed))| {
            lag.of(start + Duration::from_secs(second), *standbys, replayed).map(|lag| lag.as_millis())
        });
        looks.collect()
    }

    #[test]
    fn a_standby_that_nobody_named_does_not_speak_for_the_one_that_was() {
        let all = |mib: u64| standbys(mib * MIB, 0);
        let stands_still: &[Option<u64>] = &[Some(MIB)];
        let seconds = [(all(1), stands_still), (all(2), stands_still), (all(3), stands_still)];
        assert_eq!(lags(&seconds), [Some(2), Some(2), Some(1_000)]);
        assert_eq!(lags(&[(all(1), &[None])]), [None], "it has never said anything");
    }

    #[test]
    fn the_primary_is_believed_where_it_knows_of_more() {
        let [one, two, three] =
            [(1, 0), (2, 1), (3, 2)].map(|(all, missing)| standbys(all * MIB, missing * MIB));
        // It was asked a moment after the primary, or is not the one that is behind.
        let seconds: [(Standbys, &[Option<u64>]); 3] =
            [(one, &[Some(2 * MIB)]), (two, &[Some(3 * MIB)]), (three, &[Some(4 * MIB)])];
        assert_eq!(lags(&seconds), [Some(2), Some(2), Some(1_000)]);
        assert_eq!(lags(&[(one, &[])]), [Some(2)], "none was named");
    }

    #[test]
    fn it_is_not_known_where_one_does_not_stream() {
        let two: &[Option<u64>] = &[Some(MIB), Some(MIB)];
        assert_eq!(lags(&[(standbys(MIB, 0), two)]), [None]);
        assert_eq!(lags(&[(Standbys { count: 2, ..Standbys::default() }, two)]), [None], "without the right");
    }
}
