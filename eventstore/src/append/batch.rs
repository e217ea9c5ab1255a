//! Which waiting requests go together, and which of them could refuse each other. Pure.
//!
//! The database checks every condition against what is committed. What it can not see is the batch itself: if a
//! request's events match the condition of a later one in the same batch, the later one must be refused, but
//! only if the earlier one is accepted. Those pairs are found here, by the matcher, and settled in the database
//! after its own verdicts.
//!
//! A request is put off to the next batch, where the database decides, if it shares an event id with one before
//! it, or if too many requests could refuse it: a thousand racers for one seat would make half a million pairs.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::hash::BuildHasher as _;

use serde_json::Value;

use crate::append::request::Request;
use crate::append::verdict::Answer;
use crate::error::Error;
use crate::filter::{CheckedFilter, FieldValue, Path, ProbeKey};
use crate::settings::Settings;

/// How many earlier requests of a batch may be able to refuse a request before it is put off.
const MAX_BLOCKERS: usize = 16;

/// How many keys the conditions of a batch are probed under, at most; a single request may exceed it. 4,000 take some
/// 20 ms under the log's lock.
const MAX_PROBES: usize = 4_000;

/// Requests that are sent in one call.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) requests: Vec<Request>,
    pub(crate) pairs: Vec<Pair>,
}

/// If the request `blocker` is accepted, the request `blocked` is refused. Both count from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(super) blocker: usize,
    pub(super) blocked: usize,
    pub(super) condition: usize,
    pub(super) item: usize,
    /// Which event of the blocker matches.
    pub(super) event: usize,
}

impl Batch {
    /// Takes requests from the front of the queue while they fit. What is put off stays in the queue, in order.
    /// At least one is taken if any waits.
    pub(crate) fn take(queue: &mut VecDeque<Request>, settings: &Settings) -> Self {
        let mut batch = Self { requests: Vec::new(), pairs: Vec::new() };
        let mut index = EventIndex::new(queue.iter());
        let mut ids = HashSet::new();
        let mut put_off = VecDeque::new();
        let (mut events, mut bytes, mut probes) = (0, 0, 0);
        while let Some(request) = queue.pop_front() {
            let fits = events + request.events.len() <= settings.max_batch_events
                && bytes + request.size() <= settings.max_batch_bytes
                && probes + request.probes() <= MAX_PROBES;
            if !fits && !batch.requests.is_empty() {
                queue.push_front(request);
                break;
            }
            let repeats = request.events.iter().any(|event| ids.contains(&event.id));
            let pairs = if repeats { None } else { batch.pairs_against(&request, &index) };
            let Some(pairs) = pairs else {
                // Its ids count too: a copy of it must not overtake it.
                ids.extend(request.events.iter().map(|event| event.id));
                put_off.push_back(request);
                continue;
            };
            if !request.take() {
                continue; // its caller gave up
            }
            events += request.events.len();
            bytes += request.size();
            probes += request.probes();
            ids.extend(request.events.iter().map(|event| event.id));
            index.add(batch.requests.len(), &request);
            batch.pairs.extend(pairs);
            batch.requests.push(request);
        }
        while let Some(request) = put_off.pop_back() {
            queue.push_front(request);
        }
        batch
    }

    pub(super) fn of_one(request: Request) -> Self {
        Self { requests: vec![request], pairs: Vec::new() }
    }

    /// Answers every request with what became of it.
    pub(super) fn answer(self, answers: Vec<Answer>) {
        for (request, answer) in self.requests.into_iter().zip(answers) {
            match answer {
                Answer::Final(result) => request.finish(result),
                Answer::Unsettled => request.give_back(),
            }
        }
    }

    /// Has every request wait again, in front, as if it had never been taken: it is known that nothing was written.
    pub(super) fn put_back(self, queue: &mut VecDeque<Request>) {
        for request in self.requests.into_iter().rev() {
            request.put_back();
            queue.push_front(request);
        }
    }

    /// Answers every request with the same error.
    pub(super) fn fail(self, error: &Error) {
        for request in self.requests {
            request.finish(Err(error.clone()));
        }
    }

    /// The paths that the conditions mention, each with the number of its request: request by request, condition by
    /// condition. The append function answers with the place of a path in this list, counted from 1.
    pub(super) fn paths(&self) -> impl Iterator<Item = (usize, &Path)> {
        self.requests.iter().enumerate().flat_map(|(nth, request)| {
            request
                .conditions
                .iter()
                .flat_map(move |c| c.checked.filter.paths().into_iter().map(move |path| (nth, path)))
        })
    }

    /// The pairs in which a request would be the blocked one; `None` if there are too many.
    fn pairs_against(&self, request: &Request, index: &EventIndex) -> Option<Vec<Pair>> {
        let mut pairs: Vec<Pair> = Vec::new();
        for (condition, filter) in request.conditions.iter().map(|c| &c.checked.filter).enumerate() {
            for &EventAt { request: blocker, event } in index.candidates(filter) {
                if pairs.iter().any(|pair| pair.blocker == blocker) {
                    continue;
                }
                let candidate = &self.requests[blocker].events[event];
                if let Some(item) = filter.matched_item(candidate.event_type.as_str(), &candidate.payload) {
                    if pairs.len() == MAX_BLOCKERS {
                        return None;
                    }
                    pairs.push(Pair { blocker, blocked: self.requests.len(), condition, item, event });
                }
            }
        }
        pairs.sort_unstable_by_key(|pair| pair.blocker);
        Some(pairs)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct EventAt {
    request: usize,
    event: usize,
}

/// The events of a growing batch by the types and values that conditions ask for. Hashes may collide: what it
/// finds are candidates.
struct EventIndex {
    paths: Vec<Path>,
    by_hash: HashMap<u64, Vec<EventAt>>,
    all: Vec<EventAt>,
    hasher: RandomState,
    /// Without a condition among them, requests can not refuse each other.
    has_conditions: bool,
}

impl EventIndex {
    fn new<'a>(requests: impl Iterator<Item = &'a Request>) -> Self {
        let conditions = requests.flat_map(|request| &request.conditions);
        let mut paths = BTreeSet::new();
        let mut has_conditions = false;
        for condition in conditions {
            has_conditions = true;
            paths.extend(condition.checked.filter.paths());
        }
        Self {
            paths: paths.into_iter().cloned().collect(),
            by_hash: HashMap::new(),
            all: Vec::new(),
            hasher: RandomState::new(),
            has_conditions,
        }
    }

    fn add(&mut self, request: usize, of: &Request) {
        if !self.has_conditions {
            return;
        }
        for (event, checked) in of.events.iter().enumerate() {
            let at = EventAt { request, event };
            self.all.push(at);
            let mut hashes = vec![self.hasher.hash_one(checked.event_type.as_str())];
            for path in &self.paths {
                path.any(&checked.payload, &mut |value| {
                    hashes.extend(self.value_hash(path, value));
                    false
                });
            }
            for hash in hashes {
                self.by_hash.entry(hash).or_default().push(at);
            }
        }
    }

    /// The events that may match a filter; one may come several times.
    fn candidates<'a>(&'a self, filter: &'a CheckedFilter) -> impl Iterator<Item = &'a EventAt> {
        let all = if filter.is_all() { self.all.as_slice() } else { &[] };
        let keys = filter.items().iter().flat_map(|item| item.default_driver());
        let hashes = keys.map(|key| match key {
            ProbeKey::Type(event_type) => self.hasher.hash_one(event_type.as_str()),
            ProbeKey::Value { predicate, .. } => self.field_hash(&predicate.path, &predicate.value),
        });
        all.iter().chain(hashes.filter_map(|hash| self.by_hash.get(&hash)).flatten())
    }

    fn value_hash(&self, path: &Path, value: &Value) -> Option<u64> {
        let field = match value {
            Value::String(text) => FieldValue::Text(text.clone()),
            Value::Bool(truth) => FieldValue::Bool(*truth),
            // Whole floats equal integers; `equals` knows how, and writes them the same way.
            Value::Number(number) => FieldValue::Integer(match (number.as_i64(), number.as_u64()) {
                (Some(signed), _) => signed.into(),
                (None, Some(unsigned)) => unsigned.into(),
                (None, None) => format!("{}", number.as_f64()?).parse().ok()?,
            }),
            Value::Null | Value::Array(_) | Value::Object(_) => return None,
        };
        Some(self.field_hash(path, &field))
    }

    fn field_hash(&self, path: &Path, value: &FieldValue) -> u64 {
        self.hasher.hash_one((path, value))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio::time::Instant;

    use super::*;
    use crate::append::condition::Condition;
    use crate::append::request::Ticket;
    use crate::condition::AppendCondition;
    use crate::event::{NewEvent, check_events};
    use crate::filter::Filter;

    fn request(event: NewEvent, condition: Option<Filter>) -> (Request, Ticket) {
        let conditions = condition
            .iter()
            .map(|filter| Condition::new(AppendCondition::fail_if_matches(filter).check().unwrap()));
        let events = check_events([event], &Settings::default()).unwrap();
        Request::new(events, conditions.collect(), Instant::now())
    }

    fn seat(number: i64) -> (Request, Ticket) {
        let taken = Filter::event_types(["SeatTaken"]).and_all([("Seat", number)]);
        request(NewEvent::new("SeatTaken", json!({"Seat": number})), Some(taken))
    }

    fn queue(requests: Vec<(Request, Ticket)>) -> (VecDeque<Request>, Vec<Ticket>) {
        requests.into_iter().unzip()
    }

    #[test]
    fn requests_that_could_refuse_each_other_are_paired() {
        let (mut waiting, _tickets) = queue(vec![seat(1), seat(2), seat(1), seat(1)]);
        let batch = Batch::take(&mut waiting, &Settings::default());
        let pairs: Vec<_> = batch.pairs.iter().map(|pair| (pair.blocker, pair.blocked)).collect();
        assert_eq!(pairs, [(0, 2), (0, 3), (2, 3)]);
        assert!(waiting.is_empty());
    }

    #[test]
    fn every_shape_of_condition_sees_the_batch() {
        let event = || NewEvent::new("T", json!({"a": [1.0, 2], "b": {"c": "x"}}));
        for filter in [
            Filter::all(),
            Filter::event_types(["T"]),
            Filter::where_any([("a", 1)]),
            Filter::where_all([("b.c", "x")]),
            Filter::event_types(["U"]).or(Filter::event_types(["T"]).and_all([("a", 2)])),
        ] {
            let (mut waiting, _tickets) =
                queue(vec![request(event(), None), request(event(), Some(filter.clone()))]);
            assert_eq!(Batch::take(&mut waiting, &Settings::default()).pairs.len(), 1, "{filter:?}");
        }
        let (mut waiting, _tickets) =
            queue(vec![request(event(), None), request(event(), Some(Filter::where_any([("a", 3)])))]);
        assert_eq!(Batch::take(&mut waiting, &Settings::default()).pairs, []);
    }

    #[test]
    fn a_crowd_is_put_off_in_order() {
        let (mut waiting, _tickets) = queue((0..40).map(|_| seat(7)).collect());
        let ids: Vec<_> = waiting.iter().map(|request| request.events[0].id).collect();
        let first = Batch::take(&mut waiting, &Settings::default());
        let taken: Vec<_> = first.requests.iter().map(|request| request.events[0].id).collect();
        assert_eq!(taken, ids[..=MAX_BLOCKERS]);
        assert_eq!(
            waiting.iter().map(|request| request.events[0].id).collect::<Vec<_>>(),
            ids[MAX_BLOCKERS + 1..]
        );
    }

    #[test]
    fn a_repeated_id_waits_for_the_next_batch() {
        let event = NewEvent::new("T", json!({}));
        let (mut waiting, _tickets) = queue(vec![request(event.clone(), None), request(event, None)]);
        assert_eq!(Batch::take(&mut waiting, &Settings::default()).requests.len(), 1);
        assert_eq!(Batch::take(&mut waiting, &Settings::default()).requests.len(), 1);
    }

    #[test]
    fn a_batch_stays_within_its_limits_but_takes_at_least_one() {
        let settings = Settings { max_batch_bytes: 10, ..Settings::default() };
        let (mut waiting, _tickets) = queue(vec![seat(1), seat(2)]);
        assert_eq!(Batch::take(&mut waiting, &settings).requests.len(), 1);
        let settings = Settings { max_batch_events: 2, ..Settings::default() };
        let (mut waiting, _tickets) = queue(vec![seat(1), seat(2), seat(3)]);
        assert_eq!(Batch::take(&mut waiting, &settings).requests.len(), 2);
    }
}
