//! What a page's statement is given, where it is made of `frame.sql`.

use tokio_postgres::types::Type;
use uuid::Uuid;

use crate::filter::CheckedFilter;
use crate::pool::Param;
use crate::position::Position;
use crate::query::page::{PageRequest, Source, Times};
use crate::sql::{Finder, JsonText, Recheck, key_columns, sql_number};

/// The arguments of frame.sql and of what is put into it, in the order of their parameters.
#[derive(Debug)]
pub(super) struct PageArguments<'a> {
    low: i64,
    high: Option<i64>,
    limit: i64,
    max_bytes: i64,
    times: Times,
    witnesses: Vec<i64>,
    paths: Vec<&'a str>,
    top_level: Vec<bool>,
    items: Vec<i32>,
    drivers: Vec<i32>,
    probe_types: Vec<Option<&'a str>>,
    probe_paths: Vec<Option<&'a str>>,
    probe_values: Vec<Option<JsonText<String>>>,
    types: Vec<Option<JsonText<String>>>,
    predicates: Vec<Option<String>>,
    everything: bool,
    id: Option<Uuid>,
    finder: Finder,
}

impl<'a> PageArguments<'a> {
    pub(super) fn new(request: &'a PageRequest, finder: Finder) -> Self {
        let mut arguments = Self {
            low: request.low.to_sql(),
            high: request.high.map(Position::to_sql),
            limit: i64::try_from(request.limit).unwrap_or(i64::MAX),
            max_bytes: i64::try_from(request.max_bytes).unwrap_or(i64::MAX),
            times: request.times,
            witnesses: request.witnesses.iter().map(|token| token.position().to_sql()).collect(),
            paths: Vec::new(),
            top_level: Vec::new(),
            items: Vec::new(),
            drivers: Vec::new(),
            probe_types: Vec::new(),
            probe_paths: Vec::new(),
            probe_values: Vec::new(),
            types: Vec::new(),
            predicates: Vec::new(),
            everything: false,
            id: None,
            finder,
        };
        match &request.source {
            Source::Keys(filter) => {
                for path in filter.paths() {
                    arguments.paths.push(path.canonical());
                    arguments.top_level.push(path.is_top_level());
                }
                arguments.add_probes(filter);
            }
            Source::Scan(filter) => {
                arguments.everything = filter.is_all();
                arguments.add_items(filter);
            }
            Source::Id(id) => arguments.id = Some(id.uuid()),
            Source::Nothing => {
                arguments.everything = true;
                arguments.limit = 0;
            }
        }
        arguments
    }

    fn add_items(&mut self, filter: &CheckedFilter) {
        for item in filter.items() {
            self.add_recheck(Recheck::new(item, None));
        }
    }

    fn add_probes(&mut self, filter: &'a CheckedFilter) {
        for (item, checked) in filter.items().iter().enumerate() {
            for (driver, keys) in checked.drivers().into_iter().enumerate() {
                for key in keys {
                    let (event_type, path, value) = key_columns(key);
                    self.items.push(sql_number(item));
                    self.drivers.push(sql_number(driver));
                    self.probe_types.push(event_type);
                    self.probe_paths.push(path);
                    self.probe_values.push(value);
                    self.add_recheck(Recheck::new(checked, Some(key)));
                }
            }
        }
    }

    fn add_recheck(&mut self, recheck: Recheck) {
        self.types.push(recheck.types);
        self.predicates.push(recheck.predicate);
    }

    pub(super) fn as_params(&self) -> Vec<Param<'_>> {
        let times = &self.times;
        let mut params: Vec<Param<'_>> = vec![
            (&self.low, Type::INT8),
            (&self.high, Type::INT8),
            (&self.limit, Type::INT8),
            (&times.recorded_since, Type::TIMESTAMPTZ),
            (&times.recorded_until, Type::TIMESTAMPTZ),
            (&times.occurred_since, Type::TIMESTAMPTZ),
            (&times.occurred_until, Type::TIMESTAMPTZ),
            (&self.witnesses, Type::INT8_ARRAY),
            (&self.paths, Type::TEXT_ARRAY),
            (&self.top_level, Type::BOOL_ARRAY),
            (&self.max_bytes, Type::INT8),
        ];
        match self.finder {
            Finder::OnlyDriver | Finder::CheapestDriver => {
                let probes: [Param<'_>; 7] = [
                    (&self.items, Type::INT4_ARRAY),
                    (&self.drivers, Type::INT4_ARRAY),
                    (&self.probe_types, Type::TEXT_ARRAY),
                    (&self.probe_paths, Type::TEXT_ARRAY),
                    (&self.probe_values, Type::JSONB_ARRAY),
                    (&self.types, Type::JSONB_ARRAY),
                    (&self.predicates, Type::TEXT_ARRAY),
                ];
                params.extend(probes);
            }
            Finder::Scan => {
                let items: [Param<'_>; 3] = [
                    (&self.everything, Type::BOOL),
                    (&self.types, Type::JSONB_ARRAY),
                    (&self.predicates, Type::TEXT_ARRAY),
                ];
                params.extend(items);
            }
            Finder::Id => params.push((&self.id, Type::UUID)),
        }
        params
    }
}
