//! What two results were measured of, and on.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Value, json};

use crate::report::Report;

/// What always differs a little, with the factor from which on it may be why figures differ.
const TOLERATED: &[(&str, f64)] = &[
    ("duration_s", 1.05),
    ("environment.events_before", 1.05),
    ("environment.memory_mib", 1.05),
    ("environment.flush_ms", 2.0),
    ("environment.trip_ms", 2.0),
    ("environment.load_average_1m", f64::INFINITY),
];

/// One thing that was not the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Difference {
    /// As in the JSON of a result: `environment.cpu_model`.
    pub(super) what: String,
    pub(super) a: String,
    pub(super) b: String,
}

pub(super) fn differences(a: &Report, b: &Report) -> Vec<Difference> {
    let mut found = Vec::new();
    collect("", &conditions(a), &conditions(b), &mut found);
    found
}

/// As JSON: a condition that is added to results is compared too.
fn conditions(report: &Report) -> Value {
    json!({
        "scenario": report.scenario,
        "engine": report.engine,
        "load": report.load,
        // What is recorded for an audit, and the flushes that a soak makes beside the load, cost something too.
        "audit": report.audit.is_some(),
        "soak": report.steadiness.is_some(),
        "duration_s": report.duration_s,
        "repeats": report.repeats.len().max(1),
        "environment": report.environment,
    })
}

fn collect(path: &str, a: &Value, b: &Value, found: &mut Vec<Difference>) {
    if let (Value::Object(in_a), Value::Object(in_b)) = (a, b) {
        let names: BTreeSet<&String> = in_a.keys().chain(in_b.keys()).collect();
        for name in names {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            collect(&path, &a[name.as_str()], &b[name.as_str()], found);
        }
    } else if a != b && !is_tolerated(path, a, b) {
        found.push(Difference { what: path.to_owned(), a: said(a), b: said(b) });
    }
}

fn is_tolerated(path: &str, a: &Value, b: &Value) -> bool {
    let Some((_, factor)) = TOLERATED.iter().find(|(name, _)| *name == path) else { return false };
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a.max(b) <= a.min(b) * factor || factor.is_infinite(),
        _ => factor.is_infinite(),
    }
}

fn said(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(a: &Value, b: &Value) -> Vec<String> {
        let mut found = Vec::new();
        collect("", a, b, &mut found);
        found.into_iter().map(|one| format!("{}: {} | {}", one.what, one.a, one.b)).collect()
    }

    #[test]
    fn what_differs_is_named_by_its_place() {
        let a = json!({"engine": "cte", "environment": {"cpus": 2, "postgresql": {"fsync": "on"}}});
        let b = json!({"engine": "cte", "environment": {"cpus": 4, "postgresql": {"jit": "off"}}});
        assert_eq!(
            found(&a, &b),
            [
                "environment.cpus: 2 | 4",
                "environment.postgresql.fsync: on | -",
                "environment.postgresql.jit: - | off",
            ]
        );
        assert!(found(&a, &a).is_empty());
    }

    #[test]
    fn what_always_differs_a_little_must_differ_much() {
        let of = |flush: f64, events: u64, load: f64| {
            let all = json!({"flush_ms": flush, "events_before": events, "load_average_1m": load});
            json!({ "environment": all })
        };
        assert!(found(&of(0.5, 30_000, 0.1), &of(0.9, 30_007, 7.0)).is_empty());
        assert_eq!(
            found(&of(0.5, 30_000, 0.1), &of(1.5, 90_000, 0.1)),
            ["environment.events_before: 30000 | 90000", "environment.flush_ms: 0.5 | 1.5",]
        );
        let unknown = json!({"environment": {"flush_ms": null}});
        assert_eq!(found(&unknown, &json!({"environment": {"flush_ms": 0.5}})).len(), 1);
    }
}
