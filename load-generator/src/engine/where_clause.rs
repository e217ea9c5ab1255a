//! A filter in the words of SQL, with bound values.

use serde_json::{Value, json};
use testutil::checker::{Filter, Item};
use tokio_postgres::types::ToSql;

use crate::engine::Part;

/// What follows a condition, so that it finds a part of what matches.
pub(super) fn part_clause(position: &str, part: Part) -> String {
    let after = match part.after.position {
        0 => String::new(),
        after => format!("AND {position} > {after} "),
    };
    let order = if part.newest_first { "DESC" } else { "ASC" };
    let limit = part.limit.map_or_else(String::new, |limit| format!(" LIMIT {limit}"));
    format!("{after}ORDER BY {position} {order}{limit}")
}

/// A condition on `e.event_type` and `e.payload`, and its parameters from `$first` on.
pub(super) struct WhereClause {
    pub(super) text: String,
    pub(super) params: Vec<Box<dyn ToSql + Send + Sync>>,
}

impl WhereClause {
    pub(super) fn new(filter: &Filter, first: usize) -> Self {
        let mut clause = Self { text: String::new(), params: Vec::new() };
        for (nth, item) in filter.items.iter().enumerate() {
            clause.text.push_str(if nth == 0 { "" } else { " OR " });
            clause.add(item, first);
        }
        if filter.items.is_empty() {
            clause.text.push_str("true");
        }
        clause
    }

    fn add(&mut self, item: &Item, first: usize) {
        let mut parts = Vec::new();
        if !item.event_types.is_empty() {
            parts.push(format!("e.event_type = ANY (${}::text[])", first + self.params.len()));
            self.params.push(Box::new(item.event_types.clone()));
        }
        for (predicates, joint) in [(&item.any, " OR "), (&item.all, " AND ")] {
            let contained = predicates.iter().map(|predicate| {
                let place = first + self.params.len();
                self.params.push(Box::new(nested(&predicate.path, &predicate.value)));
                format!("e.payload @> ${place}::jsonb")
            });
            let contained: Vec<String> = contained.collect();
            if !contained.is_empty() {
                parts.push(format!("({})", contained.join(joint)));
            }
        }
        let all = if parts.is_empty() { "true".to_owned() } else { parts.join(" AND ") };
        self.text.push_str(&format!("({all})"));
    }
}

fn nested(path: &[String], value: &Value) -> Value {
    path.iter().rev().fold(value.clone(), |inner, key| json!({key: inner}))
}
