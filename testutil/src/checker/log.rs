//! The log as it stands after the run.

use std::collections::HashMap;
use std::ops::Range;

use serde_json::Value;
use uuid::Uuid;

use super::filter::{Filter, Item, Predicate, Scalar, scalar};
use super::history::Digest;

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

    pub(super) fn with_id(&self, id: &Uuid) -> impl Iterator<Item = &LogEvent> {
        self.by_id.get(id).into_iter().flatten().map(|place| &self.events[*place])
    }

    /// The events that match, with positions in (after, up to], ascending.
    pub(super) fn matching(&self, filter: &Filter, (after, up_to): (u64, u64)) -> Vec<&LogEvent> {
        let range = self.places(after, up_to);
        let mut places: Vec<usize> = if filter.items.is_empty() {
            range.collect()
        } else {
            filter.items.iter().flat_map(|item| self.matching_item(item, &range)).collect()
        };
        places.sort_unstable();
        places.dedup();
        places.into_iter().map(|place| &self.events[place]).collect()
    }

    /// An event that matches, with a position in (after, up to].
    pub(super) fn first_match(&self, filter: &Filter, bounds: (u64, u64)) -> Option<&LogEvent> {
        self.matching(filter, bounds).first().copied()
    }

    fn places(&self, after: u64, up_to: u64) -> Range<usize> {
        let from = self.events.partition_point(|event| event.position <= after);
        from..self.events.partition_point(|event| event.position <= up_to).max(from)
    }

    /// What can match is found by a value or a type; what does is decided by the event itself.
    fn matching_item(&self, item: &Item, range: &Range<usize>) -> Vec<usize> {
        let found = |predicate: &Predicate| {
            let key = scalar(&predicate.value).map(|value| (predicate.path.clone(), value));
            within(key.and_then(|key| self.by_value.get(&key)), range)
        };
        let of_types = || item.event_types.iter().flat_map(|wanted| within(self.by_type.get(wanted), range));
        let candidates: Vec<usize> =
            if let Some(rarest) = item.all.iter().map(found).min_by_key(|places| places.len()) {
                rarest.to_vec()
            } else if !item.any.is_empty() {
                item.any.iter().flat_map(found).copied().collect()
            } else if !item.event_types.is_empty() {
                of_types().copied().collect()
            } else {
                range.clone().collect()
            };
        let is_match =
            |place: &usize| item.matches(&self.events[*place].event_type, &self.events[*place].payload);
        candidates.into_iter().filter(is_match).collect()
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

fn within<'a>(places: Option<&'a Vec<usize>>, range: &Range<usize>) -> &'a [usize] {
    let places = places.map_or(&[][..], Vec::as_slice);
    let from = places.partition_point(|place| *place < range.start);
    let to = places.partition_point(|place| *place < range.end);
    &places[from..to.max(from)]
}
