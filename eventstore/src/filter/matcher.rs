//! Whether an event matches a filter, decided in memory.

use serde_json::Value;

use crate::filter::CheckedFilter;
use crate::filter::checked::{CheckedItem, Predicate};

impl CheckedFilter {
    /// The first item that an event matches.
    pub(crate) fn matched_item(&self, event_type: &str, payload: &Value) -> Option<usize> {
        self.items().iter().position(|item| item.matches(event_type, payload))
    }
}

impl CheckedItem {
    pub(crate) fn matches(&self, event_type: &str, payload: &Value) -> bool {
        let has_type = self.types.is_empty() || self.types.iter().any(|wanted| wanted.as_str() == event_type);
        has_type && self.groups.iter().all(|group| group.iter().any(|predicate| predicate.holds(payload)))
    }
}

impl Predicate {
    pub(crate) fn holds(&self, payload: &Value) -> bool {
        self.path.any(payload, &mut |value| self.value.equals(value))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::filter::{FieldValue, Filter};

    fn matches(filter: &Filter, event_type: &str, payload: &Value) -> bool {
        filter.check().unwrap().matched_item(event_type, payload).is_some()
    }

    #[test]
    fn groups_are_anded_and_predicates_in_a_group_are_any_or_all() {
        let any = Filter::event_types(["A", "B"]).and_any([("x", 1), ("y", 2)]);
        assert!(matches(&any, "A", &json!({"x": 1})));
        assert!(matches(&any, "B", &json!({"y": 2.0})));
        assert!(!matches(&any, "C", &json!({"x": 1})));
        let all = Filter::event_types(["A"]).and_all([("x", 1), ("y", 2)]);
        assert!(!matches(&all, "A", &json!({"x": 1})));
        assert!(matches(&all, "A", &json!({"x": 1, "y": 2})));
        assert!(matches(&all.or(Filter::where_all([("z", true)])), "Z", &json!({"z": true})));
    }

    #[test]
    fn values_compare_exactly() {
        let is =
            |value: FieldValue, payload: Value| matches(&Filter::where_all([("v", value)]), "T", &payload);
        assert!(is(1.into(), json!({"v": 1.0})));
        assert!(!is("1".into(), json!({"v": 1})));
        assert!(is((1_u64 << 63).into(), json!({"v": 9_223_372_036_854_775_808_u64})));
        assert!(!is(9_007_199_254_740_993_i64.into(), json!({"v": 9_007_199_254_740_992.0})));
        assert!(!is("Ada".into(), json!({"v": "ada"})));
        assert!(is("x".into(), json!({"v": ["y", "x"]})));
        assert!(!is("x".into(), json!({"v": [["x"]]})));
        assert!(!is(false.into(), json!({"v": null})));
    }

    #[test]
    fn what_is_empty_is_refused() {
        let none: [(&str, &str); 0] = [];
        for filter in [
            Filter::event_types(Vec::<String>::new()),
            Filter::event_types([""]),
            Filter::where_any(none),
            Filter::where_all(none),
            Filter::all().and_all([("", 1)]),
            Filter::from_iter([]),
        ] {
            assert!(filter.check().is_err(), "{filter:?}");
        }
        assert!(Filter::event_types((0..1_001).map(|n| format!("T{n}"))).check().is_err());
        assert!(Filter::event_types((0..1_000).map(|n| format!("T{n}"))).check().is_ok());
    }
}
