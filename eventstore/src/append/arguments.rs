//! A batch as the arguments of the append function: one array a column.

use time::OffsetDateTime;
use tokio_postgres::types::Type;
use uuid::Uuid;

use crate::append::batch::Batch;
use crate::append::request::Request;
use crate::filter::{CheckedItem, ProbeKey};
use crate::pool::Param;
use crate::sql::{JsonText, Recheck, key_columns, sql_number};

/// How much more a condition may pass over each time that it comes back undecided.
const GROWTH: usize = 8;
/// As many as there could ever be.
const MOST_RECHECKS: usize = 1 << 40;

/// However many probes a batch has, each may pass over so many events: a few that do not match are no hot key.
const LEAST_RECHECKS: usize = 16;

/// The columns of a batch, borrowed from it. Numbers of requests count from 1, as in SQL.
#[derive(Debug, Default)]
pub(super) struct Arguments<'a> {
    request: Vec<i32>,
    id: Vec<Uuid>,
    event_type: Vec<&'a str>,
    occurred_at: Vec<OffsetDateTime>,
    payload: Vec<JsonText<&'a str>>,
    metadata: Vec<JsonText<&'a str>>,
    path_request: Vec<i32>,
    path: Vec<&'a str>,
    path_top_level: Vec<bool>,
    after_request: Vec<i32>,
    after_condition: Vec<i32>,
    after: Vec<i64>,
    after_id: Vec<Uuid>,
    probe_request: Vec<i32>,
    probe_condition: Vec<i32>,
    probe_item: Vec<i32>,
    probe_after: Vec<i64>,
    probe_type: Vec<Option<&'a str>>,
    probe_path: Vec<Option<&'a str>>,
    probe_value: Vec<Option<JsonText<String>>>,
    probe_types: Vec<Option<JsonText<String>>>,
    probe_predicate: Vec<Option<String>>,
    probe_limit: Vec<i64>,
    pair_blocker: Vec<i32>,
    pair_blocked: Vec<i32>,
    pair_condition: Vec<i32>,
    pair_item: Vec<i32>,
}

impl<'a> Arguments<'a> {
    /// The probes share what may be passed over, but each may pass over a few.
    pub(super) fn new(batch: &'a Batch, max_rechecks: usize) -> Self {
        let mut arguments = Self::default();
        let probes = batch.requests.iter().map(Request::probes).sum::<usize>().max(1);
        let share = (max_rechecks / probes).max(LEAST_RECHECKS);
        for (nth, request) in batch.requests.iter().enumerate() {
            let number = sql_number(nth + 1);
            for event in &request.events {
                arguments.request.push(number);
                arguments.id.push(event.id.uuid());
                arguments.event_type.push(event.event_type.as_str());
                arguments.occurred_at.push(event.occurred_at);
                arguments.payload.push(JsonText(event.payload_text.as_str()));
                arguments.metadata.push(JsonText(event.metadata_text.as_str()));
            }
            arguments.add_conditions(number, request, share);
        }
        for (nth, path) in batch.paths() {
            arguments.path_request.push(sql_number(nth + 1));
            arguments.path.push(path.canonical());
            arguments.path_top_level.push(path.is_top_level());
        }
        for pair in &batch.pairs {
            arguments.pair_blocker.push(sql_number(pair.blocker + 1));
            arguments.pair_blocked.push(sql_number(pair.blocked + 1));
            arguments.pair_condition.push(sql_number(pair.condition));
            arguments.pair_item.push(sql_number(pair.item));
        }
        arguments
    }

    fn add_conditions(&mut self, number: i32, request: &'a Request, share: usize) {
        for (nth, condition) in request.conditions.iter().enumerate() {
            let nth = sql_number(nth);
            let filter = &condition.checked.filter;
            for token in condition.witnesses() {
                self.after_request.push(number);
                self.after_condition.push(nth);
                self.after.push(token.position().to_sql());
                self.after_id.push(token.id().uuid());
            }
            let limit = share.saturating_mul(GROWTH.saturating_pow(condition.rounds())).min(MOST_RECHECKS);
            let mut place = Place {
                request: number,
                condition: nth,
                item: 0,
                after: condition.since().to_sql(),
                limit: i64::try_from(limit).unwrap_or(i64::MAX),
            };
            if let Some(all) = filter.items().iter().position(CheckedItem::is_all) {
                place.item = sql_number(all);
                self.add_probe(place, None, Recheck::default());
                continue;
            }
            for (nth_item, item) in filter.items().iter().enumerate() {
                place.item = sql_number(nth_item);
                for key in item.default_driver() {
                    self.add_probe(place, Some(key), Recheck::new(item, Some(key)));
                }
            }
        }
    }

    fn add_probe(&mut self, place: Place, key: Option<ProbeKey<'a>>, recheck: Recheck) {
        let (event_type, path, value) = key.map_or((None, None, None), key_columns);
        self.probe_request.push(place.request);
        self.probe_condition.push(place.condition);
        self.probe_item.push(place.item);
        self.probe_after.push(place.after);
        self.probe_type.push(event_type);
        self.probe_path.push(path);
        self.probe_value.push(value);
        self.probe_types.push(recheck.types);
        self.probe_predicate.push(recheck.predicate);
        self.probe_limit.push(place.limit);
    }

    /// The types of the function's parameters.
    pub(super) fn types() -> Vec<Type> {
        Self::default().as_params().map(|(_, ty)| ty).into()
    }

    /// In the order of the function's parameters.
    pub(super) fn as_params(&self) -> [Param<'_>; 27] {
        [
            (&self.request, Type::INT4_ARRAY),
            (&self.id, Type::UUID_ARRAY),
            (&self.event_type, Type::TEXT_ARRAY),
            (&self.occurred_at, Type::TIMESTAMPTZ_ARRAY),
            (&self.payload, Type::JSONB_ARRAY),
            (&self.metadata, Type::JSONB_ARRAY),
            (&self.path_request, Type::INT4_ARRAY),
            (&self.path, Type::TEXT_ARRAY),
            (&self.path_top_level, Type::BOOL_ARRAY),
            (&self.after_request, Type::INT4_ARRAY),
            (&self.after_condition, Type::INT4_ARRAY),
            (&self.after, Type::INT8_ARRAY),
            (&self.after_id, Type::UUID_ARRAY),
            (&self.probe_request, Type::INT4_ARRAY),
            (&self.probe_condition, Type::INT4_ARRAY),
            (&self.probe_item, Type::INT4_ARRAY),
            (&self.probe_after, Type::INT8_ARRAY),
            (&self.probe_type, Type::TEXT_ARRAY),
            (&self.probe_path, Type::TEXT_ARRAY),
            (&self.probe_value, Type::JSONB_ARRAY),
            (&self.probe_types, Type::JSONB_ARRAY),
            (&self.probe_predicate, Type::TEXT_ARRAY),
            (&self.probe_limit, Type::INT8_ARRAY),
            (&self.pair_blocker, Type::INT4_ARRAY),
            (&self.pair_blocked, Type::INT4_ARRAY),
            (&self.pair_condition, Type::INT4_ARRAY),
            (&self.pair_item, Type::INT4_ARRAY),
        ]
    }
}

/// What a probe is for, where it begins, and how many events it may pass over.
#[derive(Debug, Clone, Copy)]
struct Place {
    request: i32,
    condition: i32,
    item: i32,
    after: i64,
    limit: i64,
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;
    use crate::append::condition::Condition;
    use crate::condition::AppendCondition;
    use crate::filter::Filter;

    #[test]
    fn a_probe_may_pass_over_more_each_time_it_comes_back_undecided() {
        let filter = Filter::event_types(["A", "B"]).and_any([("x", 1), ("y", 2)]);
        let request = |rounds| {
            let checked = AppendCondition::fail_if_matches(&filter).check().unwrap();
            Request::new(vec![], vec![Condition::undecided(checked, rounds)], Instant::now()).0
        };
        let requests = [0, 1, 3, 99].map(request).into();
        let batch = Batch { requests, pairs: vec![] };
        // Eight probes share 400.
        let expected = [50, 400, 50 * 512, 1 << 40].map(|limit| [limit; 2]).concat();
        assert_eq!(Arguments::new(&batch, 400).probe_limit, expected);
        assert_eq!(Arguments::new(&batch, 1).probe_limit[..2], [16, 16], "a few are no hot key");
        assert_eq!(Arguments::new(&batch, usize::MAX).probe_limit[7], 1 << 40);
    }
}
