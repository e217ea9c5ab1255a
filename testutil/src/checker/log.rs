//! The log as it stands after the run.

use std::collections::HashMap;
use std::ops::Range;

use serde_json::Value;
use uuid::Uuid;

use super::actions::Digest;
use super::filter::{Filter, Item, Predicate, Scalar, scalar};

/// An event of the log.
#[derive(Debug, Clone, PartialEq)]
pub struct LogEvent {
    /// Where it stands.
    pub position: u64,
    /// Its id.
    pub id: Uuid,
    /// Its type.
    pub event_type: String,
    /// Its payload.
    pub payload: Value,
    /// Its metadata.
    pub metadata: Value,
}

/// All events, in the order of their positions.
#[derive(Debug, Clone)]
pub struct Log {
    events: Vec<LogEvent>,
    by_id: HashMap<Uuid, Vec<usize>>,
    by_type: HashMap<String, Vec<usize>>,
    by_value: HashMap<(Vec<String>, Scalar), Vec<usize>>,
}

impl LogEvent {
    /// An event with an id of its own.
    #[must_use]
    pub fn new(position: u64, event_type: &str, payload: Value, metadata: Value) -> Self {
        Self { position, id: Uuid::now_v7(), event_type: event_type.to_owned(), payload, metadata }
    }

    /// What is kept of it in a history.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::new(self.id, &self.event_type, &self.payload, &self.metadata)
    }
}

impl Log {
    /// Sorts the events by position and notes where they can be found.
    #[must_use]
    pub fn new(mut events: Vec<LogEvent>) -> Self {
        events.sort_by_key(|event| event.position);
        let mut log = Self {
            events: Vec::new(),
            by_id: HashMap::new(),
            by_type: HashMap::new(),
            by_value: HashMap::new(),
        };
        for (place, event) in events.iter().enumerate() {
            log.by_id.entry(event.id).or_default().push(place);
            log.by_type.entry(event.event_type.clone()).or_default().push(place);
            log.note_values(place, &event.payload, &mut Vec::new());
        }
        log.events = events;
        log
    }

    /// The events.
    #[must_use]
    pub fn events(&self) -> &[LogEvent] {
        &self.events
    }

    /// The highest position; 0 of an empty log.
    #[must_use]
    pub fn head(&self) -> u64 {
        self.events.last().map_or(0, |event| event.position)
    }

    pub(super) fn at(&self, position: u64) -> Option<&LogEvent> {
        let place = self.events.partition_point(|event| event.position < position);
        self.events.get(place).filter(|event| event.position == position)
    }

    /// Where an event stands: nowhere, or in one place if the log is sound.
    pub fn with_id(&self, id: &Uuid) -> impl Iterator<Item = &LogEvent> {
        self.by_id.get(id).into_iter().flatten().map(|place| &self.events[*place])
    }

    /// The events that match, with positions in (after, up to], ascending.
    pub(super) fn matching(&self, filter: &Filter, (after, up_to): (u64, u64)) -> Vec<&LogEvent> {
        let range = self.places(after, up_to);
        if filter.items.is_empty() {
            return self.events[range].iter().collect();
        }
        let mut places: Vec<usize> =
            filter.items.iter().flat_map(|item| self.places_of(item, range.clone()).flatten()).collect();
        places.sort_unstable();
        places.dedup();
        places.into_iter().map(|place| &self.events[place]).collect()
    }

    /// The first event that matches, with a position in (after, up to].
    pub(super) fn first_match(&self, filter: &Filter, (after, up_to): (u64, u64)) -> Option<&LogEvent> {
        let range = self.places(after, up_to);
        if filter.items.is_empty() {
            return self.events[range].first();
        }
        let places = filter.items.iter().flat_map(|item| self.places_of(item, range.clone()));
        places.filter_map(|mut ascending| ascending.next()).min().map(|place| &self.events[place])
    }

    fn places(&self, after: u64, up_to: u64) -> Range<usize> {
        let from = self.events.partition_point(|event| event.position <= after);
        from..self.events.partition_point(|event| event.position <= up_to).max(from)
    }

    /// Where an item matches within a range: several lists, each ascending, which may have places in common. What can match
    /// is found by a value or a type; what does is decided by the event itself.
    fn places_of<'a>(
        &'a self,
        item: &'a Item,
        range: Range<usize>,
    ) -> impl Iterator<Item = impl Iterator<Item = usize> + 'a> + use<'a> {
        let found = |predicate: &Predicate| {
            let key = scalar(&predicate.value).map(|value| (predicate.path.clone(), value));
            within(key.and_then(|key| self.by_value.get(&key)), &range)
        };
        let candidates: Vec<Candidates<'a>> =
            if let Some(rarest) = item.all.iter().map(found).min_by_key(|places| places.len()) {
                vec![Candidates::Listed(rarest.iter())]
            } else if !item.any.is_empty() {
                item.any.iter().map(|predicate| Candidates::Listed(found(predicate).iter())).collect()
            } else if !item.event_types.is_empty() {
                let of_type = |wanted| Candidates::Listed(within(self.by_type.get(wanted), &range).iter());
                item.event_types.iter().map(of_type).collect()
            } else {
                vec![Candidates::Every(range.clone())]
            };
        candidates.into_iter().map(|candidates| {
            candidates
                .filter(|place| item.matches(&self.events[*place].event_type, &self.events[*place].payload))
        })
    }

    /// Every value that a path may lead to. An array among the elements of an array is not looked into.
    fn note_values(&mut self, place: usize, value: &Value, path: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                for (key, field) in fields {
                    path.push(key.clone());
                    self.note_values(place, field, path);
                    path.pop();
                }
            }
            Value::Array(elements) => {
                for element in elements.iter().filter(|element| !element.is_array()) {
                    self.note_values(place, element, path);
                }
            }
            _ => {
                if let Some(scalar) = scalar(value) {
                    let places = self.by_value.entry((path.clone(), scalar)).or_default();
                    if places.last() != Some(&place) {
                        places.push(place);
                    }
                }
            }
        }
    }
}

/// Places of events that may match, ascending.
enum Candidates<'a> {
    Listed(std::slice::Iter<'a, usize>),
    Every(Range<usize>),
}

impl Iterator for Candidates<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        match self {
            Self::Listed(places) => places.next().copied(),
            Self::Every(range) => range.next(),
        }
    }
}

fn within<'a>(places: Option<&'a Vec<usize>>, range: &Range<usize>) -> &'a [usize] {
    let places = places.map_or(&[][..], Vec::as_slice);
    let from = places.partition_point(|place| *place < range.start);
    let to = places.partition_point(|place| *place < range.end);
    &places[from..to.max(from)]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn predicate() -> impl Strategy<Value = Predicate> {
        (prop_oneof!["a", "b"], 0..4)
            .prop_map(|(key, value)| Predicate { path: vec![key], value: json!(value) })
    }

    fn item() -> impl Strategy<Value = Item> {
        let types = proptest::collection::vec(prop_oneof!["X", "Y"], 0..3);
        let predicates = || proptest::collection::vec(predicate(), 0..3);
        (types, predicates(), predicates()).prop_map(|(event_types, any, all)| Item { event_types, any, all })
    }

    fn event() -> impl Strategy<Value = (String, Value)> {
        let payload = (0..4, 0..4).prop_map(|(a, b)| json!({"a": [a, {"b": b}], "b": b}));
        (prop_oneof!["X", "Y", "Z"], payload)
    }

    proptest! {
        #[test]
        fn what_is_found_is_what_matches(
            events in proptest::collection::vec(event(), 0..40),
            items in proptest::collection::vec(item(), 0..3),
            after in 0_u64..50,
            up_to in 0_u64..50,
        ) {
            // Positions with gaps.
            let events = events.into_iter().zip(1..).map(|((event_type, payload), nth)| {
                LogEvent::new(nth + nth / 5, &event_type, payload, json!({}))
            });
            let log = Log::new(events.collect());
            let filter = Filter { items };
            let is_match = |event: &&LogEvent| {
                event.position > after
                    && event.position <= up_to
                    && filter.matches(&event.event_type, &event.payload)
            };
            let expected: Vec<&LogEvent> = log.events().iter().filter(is_match).collect();
            prop_assert_eq!(log.matching(&filter, (after, up_to)), expected.clone());
            prop_assert_eq!(log.first_match(&filter, (after, up_to)), expected.first().copied());
        }
    }
}
