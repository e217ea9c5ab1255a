//! A load that somebody else is at, for one who waits for it.

use std::sync::Arc;

use tokio::sync::watch;

use crate::position::Position;

pub(super) struct Underway<V> {
    pub(super) told: watch::Receiver<Option<(Arc<V>, Position)>>,
    /// How new the value has to be.
    pub(super) at_least: Position,
}

impl<V> Underway<V> {
    /// The value, when it is there; none if it is not new enough, or none came.
    pub(super) async fn value(mut self) -> Option<Arc<V>> {
        let loaded = match self.told.wait_for(Option::is_some).await {
            Ok(loaded) => loaded.clone(),
            Err(_) => None,
        };
        loaded.filter(|(_, position)| *position >= self.at_least).map(|(value, _)| value)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::*;
    use crate::cache::entries::{Entries, Look, Ticket};

    fn at(position: u64) -> Position {
        Position::new(position)
    }

    fn begin(entries: &mut Entries<u32>, now: Instant) -> Ticket<u32> {
        match entries.look("a", Position::START, now) {
            Look::Absent(ticket) => ticket,
            Look::Kept(_) | Look::Underway(_) => panic!("nothing is there yet"),
        }
    }

    fn wait(entries: &mut Entries<u32>, at_least: u64, now: Instant) -> Underway<u32> {
        match entries.look("a", at(at_least), now) {
            Look::Underway(underway) => underway,
            Look::Kept(_) | Look::Absent(_) => panic!("it is being loaded"),
        }
    }

    #[tokio::test]
    async fn who_waits_is_given_what_was_loaded_if_it_has_the_events_that_had_come_before() {
        let (mut entries, now) = (Entries::new(2, Duration::from_secs(30)), Instant::now());
        entries.begin(at(10), now);
        let ticket = begin(&mut entries, now);
        let (early, demanding) = (wait(&mut entries, 0, now), wait(&mut entries, 13, now));
        entries.has_changed("a", at(12));
        let late = wait(&mut entries, 0, now);
        ticket.tell.send_replace(Some((Arc::new(1), at(11))));
        drop(ticket);
        assert_eq!(early.value().await.as_deref(), Some(&1));
        assert_eq!((demanding.value().await, late.value().await), (None, None));
        entries.clear();
        let ticket = begin(&mut entries, now);
        let left = wait(&mut entries, 0, now);
        drop(ticket);
        assert_eq!(left.value().await, None);
    }
}
