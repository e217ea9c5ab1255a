//! The timeline as CSV: a header, and a line for each second.

use std::io;

use serde_json::Value;

use crate::report::Second;

/// The fields of [`Second`], by their names.
const COLUMNS: &[&str] = &[
    "at_s",
    "scheduled",
    "completed",
    "rejected",
    "errors",
    "timeouts",
    "conflicts",
    "retries",
    "late",
    "p50_ms",
    "p99_ms",
    "p999_ms",
    "max_ms",
    "service_p99_ms",
    "queued",
    "in_flight",
    "lag_ms",
    "own_cores",
    "primary_answers",
    "sent_again",
    "length_s",
];

/// Numbers have dots. A field is empty where there is nothing to say.
pub(crate) fn write(timeline: &[Second], mut to: impl io::Write) -> io::Result<()> {
    writeln!(to, "{}", COLUMNS.join(","))?;
    for second in timeline {
        let second = serde_json::to_value(second)?;
        let fields: Vec<String> = COLUMNS.iter().map(|column| field(&second[*column])).collect();
        writeln!(to, "{}", fields.join(","))?;
    }
    Ok(())
}

fn field(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn csv(timeline: &[Second]) -> Vec<String> {
        let mut written = Vec::new();
        write(timeline, &mut written).unwrap();
        String::from_utf8(written).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn every_field_of_a_second_is_a_column() {
        let Value::Object(second) = serde_json::to_value(Second::default()).unwrap() else {
            panic!("a second has fields");
        };
        let fields: BTreeSet<&str> = second.keys().map(String::as_str).collect();
        assert_eq!(COLUMNS.iter().copied().collect::<BTreeSet<_>>(), fields);
        assert_eq!(COLUMNS.len(), fields.len());
        assert!(second.values().all(|value| !value.is_string() && !value.is_array() && !value.is_object()));
    }

    #[test]
    fn a_line_for_each_second() {
        let busy = Second {
            at_s: 7,
            completed: 300,
            p99_ms: Some(4.25),
            own_cores: 0.5,
            primary_answers: true,
            ..Second::default()
        };
        let lines = csv(&[Second::default(), busy]);
        assert_eq!(lines.len(), 3);
        assert!(lines[0].starts_with("at_s,scheduled,completed,"), "{}", lines[0]);
        assert_eq!(lines[1], "0,0,0,0,0,0,0,0,0,,,,,,0,0,,0.0,false,0,1.0");
        assert_eq!(lines[2], "7,0,300,0,0,0,0,0,0,,4.25,,,,0,0,,0.5,true,0,1.0");
        assert_eq!(csv(&[]).len(), 1);
    }
}
