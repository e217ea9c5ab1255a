//! Tables, and numbers as they stand in them.

use maud::{Markup, html};
use serde_json::Value;

use crate::chart::thousands;

/// What was not measured.
pub(super) const NONE: &str = "–";

/// With names above and at the left; wide ones scroll by themselves. The first cell of a row is its name.
pub(super) fn table(heads: &[&str], rows: &[Vec<String>]) -> Markup {
    html! {
        div.scroll {
            table {
                thead { tr { @for head in heads { th scope="col" { (head) } } } }
                tbody { @for row in rows { tr { (cells(row)) } } }
            }
        }
    }
}

fn cells(row: &[String]) -> Markup {
    html! {
        @for (nth, cell) in row.iter().enumerate() {
            @if nth == 0 { th scope="row" { (cell) } } @else { td { (cell) } }
        }
    }
}

/// Names with their values.
pub(super) fn facts(rows: &[(String, String)]) -> Markup {
    html! {
        dl.facts { @for (name, value) in rows { div { dt { (name) } dd { (value) } } } }
    }
}

/// Milliseconds.
pub(super) fn ms(ms: Option<f64>) -> String {
    ms.map_or_else(|| NONE.to_owned(), decimal)
}

/// With as many digits as matter.
pub(super) fn decimal(number: f64) -> String {
    match number.abs() {
        size if !size.is_finite() => NONE.to_owned(),
        size if size >= 1e3 => thousands(number),
        size if size >= 100.0 => format!("{number:.1}"),
        _ => format!("{number:.2}"),
    }
}

pub(super) fn count(count: u64) -> String {
    thousands(count as f64)
}

pub(super) fn maybe_count(maybe: Option<u64>) -> String {
    maybe.map_or_else(|| NONE.to_owned(), count)
}

/// Of one, in percent.
pub(super) fn percent(share: Option<f64>) -> String {
    match share {
        Some(share) if share.is_finite() => format!("{:.2} %", share * 100.0),
        _ => NONE.to_owned(),
    }
}

/// The fields of something as JSON has them: no field is forgotten when another is added.
pub(super) fn fields(of: &impl serde::Serialize) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    if let Ok(value) = serde_json::to_value(of) {
        flatten("", &value, &mut fields);
    }
    fields
}

fn flatten(name: &str, value: &Value, fields: &mut Vec<(String, String)>) {
    match value {
        Value::Object(inner) => {
            for (inner_name, value) in inner {
                let path = if name.is_empty() { inner_name.clone() } else { format!("{name}.{inner_name}") };
                flatten(&path, value, fields);
            }
        }
        _ => fields.push((name.to_owned(), words(value))),
    }
}

fn words(value: &Value) -> String {
    match value {
        Value::Null => NONE.to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Number(number) => match (number.as_u64(), number.as_f64()) {
            (Some(whole), _) => count(whole),
            (None, Some(number)) => decimal(number),
            (None, None) => number.to_string(),
        },
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(words).collect::<Vec<_>>().join(", "),
        Value::Object(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_digits_that_matter() {
        assert_eq!([0.0, 4.126, 412.53, 41_253.0].map(decimal), ["0.00", "4.13", "412.5", "41,253"]);
        assert_eq!([f64::NAN, f64::INFINITY].map(decimal), [NONE, NONE]);
        assert_eq!(
            (ms(None), percent(Some(0.0123)), percent(Some(f64::NAN))),
            (NONE.into(), "1.23 %".into(), NONE.into())
        );
    }

    #[test]
    fn fields_are_named_by_their_path() {
        let value = serde_json::json!({"a": {"b": 1_500, "c": null}, "d": [true, "x"]});
        let expected = [("a.b", "1,500"), ("a.c", NONE), ("d", "yes, x")];
        assert_eq!(fields(&value), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
}
