//! A path into a payload.

use serde_json::Value;

use crate::error::Error;

/// A path such as `customer.id`, parsed: equal paths have equal canonical texts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Path {
    canonical: String,
    segments: Vec<String>,
}

impl Path {
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let mut segments = vec![String::new()];
        let mut chars = text.chars();
        while let Some(char) = chars.next() {
            let last = segments.last_mut().expect("a path has at least one segment");
            match char {
                '.' => segments.push(String::new()),
                '\\' => match chars.next() {
                    Some(escaped @ ('.' | '\\')) => last.push(escaped),
                    _ => {
                        return Err(Error::invalid(format!(
                            "path {text:?} has a backslash before something else than a dot or a backslash"
                        )));
                    }
                },
                '\0' => return Err(Error::invalid("path has a NUL character, which no payload can have")),
                other => last.push(other),
            }
        }
        if segments.iter().any(String::is_empty) {
            return Err(Error::invalid(format!("path {text:?} has an empty segment")));
        }
        let canonical = segments
            .iter()
            .map(|segment| segment.replace('\\', "\\\\").replace('.', "\\."))
            .collect::<Vec<_>>()
            .join(".");
        Ok(Self { canonical, segments })
    }

    /// The text that keys are made of and errors name.
    pub(crate) fn canonical(&self) -> &str {
        &self.canonical
    }

    pub(crate) fn is_top_level(&self) -> bool {
        self.segments.len() == 1
    }

    /// The error for a filter on this path where it has no keys.
    pub(crate) fn unindexed(&self) -> Error {
        Error::invalid(format!(
            "path {:?} is not indexed in this log, or not ready yet, so that finding its events would read all of it; \
             index it (EventStore::index_path), or allow a scan for this query (Query::allow_scan)",
            self.canonical
        ))
    }

    /// The JSON path of every element that the path reaches, for the making of keys.
    pub(crate) fn to_extract(&self) -> String {
        format!("{}[*]", self.to_jsonpath())
    }

    /// As a JSON path, such as `$."customer"."id"`.
    pub(crate) fn to_jsonpath(&self) -> String {
        let mut jsonpath = String::from("$");
        for segment in &self.segments {
            jsonpath.push('.');
            jsonpath.push_str(&Value::from(segment.as_str()).to_string());
        }
        jsonpath
    }

    /// Whether any value that the path reaches satisfies `test`; arrays are opened once at every step, as lax
    /// JSON paths do.
    pub(crate) fn any(&self, payload: &Value, test: &mut dyn FnMut(&Value) -> bool) -> bool {
        Self::descend(&self.segments, payload, test)
    }

    fn descend(segments: &[String], value: &Value, test: &mut dyn FnMut(&Value) -> bool) -> bool {
        let Some((segment, rest)) = segments.split_first() else {
            return match value {
                Value::Array(elements) => elements.iter().any(test),
                scalar => test(scalar),
            };
        };
        let mut step = |value: &Value| match value {
            Value::Object(fields) => {
                fields.get(segment).is_some_and(|field| Self::descend(rest, field, test))
            }
            _ => false,
        };
        match value {
            Value::Array(elements) => elements.iter().any(step),
            other => step(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn reaches(path: &str, payload: &Value) -> Vec<Value> {
        let mut found = Vec::new();
        Path::parse(path).unwrap().any(payload, &mut |value| {
            found.push(value.clone());
            false
        });
        found
    }

    #[test]
    fn a_path_through_arrays_reaches_every_element() {
        let payload =
            json!({"items": [{"sku": "a"}, {"sku": ["b", "c"]}, 7], "a.b": 1, "tags": [["x"], "y"]});
        assert_eq!(reaches("items.sku", &payload), [json!("a"), json!("b"), json!("c")]);
        assert_eq!(reaches("a\\.b", &payload), [json!(1)]);
        assert_eq!(reaches("tags", &payload), [json!(["x"]), json!("y")]);
        assert_eq!(reaches("items.none", &payload), Vec::<Value>::new());
    }

    #[test]
    fn dots_separate_and_backslashes_escape() {
        assert_eq!(Path::parse("a\\.b").unwrap().canonical(), "a\\.b");
        assert_eq!(Path::parse("a.\"b").unwrap().to_jsonpath(), r#"$."a"."\"b""#);
        for bad in ["", ".", "a.", "a..b", "a\\", "a\\b", "a\0"] {
            assert!(Path::parse(bad).is_err(), "{bad:?}");
        }
    }
}
