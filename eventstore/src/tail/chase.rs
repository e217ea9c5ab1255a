//! How a tip is waited for that the servers have not shown yet.

use std::time::Duration;

use tokio::time::Instant;

use crate::notifier::Tip;
use crate::position::Position;

/// How long until a server is asked again that has not come as far as the tip.
const PAUSES_MS: [u64; 6] = [1, 2, 5, 10, 20, 50];
/// After so long a tip is taken for wrong: it was lost in a failover, or nobody has it.
const PATIENCE: Duration = Duration::from_secs(60);
/// The longest that a tip is left alone.
const LONGEST_LEAD: Duration = Duration::from_millis(5);

/// The chase of the task of a tail.
#[derive(Debug, Default)]
pub(super) struct Chase {
    chased: Option<Chased>,
    /// How long the last tip took to be shown: so long the next one is left alone first.
    replay_takes: Duration,
}

/// A tip that the servers have not shown yet.
#[derive(Debug)]
struct Chased {
    tip: Position,
    since: Instant,
    times: usize,
}

impl Chase {
    /// How long news are to be left alone.
    pub(super) fn lead(&self) -> Duration {
        if self.chased.is_none() { self.replay_takes } else { Duration::ZERO }
    }

    /// Begins to chase a tip that lies beyond the task's place, if that is not chased already.
    pub(super) fn hears(&mut self, tip: Position, place: Position) {
        let is_chased = self.chased.as_ref().is_some_and(|chased| chased.tip == tip);
        if tip > place && !is_chased {
            self.chased = Some(Chased { tip, since: Instant::now(), times: 0 });
        }
    }

    /// How long until the next look; `None` if nothing is chased.
    pub(super) fn pause(&mut self) -> Option<Duration> {
        let chased = self.chased.as_mut()?;
        let pause = PAUSES_MS[chased.times.min(PAUSES_MS.len() - 1)];
        chased.times += 1;
        Some(Duration::from_millis(pause))
    }

    /// Ends where the task has come as far, or after a long time. Then the tip was wrong, and is taken back: what the log says next
    /// may lie before it.
    pub(super) fn comes_to(&mut self, place: Position, tip: &Tip) {
        let is_over = |chased: &mut Chased| chased.tip <= place || chased.since.elapsed() > PATIENCE;
        let Some(chased) = self.chased.take_if(is_over) else { return };
        if chased.tip > place {
            tip.is_not_at(chased.tip, place);
        }
        let took = self.replay_takes + chased.since.elapsed();
        self.replay_takes =
            if chased.times > 0 { took.min(LONGEST_LEAD) } else { self.replay_takes.mul_f64(0.9) };
    }

    /// Nobody waits any more.
    pub(super) fn ends(&mut self) {
        self.chased = None;
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_tip_that_was_lost_does_not_keep_from_chasing_what_came_in_its_place() {
        let (tip, mut chase, place) = (Tip::default(), Chase::default(), Position::new(8));
        let furthest = || *tip.watch().borrow();
        tip.is_at(Position::new(10));
        chase.hears(furthest(), place);
        assert!(chase.pause().is_some());
        advance(PATIENCE * 2).await;
        chase.comes_to(place, &tip);
        chase.hears(furthest(), place);
        assert_eq!(chase.pause(), None, "nobody has it");
        tip.is_at(Position::new(9));
        chase.hears(furthest(), place);
        assert!(chase.pause().is_some(), "a replica may not have replayed it");
        chase.comes_to(Position::new(9), &tip);
        assert_eq!((chase.pause(), furthest()), (None, Position::new(9)));
    }
}
