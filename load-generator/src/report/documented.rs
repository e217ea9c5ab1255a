//! Whether docs/load-generator.md knows every field of a result.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::report::sample::sample;

const PAGE: &str = include_str!("../../../docs/load-generator.md");

/// Objects whose keys are names of the run, such as an operation's, and no fields.
const NAMED_BY_THE_RUN: &[&str] = &["operations", "scenario", "postgresql", "pool_wait", "query_ms"];

#[test]
fn every_field_is_documented() {
    let mut fields = BTreeSet::new();
    collect(&serde_json::to_value(sample()).unwrap(), &mut fields);
    assert!(fields.contains("achieved_rate") && fields.contains("p999_ms"), "{fields:?}");
    let missing: Vec<&String> = fields.iter().filter(|field| !PAGE.contains(&format!("`{field}`"))).collect();
    assert!(missing.is_empty(), "docs/load-generator.md does not name {missing:?}");
}

fn collect(value: &Value, fields: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                fields.insert(name.clone());
                match value {
                    Value::Object(named) if NAMED_BY_THE_RUN.contains(&name.as_str()) => {
                        named.values().for_each(|value| collect(value, fields));
                    }
                    value => collect(value, fields),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, fields)),
        _ => {}
    }
}
