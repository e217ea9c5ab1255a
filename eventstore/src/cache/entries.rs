//! What is kept, by key, and what is being loaded. It asks nobody, not even the clock.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::cache::underway::Underway;
use crate::position::Position;

pub(super) struct Entries<V> {
    capacity: usize,
    max_age: Duration,
    /// None where nobody tells of events.
    heard: Option<Heard>,
    /// The last event with a key; or from where on events are told.
    seen: Position,
    kept: HashMap<Arc<str>, Kept<V>>,
    /// The keys of what is kept, the one that was used longest ago first.
    by_use: BTreeMap<u64, Arc<str>>,
    loads: HashMap<Arc<str>, Load<V>>,
    /// The last number of a use or a load.
    number: u64,
}

/// When it was heard last that all events up to a place have been told.
#[derive(Debug, Clone, Copy)]
pub(super) struct Heard {
    pub(super) at: Instant,
    pub(super) place: Position,
}

struct Kept<V> {
    value: Arc<V>,
    /// Up to where the value is complete.
    position: Position,
    begun_at: Instant,
    used: u64,
}

/// A load that is under way.
struct Load<V> {
    number: u64,
    told: watch::Receiver<Option<(Arc<V>, Position)>>,
    begun_at: Instant,
    /// The last event with a key when it began.
    seen: Position,
    /// The last event with its own key since.
    outdated_by: Position,
}

/// What there is for a key.
pub(super) enum Look<V> {
    Kept(Arc<V>),
    /// Somebody loads it already.
    Underway(Underway<V>),
    /// Whoever has the ticket is to load it.
    Absent(Ticket<V>),
}

/// For the one who loads.
pub(super) struct Ticket<V> {
    key: Arc<str>,
    number: u64,
    pub(super) tell: watch::Sender<Option<(Arc<V>, Position)>>,
}

impl<V> Entries<V> {
    pub(super) fn new(capacity: usize, max_age: Duration) -> Self {
        Self {
            capacity,
            max_age,
            heard: None,
            seen: Position::START,
            kept: HashMap::new(),
            by_use: BTreeMap::new(),
            loads: HashMap::new(),
            number: 0,
        }
    }

    /// Events after a position are told from now on: what is complete up to less is not kept.
    pub(super) fn begin(&mut self, after: Position, now: Instant) {
        self.clear();
        self.seen = after;
        self.heard = Some(Heard { at: now, place: after });
    }

    /// Events are not told any more.
    pub(super) fn end(&mut self) {
        self.clear();
        self.heard = None;
    }

    /// Drops everything. Loads that are under way are not kept.
    pub(super) fn clear(&mut self) {
        self.kept.clear();
        self.by_use.clear();
        self.loads.clear();
    }

    pub(super) fn heard(&self) -> Option<Heard> {
        self.heard
    }

    /// All events up to a place have been told. After a silence that was longer than anybody is patient there may be many more to come, and
    /// what was kept goes.
    pub(super) fn hears(&mut self, place: Position, now: Instant, patience: Duration) {
        let Some(heard) = self.heard else { return };
        if now.saturating_duration_since(heard.at) >= patience {
            self.clear();
        }
        self.heard = Some(Heard { at: now, place: place.max(heard.place) });
    }

    /// How many are kept, those included that have become too old and were not asked for since.
    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }

    /// What there is for a key that is complete up to a position.
    pub(super) fn look(&mut self, key: &str, at_least: Position, now: Instant) -> Look<V> {
        self.number += 1;
        let number = self.number;
        if let Some(kept) = self.kept.get_mut(key) {
            if now.saturating_duration_since(kept.begun_at) >= self.max_age {
                self.remove(key);
            } else if kept.position >= at_least {
                if let Some(name) = self.by_use.remove(&kept.used) {
                    self.by_use.insert(number, name);
                }
                kept.used = number;
                return Look::Kept(Arc::clone(&kept.value));
            }
        }
        if let Some(load) = self.loads.get(key) {
            // Who comes after an event wants a value that has it; who came before it need not.
            let at_least = at_least.max(load.outdated_by);
            return Look::Underway(Underway { told: load.told.clone(), at_least });
        }
        let key: Arc<str> = key.into();
        let (tell, told) = watch::channel(None);
        let load = Load { number, told, begun_at: now, seen: self.seen, outdated_by: Position::START };
        self.loads.insert(Arc::clone(&key), load);
        Look::Absent(Ticket { key, number, tell })
    }

    /// A load has ended: keeps its value, if that is new enough.
    pub(super) fn lands(&mut self, ticket: &Ticket<V>, value: &Arc<V>, position: Position) {
        let Some(load) = self.take_load(ticket) else { return };
        let key = &ticket.key;
        let is_older = self.kept.get(key).is_some_and(|kept| kept.position > position);
        if is_older || position < load.seen.max(load.outdated_by) {
            return;
        }
        self.remove(key);
        if self.kept.len() >= self.capacity
            && let Some((_, oldest)) = self.by_use.pop_first()
        {
            self.kept.remove(&oldest);
        }
        let (value, begun_at, used) = (Arc::clone(value), load.begun_at, ticket.number);
        self.by_use.insert(used, Arc::clone(key));
        self.kept.insert(Arc::clone(key), Kept { value, position, begun_at, used });
    }

    /// A load is over, with a value or without.
    pub(super) fn is_over(&mut self, ticket: &Ticket<V>) {
        self.take_load(ticket);
    }

    /// There is an event with a key; whether an entry was dropped for it.
    pub(super) fn has_changed(&mut self, key: &str, at: Position) -> bool {
        self.seen = self.seen.max(at);
        if let Some(load) = self.loads.get_mut(key) {
            load.outdated_by = load.outdated_by.max(at);
        }
        let is_older = self.kept.get(key).is_some_and(|kept| kept.position < at);
        if is_older {
            self.remove(key);
        }
        is_older
    }

    /// Another load of the key may have begun, after everything was dropped.
    fn take_load(&mut self, ticket: &Ticket<V>) -> Option<Load<V>> {
        let load = self.loads.get(&ticket.key)?;
        if load.number == ticket.number { self.loads.remove(&ticket.key) } else { None }
    }

    fn remove(&mut self, key: &str) {
        if let Some(kept) = self.kept.remove(key) {
            self.by_use.remove(&kept.used);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX_AGE: Duration = Duration::from_secs(30);

    fn at(position: u64) -> Position {
        Position::new(position)
    }

    /// With events told from position 10 on.
    fn entries() -> (Entries<u32>, Instant) {
        let (mut entries, now) = (Entries::new(2, MAX_AGE), Instant::now());
        entries.begin(at(10), now);
        (entries, now)
    }

    fn begin(entries: &mut Entries<u32>, key: &str, now: Instant) -> Ticket<u32> {
        match entries.look(key, Position::START, now) {
            Look::Absent(ticket) => ticket,
            Look::Kept(value) => panic!("{key} is kept: {value}"),
            Look::Underway(_) => panic!("{key} is being loaded"),
        }
    }

    fn load(entries: &mut Entries<u32>, key: &str, value: u32, position: u64, now: Instant) {
        let ticket = begin(entries, key, now);
        entries.lands(&ticket, &Arc::new(value), at(position));
    }

    /// What is kept; a load that would be begun is not.
    fn kept(entries: &mut Entries<u32>, key: &str, at_least: u64, now: Instant) -> Option<u32> {
        match entries.look(key, at(at_least), now) {
            Look::Kept(value) => Some(*value),
            Look::Absent(ticket) => {
                entries.is_over(&ticket);
                None
            }
            Look::Underway(_) => None,
        }
    }

    #[test]
    fn an_event_drops_the_entry_of_its_key_if_that_does_not_have_it() {
        let (mut entries, now) = entries();
        load(&mut entries, "a", 1, 12, now);
        load(&mut entries, "b", 2, 12, now);
        assert!(!entries.has_changed("a", at(11)) && !entries.has_changed("a", at(12)), "it has them");
        assert!(!entries.has_changed("c", at(13)));
        assert!(entries.has_changed("a", at(14)));
        assert_eq!((kept(&mut entries, "a", 0, now), kept(&mut entries, "b", 0, now)), (None, Some(2)));
        assert!(!entries.has_changed("a", at(15)), "there is none any more");
    }

    #[test]
    fn a_load_is_kept_only_with_the_events_that_came_before_it_and_those_of_its_key_that_came_meanwhile() {
        let (mut entries, now) = entries();
        load(&mut entries, "a", 1, 9, now);
        assert_eq!(kept(&mut entries, "a", 0, now), None, "what came before the first place is not known");
        entries.has_changed("b", at(15));
        load(&mut entries, "a", 1, 14, now);
        assert_eq!(kept(&mut entries, "a", 0, now), None, "of a server that is behind");
        for (position, is_kept) in [(15, None), (16, Some(1)), (20, Some(1))] {
            let ticket = begin(&mut entries, "a", now);
            entries.has_changed("a", at(16));
            entries.lands(&ticket, &Arc::new(1), at(position));
            assert_eq!(kept(&mut entries, "a", 0, now), is_kept, "{position}");
            entries.has_changed("a", at(21));
            entries.seen = at(15);
        }
        let ticket = begin(&mut entries, "a", now);
        entries.has_changed("b", at(30));
        entries.lands(&ticket, &Arc::new(1), at(22));
        assert_eq!(kept(&mut entries, "a", 0, now), Some(1), "the event of another key is nothing to it");
    }

    #[test]
    fn what_is_complete_up_to_more_stays() {
        let (mut entries, now) = entries();
        load(&mut entries, "a", 1, 12, now);
        let Look::Absent(ticket) = entries.look("a", at(13), now) else { panic!("it is not new enough") };
        assert_eq!(kept(&mut entries, "a", 12, now), Some(1), "for others it is");
        entries.lands(&ticket, &Arc::new(0), at(11));
        assert_eq!(kept(&mut entries, "a", 0, now), Some(1));
        let Look::Absent(ticket) = entries.look("a", at(13), now) else { panic!("it is not new enough") };
        entries.lands(&ticket, &Arc::new(2), at(13));
        assert_eq!(kept(&mut entries, "a", 13, now), Some(2));
        assert_eq!(entries.by_use.len(), entries.len());
    }

    #[test]
    fn what_was_used_longest_ago_goes() {
        let (mut entries, now) = entries();
        load(&mut entries, "a", 1, 10, now);
        load(&mut entries, "b", 2, 10, now);
        assert_eq!(kept(&mut entries, "a", 0, now), Some(1));
        load(&mut entries, "c", 3, 10, now);
        let of = |entries: &mut Entries<u32>| ["a", "b", "c"].map(|key| kept(entries, key, 0, now));
        assert_eq!(of(&mut entries), [Some(1), None, Some(3)]);
        assert_eq!((entries.len(), entries.by_use.len(), entries.loads.len()), (2, 2, 0));
    }

    #[test]
    fn what_is_too_old_goes_when_it_is_asked_for() {
        let (mut entries, now) = entries();
        let ticket = begin(&mut entries, "a", now);
        entries.lands(&ticket, &Arc::new(1), at(10));
        let almost = now + MAX_AGE - Duration::from_millis(1);
        assert_eq!(kept(&mut entries, "a", 0, almost), Some(1), "using it makes it no younger");
        assert_eq!(kept(&mut entries, "a", 0, now + MAX_AGE), None);
        assert_eq!((entries.len(), entries.by_use.len()), (0, 0));
    }

    #[test]
    fn a_load_that_was_begun_before_everything_was_dropped_is_not_kept_and_another_may_begin() {
        let (mut entries, now) = entries();
        let before = begin(&mut entries, "a", now);
        entries.clear();
        let after = begin(&mut entries, "a", now);
        entries.lands(&before, &Arc::new(1), at(99));
        entries.is_over(&before);
        assert!(matches!(entries.look("a", Position::START, now), Look::Underway(_)), "the other one is");
        entries.lands(&after, &Arc::new(2), at(11));
        assert_eq!(kept(&mut entries, "a", 0, now), Some(2));
        entries.end();
        assert!(entries.heard().is_none() && entries.len() == 0);
        entries.hears(at(12), now, Duration::from_secs(1));
        assert!(entries.heard().is_none(), "nobody tells");
    }
}
