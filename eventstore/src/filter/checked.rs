//! A valid filter, and the keys under which its events can be found.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::error::Error;
use crate::event::EventType;
use crate::filter::draft::{Group, Item};
use crate::filter::{FieldValue, Filter, Path};

/// The most event types and predicates a filter may have: as many probes go into one statement.
const MAX_TERMS: usize = 1_000;

/// The most bytes that a filter may take in a call, each of its probes with what is left to check.
const MAX_BYTES: usize = 64 << 20;

/// About what a probe takes in a call besides its recheck.
const PROBE_BYTES: usize = 100;

/// About what the syntax of one predicate takes in a recheck. Its path and value may double by quoting.
const PUNCTUATION: usize = 16;

/// A valid filter: types and predicates sorted and without repetition, items in the order written.
#[derive(Debug, Clone)]
pub(crate) struct CheckedFilter {
    items: Vec<CheckedItem>,
}

/// One item: the event has one of the types (any, if none are named), and in each group a predicate holds.
#[derive(Debug, Clone)]
pub(crate) struct CheckedItem {
    pub(super) types: Vec<EventType>,
    pub(super) groups: Vec<Vec<Predicate>>,
}

/// The payload has a value at a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Predicate {
    pub(crate) path: Path,
    pub(crate) value: FieldValue,
}

/// A key that some of an item's events have.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ProbeKey<'a> {
    Type(&'a EventType),
    /// Of one of the predicates of a group.
    Value {
        predicate: &'a Predicate,
        group: usize,
    },
}

impl CheckedFilter {
    pub(super) fn new(draft: &Filter) -> Result<Self, Error> {
        if draft.items.is_empty() {
            return Err(Error::invalid("filter has no items; Filter::all() matches every event"));
        }
        let items = draft.items.iter().map(CheckedItem::new).collect::<Result<Vec<_>, _>>()?;
        let terms: usize = items.iter().map(CheckedItem::terms).sum();
        if terms > MAX_TERMS {
            return Err(Error::invalid(format!(
                "filter has {terms} types and predicates; expected at most {MAX_TERMS}"
            )));
        }
        let bytes: usize = items.iter().map(CheckedItem::greatest_size).sum();
        if bytes > MAX_BYTES {
            return Err(Error::invalid(format!(
                "filter takes {bytes} bytes, as each of its types and predicates is sent with the rest of its item; \
                 expected at most {MAX_BYTES}"
            )));
        }
        Ok(Self { items })
    }

    /// Matches no event.
    pub(crate) fn nothing() -> Self {
        Self { items: Vec::new() }
    }

    /// Matches every event.
    pub(crate) fn all() -> Self {
        Self { items: vec![CheckedItem { types: Vec::new(), groups: Vec::new() }] }
    }

    /// Matches what any of these match; `None` where that would have too many terms.
    pub(crate) fn any_of<'a>(filters: impl IntoIterator<Item = &'a Self>) -> Option<Self> {
        let items: Vec<_> = filters.into_iter().flat_map(|filter| &filter.items).cloned().collect();
        let terms: usize = items.iter().map(CheckedItem::terms).sum();
        (terms <= MAX_TERMS).then_some(Self { items })
    }

    pub(crate) fn items(&self) -> &[CheckedItem] {
        &self.items
    }

    /// Whether every event matches.
    pub(crate) fn is_all(&self) -> bool {
        self.items.iter().any(CheckedItem::is_all)
    }

    /// How many keys a condition with this filter is probed under.
    pub(crate) fn probes(&self) -> usize {
        self.items.iter().map(|item| item.default_driver().len()).sum()
    }

    /// About how many bytes of a call a condition with this filter takes: each probe carries what is left to check.
    pub(crate) fn size(&self) -> usize {
        self.items.iter().map(CheckedItem::size).sum()
    }

    /// Which event types are left to be asked for of what the default drivers find, each once; `None` if there is nothing to
    /// ask: any will do, or what was found under a type has it.
    pub(crate) fn types_to_recheck(&self) -> Option<BTreeSet<&EventType>> {
        let any_will_do = self.items.iter().any(|item| item.types.is_empty());
        let by_types_alone = self.items.iter().all(|item| item.groups.is_empty());
        (!any_will_do && !by_types_alone).then(|| self.items.iter().flat_map(|item| &item.types).collect())
    }

    /// The paths that the filter mentions, each once.
    pub(crate) fn paths(&self) -> BTreeSet<&Path> {
        self.items
            .iter()
            .flat_map(|item| item.groups.iter().flatten())
            .map(|predicate| &predicate.path)
            .collect()
    }
}

impl CheckedItem {
    fn new(draft: &Item) -> Result<Self, Error> {
        let mut types = Vec::new();
        if let Some(names) = &draft.types {
            if names.is_empty() {
                return Err(Error::invalid("filter names an empty list of event types"));
            }
            types = names.iter().map(|name| EventType::new(name.as_str())).collect::<Result<_, _>>()?;
            types.sort_unstable();
            types.dedup();
        }
        let mut groups = Vec::new();
        for group in &draft.groups {
            match group {
                Group::Any(pairs) => {
                    let mut group = predicates(pairs)?;
                    group.sort_unstable();
                    group.dedup();
                    groups.push(group);
                }
                Group::All(pairs) => {
                    groups.extend(predicates(pairs)?.into_iter().map(|predicate| vec![predicate]));
                }
            }
        }
        groups.sort_unstable();
        groups.dedup();
        Ok(Self { types, groups })
    }

    fn terms(&self) -> usize {
        self.types.len() + self.groups.iter().map(Vec::len).sum::<usize>()
    }

    pub(crate) fn is_all(&self) -> bool {
        self.types.is_empty() && self.groups.is_empty()
    }

    fn size(&self) -> usize {
        self.default_driver().len() * self.probe_size()
    }

    /// In a query, which may be driven by any of its terms.
    fn greatest_size(&self) -> usize {
        self.terms().max(1) * self.probe_size()
    }

    /// About how many bytes one probe takes with its recheck.
    fn probe_size(&self) -> usize {
        let types: usize = self.types.iter().map(|event_type| event_type.as_str().len() + 3).sum();
        types + self.groups.iter().flatten().map(Predicate::size).sum::<usize>() + PROBE_BYTES
    }

    /// The ways to find all events of this item by keys, groups of predicates first; none if every event matches.
    pub(crate) fn drivers(&self) -> Vec<Vec<ProbeKey<'_>>> {
        let groups = self.groups.iter().enumerate().map(|(group, predicates)| {
            predicates.iter().map(|predicate| ProbeKey::Value { predicate, group }).collect()
        });
        let types = self.types.iter().map(ProbeKey::Type).collect::<Vec<_>>();
        groups.chain(Some(types).filter(|types| !types.is_empty())).collect()
    }

    /// The driver to take where none is counted: the predicates that are fewest, as they tend to identify things; the
    /// types only where there is nothing else.
    pub(crate) fn default_driver(&self) -> Vec<ProbeKey<'_>> {
        let by_type = |keys: &Vec<ProbeKey<'_>>| matches!(keys.first(), Some(ProbeKey::Type(_)));
        self.drivers().into_iter().min_by_key(|keys| (by_type(keys), keys.len())).unwrap_or_default()
    }

    /// Whether finding a key leaves anything but a hash collision to check.
    pub(crate) fn has_one_constraint(&self) -> bool {
        self.groups.len() + usize::from(!self.types.is_empty()) <= 1
    }

    /// Whether there is one group of predicates, or types alone: nothing to choose, and nothing to recheck but types.
    pub(crate) fn has_one_driver(&self) -> bool {
        self.groups.len() <= 1
    }

    /// What is left to check of an event, found under a key or not at all: its types, as a JSON array. `None` if any
    /// type will do.
    pub(crate) fn types_json(&self, found_under: Option<ProbeKey<'_>>) -> Option<String> {
        let array = |types: &[&EventType]| {
            Value::Array(types.iter().map(|event_type| event_type.as_str().into()).collect()).to_string()
        };
        match found_under {
            Some(ProbeKey::Type(event_type)) => Some(array(&[event_type])),
            _ => (!self.types.is_empty()).then(|| array(&self.types.iter().collect::<Vec<_>>())),
        }
    }

    /// What is left to check of an event, found under a key or not at all: its payload, as a JSON path predicate.
    /// `None` if any payload will do. Of the group that the key belongs to its own predicate is enough: events that
    /// match another one are found under that one's key.
    pub(crate) fn predicate_jsonpath(&self, found_under: Option<ProbeKey<'_>>) -> Option<String> {
        let groups = self.groups.iter().enumerate().map(|(nth, predicates)| match found_under {
            Some(ProbeKey::Value { predicate, group }) if group == nth => predicate.to_jsonpath(),
            _ => {
                let terms = predicates.iter().map(Predicate::to_jsonpath).collect::<Vec<_>>();
                format!("({})", terms.join(" || "))
            }
        });
        (!self.groups.is_empty()).then(|| groups.collect::<Vec<_>>().join(" && "))
    }
}

impl Predicate {
    fn size(&self) -> usize {
        let value = if let FieldValue::Text(text) = &self.value { text.len() } else { 20 };
        2 * (self.path.canonical().len() + value) + PUNCTUATION
    }

    /// Path and value are quoted as JSON strings, which is how JSON paths quote them too.
    fn to_jsonpath(&self) -> String {
        format!("{} == {}", self.path.to_jsonpath(), self.value.to_json())
    }
}

fn predicates(pairs: &[(String, FieldValue)]) -> Result<Vec<Predicate>, Error> {
    if pairs.is_empty() {
        return Err(Error::invalid("filter has an empty list of predicates"));
    }
    pairs
        .iter()
        .map(|(path, value)| {
            if matches!(value, FieldValue::Text(text) if text.contains('\0')) {
                return Err(Error::invalid(
                    "filter compares with a string that has a NUL, which no payload can have",
                ));
            }
            if matches!(value, FieldValue::Integer(n) if i64::try_from(*n).is_err() && u64::try_from(*n).is_err()) {
                return Err(Error::invalid("filter compares with an integer outside 64 bits, which has no key"));
            }
            Ok(Predicate { path: Path::parse(path)?, value: value.clone() })
        })
        .collect()
}
