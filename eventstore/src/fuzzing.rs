//! Entrances for fuzzers, with `--cfg fuzzing` only.
//!
//! What is behind them needs no server: texts that are parsed, and filters that are matched in memory.

use std::time::Duration;

use serde_json::Value;

use crate::error::Error;
use crate::event;
use crate::filter::{Filter, Path};
use crate::pool::Dsn;
use crate::transfer;

/// Whether an event of this type and payload matches.
///
/// # Errors
/// If the filter is not valid.
pub fn matches(filter: &Filter, event_type: &str, payload: &Value) -> Result<bool, Error> {
    Ok(filter.check()?.matched_item(event_type, payload).is_some())
}

/// The JSON text of an event, checked and written again.
///
/// # Errors
/// If it is no JSON, or has a number that can not be kept.
pub fn event_json(text: &str) -> Result<String, Error> {
    event::parse_json(text, "payload").map(|value| event::write_json(&value))
}

/// A line of an export.
///
/// # Errors
/// If it is no event.
pub fn export_line(text: &str) -> Result<(), Error> {
    transfer::parse_line(text).map(drop)
}

/// The path of a predicate, as it is written down.
///
/// # Errors
/// If it is none.
pub fn path(text: &str) -> Result<String, Error> {
    Path::parse(text).map(|path| path.canonical().to_owned())
}

/// A connection string.
///
/// # Errors
/// If it is none.
pub fn connection_string(text: &str) -> Result<(), Error> {
    Dsn::parse(text, "primary", Duration::from_secs(1)).map(drop)
}
