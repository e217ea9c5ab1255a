//! Who tells of new events, and who hears of it.
//!
//! Notifications only wake: what they say may be late, or wrong, or missing, and whoever waits looks for itself now and then. So
//! nothing here has to be reliable, and nothing stands in an append's way.
//!
//! *Announcing.* Each handle has one [`Announcer`]. What the writer or an import has appended wakes those who wait in this handle
//! at once, and is said to other handles by `NOTIFY`, which takes a lock of its own in the server when it commits: so it is sent
//! outside the append, on a connection of the readers' pool, at most once in [`GAP`](announcer), with the furthest position alone,
//! and not flushed. A notification that fails is not sent again.
//!
//! *Listening.* A handle with subscriptions or groups has one [`listener`] on the primary (`LISTEN` does not work on a standby), with a
//! connection of its own. When that is lost it connects again, with growing pauses, and wakes everybody, as it may have missed something.
//! It asks the server for a sign of life, too: a line that was cut without a word says nothing, for ever.
//!
//! *Work.* Members of consumer groups tell each other of what they have handed back, on the same channel.
//!
//! *The tip* is how far the log was said to be. Each news of it wakes, also one of a lower position.

mod announcer;
mod channel;
mod listener;

use tokio::sync::watch;

pub(crate) use announcer::Announcer;
pub(crate) use channel::Channel;
pub(crate) use listener::{Listener, listen};

use crate::position::Position;

/// By how much news that overtake each other differ at most.
const FAR: u64 = 10_000;
/// What stands before the number of a group in a notification.
const WORK: &str = "work ";

/// How far the log was said to be last; and which group was said to have work that its members do not know of.
#[derive(Debug, Default)]
pub(crate) struct Tip {
    head: watch::Sender<Position>,
    work: watch::Sender<i32>,
}

impl Tip {
    /// Wakes whoever waits for events. The highest position counts, as what several say comes in any order; unless it is much
    /// lower: then a failover has lost what was said before.
    pub(crate) fn is_at(&self, position: Position) {
        self.head.send_modify(|head| {
            let is_another_history = position.get().saturating_add(FAR) < head.get();
            *head = if is_another_history { position } else { position.max(*head) };
        });
    }

    /// Takes back a position that nobody has: it was lost in a failover, or never there. Wakes nobody.
    pub(crate) fn is_not_at(&self, position: Position, reached: Position) {
        self.head.send_if_modified(|head| {
            if *head == position {
                *head = reached;
            }
            false
        });
    }

    /// Wakes the members of a group.
    pub(crate) fn has_work(&self, group: i32) {
        self.work.send_replace(group);
    }

    /// What a notification says. Anybody in the database may send one: of what can not be a position it only wakes.
    fn was_told(&self, text: &str) {
        match text.strip_prefix(WORK) {
            Some(group) => self.has_work(group.parse().unwrap_or_default()),
            None => match text.parse::<u64>().ok().filter(|position| i64::try_from(*position).is_ok()) {
                Some(position) => self.is_at(Position::new(position)),
                None => self.may_have_moved(),
            },
        }
    }

    /// Wakes whoever waits, as something may have been missed.
    fn may_have_moved(&self) {
        self.head.send_modify(|_| {});
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Position> {
        self.head.subscribe()
    }

    pub(crate) fn watch_work(&self) -> watch::Receiver<i32> {
        self.work.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(news: &[&str]) -> u64 {
        let tip = Tip::default();
        news.iter().for_each(|news| tip.was_told(news));
        tip.watch().borrow().get()
    }

    #[test]
    fn the_furthest_counts_unless_it_is_of_another_history() {
        assert_eq!(after(&["7", "9", "8"]), 9, "news overtake each other");
        assert_eq!(after(&["50000", "40"]), 40, "a failover has lost it");
        assert_eq!(after(&["7", "work 3", "nonsense"]), 7);
        assert_eq!(after(&["50000", "nonsense"]), 50_000, "it says nothing of the log");
        assert_eq!(after(&["7", "18446744073709551615", "9223372036854775808", "-1", "8"]), 8);
        assert_eq!(after(&["9223372036854775807", "7"]), 7, "whoever lied is found out");
    }

    #[tokio::test]
    async fn all_news_wake() {
        let tip = Tip::default();
        let (mut head, mut work) = (tip.watch(), tip.watch_work());
        for news in ["7", "5"] {
            tip.was_told(news);
            assert!(head.has_changed().unwrap() && !work.has_changed().unwrap(), "{news}");
            head.mark_unchanged();
        }
        tip.was_told("work 3");
        assert!(!head.has_changed().unwrap() && work.has_changed().unwrap());
        work.mark_unchanged();
        tip.may_have_moved();
        assert!(head.has_changed().unwrap());
    }
}
