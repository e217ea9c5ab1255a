//! How much a claim asks for: half after one that timed out, down to one event, as its events may be large; twice after one that was quick.
//! Pure, no IO.

use std::time::Duration;

/// Beyond that every claim is for one event.
const MOST_HALVINGS: u32 = 16;
/// So much of its patience a claim may take if twice as much is to be asked for: each that times out is an attempt of its events.
const QUICK: u32 = 4;

/// By how much claims are smaller than they would be.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Size {
    halvings: u32,
}

impl Size {
    /// How many events are claimed for so many that are wanted.
    pub(super) fn limit(self, wanted: usize) -> usize {
        (wanted >> self.halvings).max(1)
    }

    /// How many of those that follow one under its key are claimed with it, of so many at most.
    pub(super) fn run(self, most: i32) -> i32 {
        most >> self.halvings
    }

    /// A claim has timed out.
    pub(super) fn was_too_large(&mut self) {
        self.halvings = (self.halvings + 1).min(MOST_HALVINGS);
    }

    /// A claim has worked, in such a time.
    pub(super) fn was_right(&mut self, took: Duration, patience: Duration) {
        if took < patience / QUICK {
            self.halvings = self.halvings.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(4);

    #[test]
    fn claims_are_halved_down_to_one_event_and_grow_again() {
        let mut size = Size::default();
        assert_eq!((size.limit(50), size.run(31)), (50, 31));
        for expected in [(25, 15), (12, 7), (6, 3), (3, 1), (1, 0), (1, 0)] {
            size.was_too_large();
            assert_eq!((size.limit(50), size.run(31)), expected);
        }
        for _ in 0..100 {
            size.was_too_large();
        }
        assert_eq!((size.limit(usize::MAX >> 48), size.run(31)), (1, 0));
        for _ in 0..MOST_HALVINGS {
            size.was_right(Duration::ZERO, PATIENCE);
        }
        assert_eq!((size.limit(50), size.run(31)), (50, 31));
    }

    #[test]
    fn what_is_as_much_as_can_be_had_in_time_does_not_grow() {
        let mut size = Size::default();
        size.was_too_large();
        size.was_right(PATIENCE / QUICK, PATIENCE);
        assert_eq!(size.limit(50), 25);
        size.was_right(PATIENCE / QUICK - Duration::from_millis(1), PATIENCE);
        assert_eq!(size.limit(50), 50);
    }
}
