//! A batch as the arguments of the append function: one array a column.

use time::OffsetDateTime;
use tokio_postgres::types::Type;
use uuid::Uuid;

use crate::append::batch::Batch;
use crate::append::request::Request;
use crate::event::EventType;
use crate::pool::Param;
use crate::sql::{JsonText, sql_number};

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
    probe_value: Vec<Option<JsonText<&'a str>>>,
    probe_types: Vec<Option<JsonText<&'a str>>>,
    probe_predicate: Vec<Option<&'a str>>,
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
            for token in condition.witnesses() {
                self.after_request.push(number);
                self.after_condition.push(nth);
                self.after.push(token.position().to_sql());
                self.after_id.push(token.event_id().uuid());
            }
            let limit = share.saturating_mul(GROWTH.saturating_pow(condition.rounds())).min(MOST_RECHECKS);
            let (after, limit) = (condition.since().to_sql(), i64::try_from(limit).unwrap_or(i64::MAX));
            for probe in &condition.probes {
                self.probe_request.push(number);
                self.probe_condition.push(nth);
                self.probe_item.push(probe.item);
                self.probe_after.push(after);
                self.probe_type.push(probe.event_type.as_ref().map(EventType::as_str));
                self.probe_path.push(probe.path.as_deref());
                self.probe_value.push(probe.value.as_ref().map(JsonText::as_ref));
                self.probe_types.push(probe.recheck.types.as_ref().map(JsonText::as_ref));
                self.probe_predicate.push(probe.recheck.predicate.as_deref());
                self.probe_limit.push(limit);
            }
        }
    }

    /// The types of the function's parameters.
    pub(super) fn types() -> Vec<Type> {
        Self::default().as_params().map(|(_, ty)| ty).into()
    }

    /// Those of `import_v1`, which has no conditions: the place in an import, and the events.
    pub(super) fn of_import<'b>(
        &'b self,
        import: &'b Uuid,
        after: &'b i32,
        completes: &'b Option<i32>,
    ) -> [Param<'b>; 8] {
        [
            (import, Type::UUID),
            (after, Type::INT4),
            (completes, Type::INT4),
            (&self.id, Type::UUID_ARRAY),
            (&self.event_type, Type::TEXT_ARRAY),
            (&self.occurred_at, Type::TIMESTAMPTZ_ARRAY),
            (&self.payload, Type::JSONB_ARRAY),
            (&self.metadata, Type::JSONB_ARRAY),
        ]
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
