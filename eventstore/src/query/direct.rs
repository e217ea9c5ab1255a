//! The quickest way to read a page, which the statement `direct.sql` describes: where it serves, and what it is given.

use std::borrow::Cow;

use tokio_postgres::types::Type;

use crate::filter::{CheckedFilter, CheckedItem, ProbeKey};
use crate::pool::Param;
use crate::position::Position;
use crate::query::page::{PageRequest, Source};

/// How many positions one direct read may collect; where there may be more, the other statement counts first and reads less.
const MOST_POSITIONS: usize = 100_000;
/// Walking so many keys costs nothing beside the rest of a read.
const LEAST_WALKED: usize = 16;

/// The arguments of a direct read, in the order of its parameters.
#[derive(Debug)]
pub(super) struct DirectArguments<'a> {
    low: i64,
    high: i64,
    limit: i64,
    witnesses: Vec<i64>,
    paths: Vec<&'a str>,
    nested_paths: Vec<&'a str>,
    max_bytes: i64,
    probe_paths: Vec<Option<&'a str>>,
    probe_values: Vec<Cow<'a, str>>,
    types: Option<Vec<&'a str>>,
    walk: i64,
}

/// The filter of a request that can be read directly: nothing but keys and types finds its events.
pub(super) fn filter(request: &PageRequest) -> Option<&CheckedFilter> {
    let Source::Keys(filter) = &request.source else { return None };
    let is_small = filter.probes().saturating_mul(walk(request)) <= MOST_POSITIONS;
    let is_plain = request.times.are_none() && filter.items().iter().all(CheckedItem::has_one_driver);
    (is_small && is_plain).then_some(filter)
}

/// How far each key is walked: twice as far as the page is long, as events may be of another type.
fn walk(request: &PageRequest) -> usize {
    request.limit.saturating_mul(2).saturating_add(LEAST_WALKED)
}

impl<'a> DirectArguments<'a> {
    pub(super) fn new(request: &PageRequest, filter: &'a CheckedFilter) -> Self {
        let number = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        let paths = filter.paths();
        let (probe_paths, probe_values) =
            filter.items().iter().flat_map(CheckedItem::default_driver).map(key_texts).unzip();
        Self {
            low: request.low.to_sql(),
            high: request.high.map_or(i64::MAX, Position::to_sql),
            limit: number(request.limit),
            witnesses: request.witnesses.iter().map(|token| token.position().to_sql()).collect(),
            nested_paths: paths
                .iter()
                .filter(|path| !path.is_top_level())
                .map(|path| path.canonical())
                .collect(),
            paths: paths.into_iter().map(|path| path.canonical()).collect(),
            max_bytes: number(request.max_bytes),
            probe_paths,
            probe_values,
            types: filter
                .types_to_recheck()
                .map(|types| types.into_iter().map(|name| name.as_str()).collect()),
            walk: number(walk(request)),
        }
    }

    pub(super) fn as_params(&self) -> [Param<'_>; 11] {
        [
            (&self.low, Type::INT8),
            (&self.high, Type::INT8),
            (&self.limit, Type::INT8),
            (&self.witnesses, Type::INT8_ARRAY),
            (&self.paths, Type::TEXT_ARRAY),
            (&self.nested_paths, Type::TEXT_ARRAY),
            (&self.max_bytes, Type::INT8),
            (&self.probe_paths, Type::TEXT_ARRAY),
            (&self.probe_values, Type::TEXT_ARRAY),
            (&self.types, Type::TEXT_ARRAY),
            (&self.walk, Type::INT8),
        ]
    }
}

/// What the server makes a key of: the path, none for an event type, and the value.
fn key_texts(key: ProbeKey<'_>) -> (Option<&str>, Cow<'_, str>) {
    match key {
        ProbeKey::Type(event_type) => (None, event_type.as_str().into()),
        ProbeKey::Value { predicate, .. } => {
            (Some(predicate.path.canonical()), predicate.value.to_key_text().into())
        }
    }
}
