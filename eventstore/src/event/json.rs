//! What JSON the log keeps: what JSONB can store, exactly as it was given.

use std::error::Error as _;
use std::io;

use serde::Serialize as _;
use serde_json::ser::{CompactFormatter, Formatter, Serializer};
use serde_json::{Number, Value};

use crate::error::Error;
use crate::position::Position;

/// The deepest nesting that `serde_json` reads back: its limit of 128 counts the one that fails.
const MAX_DEPTH: usize = 127;

/// Refuses what PostgreSQL would refuse: NUL characters and excessive nesting.
pub(super) fn check(value: &Value, what: &str) -> Result<(), Error> {
    descend(value, what, 0)
}

/// The same of what is kept beside events, and may be so long.
pub(crate) fn check_stored(value: &Value, what: &str, most: usize) -> Result<(), Error> {
    check(value, what)?;
    let bytes = value.to_string().len();
    if bytes > most {
        return Err(Error::invalid(format!("{what} has {bytes} bytes of JSON; expected at most {most}")));
    }
    Ok(())
}

fn descend(value: &Value, what: &str, depth: usize) -> Result<(), Error> {
    let nested = matches!(value, Value::Array(_) | Value::Object(_));
    if nested && depth >= MAX_DEPTH {
        return Err(Error::invalid(format!("{what} is nested deeper than {MAX_DEPTH} levels")));
    }
    match value {
        Value::String(text) => check_text(text, what),
        Value::Array(elements) => elements.iter().try_for_each(|element| descend(element, what, depth + 1)),
        Value::Object(fields) => fields.iter().try_for_each(|(name, field)| {
            check_text(name, what)?;
            descend(field, what, depth + 1)
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

fn check_text(text: &str, what: &str) -> Result<(), Error> {
    if text.contains('\0') {
        return Err(Error::invalid(format!(
            "{what} has a NUL character (\\u0000), which JSONB can not store"
        )));
    }
    Ok(())
}

/// An event whose content can not be read. Appends of this library refuse such content; a call by hand does not.
pub(crate) fn unreadable(server: &str, position: Position, error: &tokio_postgres::Error) -> Error {
    // serde_json's message never quotes the text.
    let cause = error.source().map_or_else(|| error.to_string(), ToString::to_string);
    Error::invalid(format!(
        "{server}: the event at position {position} can not be read: its payload or metadata is JSON that this library does not \
         append ({cause}); expected numbers that fit in 64 bits and at most {MAX_DEPTH} levels. It was written by hand; \
         docs/operations.md says how to put it right"
    ))
}

/// Writes JSON so that it comes back the same from JSONB.
pub(crate) fn write(value: &Value) -> String {
    let mut text = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut text, KeepFloats);
    value.serialize(&mut serializer).expect("JSON values can be written to memory");
    String::from_utf8(text).expect("JSON is UTF-8")
}

/// JSONB keeps a number as a decimal: `1e16` would come back as an integer, `10000000000000000.0` comes back as a float.
struct KeepFloats;

impl Formatter for KeepFloats {
    fn write_f64<W: io::Write + ?Sized>(&mut self, out: &mut W, number: f64) -> io::Result<()> {
        if number.abs() >= 1e16 {
            // The fewest digits that read back as this float, then zeros; it is an integer, so high up.
            return write!(out, "{number}.0");
        }
        CompactFormatter.write_f64(out, number)
    }
}

/// Parses JSON text, and refuses a number that would come back as another one.
pub(crate) fn parse(text: &str, what: &str) -> Result<Value, Error> {
    // serde_json's message names line and column and never quotes the text.
    let value =
        serde_json::from_str(text).map_err(|error| Error::invalid(format!("{what} is not JSON: {error}")))?;
    for literal in numbers(text) {
        let kept = serde_json::from_str::<Number>(literal)
            .is_ok_and(|number| Decimal::parse(&number.to_string()) == Decimal::parse(literal));
        if !kept {
            return Err(Error::invalid(format!(
                "{what} has a number of {} characters that a 64-bit integer or float can not keep exactly; \
                 write it as a string",
                literal.len()
            )));
        }
    }
    Ok(value)
}

/// The number literals of a valid JSON text.
fn numbers(text: &str) -> impl Iterator<Item = &str> {
    let bytes = text.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < bytes.len() {
            match bytes[at] {
                b'"' => {
                    at += 1;
                    while bytes[at] != b'"' {
                        at += if bytes[at] == b'\\' { 2 } else { 1 };
                    }
                    at += 1;
                }
                b'-' | b'0'..=b'9' => {
                    let start = at;
                    while at < bytes.len()
                        && matches!(bytes[at], b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9')
                    {
                        at += 1;
                    }
                    return Some(&text[start..at]);
                }
                _ => at += 1,
            }
        }
        None
    })
}

/// A decimal number in normal form: equal values have equal fields, however they were written.
#[derive(Debug, PartialEq, Eq)]
struct Decimal {
    negative: bool,
    digits: String,
    exponent: i64,
}

impl Decimal {
    /// `None` where the exponent is beyond anything that could be kept.
    fn parse(literal: &str) -> Option<Self> {
        let (mantissa, exponent) = match literal.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
            None => (literal, 0),
        };
        let (negative, mantissa) = match mantissa.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, mantissa),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{whole}{fraction}");
        let trimmed = all.trim_end_matches('0');
        let exponent = exponent
            .checked_sub(i64::try_from(fraction.len()).ok()?)?
            .checked_add(i64::try_from(all.len() - trimmed.len()).ok()?)?;
        let digits = trimmed.trim_start_matches('0').to_owned();
        if digits.is_empty() {
            return Some(Self { negative: false, digits, exponent: 0 });
        }
        Some(Self { negative, digits, exponent })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_are_kept_exactly_are_accepted() {
        for text in [
            "0",
            "-0",
            "0.1",
            "1.0",
            "1e2",
            "-12.50",
            "18446744073709551615",
            "-9223372036854775808",
            "1e308",
            "[1,2.5,{\"a\":\"\\\"99999999999999999999\",\"b\":3}]",
            "9007199254740993",
            "100000000000000000000",
        ] {
            parse(text, "payload").unwrap_or_else(|error| panic!("{text}: {error}"));
        }
    }

    #[test]
    fn numbers_that_would_change_are_refused() {
        for text in [
            "9007199254740993.0",
            "1.00000000000000000001",
            "123456789012345678901234567890",
            "1e131071",
            "1e400",
            "{\"a\":[0.1000000000000000055511151231257827]}",
            "1e-400",
            "1e99999999999999999999",
        ] {
            assert!(parse(text, "payload").is_err(), "{text}");
        }
    }

    #[test]
    fn floats_come_back_to_the_last_bit() {
        for n in 1..2_000 {
            for float in
                [1e300 / f64::from(n), 1e-300 * f64::from(n), 0.1 * f64::from(n), 1e16 + f64::from(n)]
            {
                let text = write(&Value::from(float));
                assert_eq!(parse(&text, "payload").unwrap().as_f64(), Some(float), "{text}");
            }
        }
    }

    #[test]
    fn what_jsonb_refuses_is_refused() {
        assert!(parse(r#""\ud800""#, "payload").is_err(), "lone surrogate");
        assert!(check(&parse(r#"{"a\u0000":1}"#, "payload").unwrap(), "payload").is_err(), "NUL in a key");
        assert!(check(&parse(r#"["\u0000"]"#, "payload").unwrap(), "payload").is_err(), "NUL in a string");
        let deep = (0..200).fold(Value::Null, |inner, _| Value::Array(vec![inner]));
        assert!(check(&deep, "payload").is_err(), "nesting");
    }
}
