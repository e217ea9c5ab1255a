//! The load generator as it is used: as a process, against real servers.

#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

mod audit;
mod backpressure;
mod bench;
mod capacity;
mod chaos;
mod closed_loop;
mod compare;
mod dashboards;
mod deliver;
mod exporter;
mod exporter_outages;
mod faults;
mod html;
mod input;
mod library;
mod limits;
mod metrics;
mod monitoring;
mod nodes;
mod null_engine;
mod outputs;
mod progress;
mod repeats;
mod run;
mod running;
mod settings;
mod shapes;
mod soak;
mod tls;

use std::collections::BTreeMap;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use testutil::TestSchema;

fn load_generator(flags: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_load-generator"));
    command
        .env_remove("LOAD_GENERATOR_PRIMARY")
        .env_remove("LOAD_GENERATOR_REPLICA")
        .env_remove("EVENTSTORE_TLS_ROOTS");
    command.args(flags.split(' ')).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn on(schema: &TestSchema, flags: &str) -> Command {
    let mut command = load_generator(flags);
    command.args(["--primary", schema.primary(), "--replica", schema.replica(), "--schema", schema.name()]);
    command
}

/// Through the engine that does nothing, which needs no server.
fn null(flags: &str) -> Command {
    load_generator(&format!("--engine null --preload 500 {flags}"))
}

/// What it said to people beside its result, when it ended with this status.
fn said(output: &Output, status: i32) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(status), "{said}");
    said
}

fn json(output: &Output) -> Value {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {errors}", output.status);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {errors}"))
}

fn count(report: &Value, field: &str) -> u64 {
    report["requests"][field].as_u64().unwrap()
}

/// How many of each operation were completed, effective, refused and so on.
fn of_operations(report: &Value, field: &str) -> BTreeMap<String, u64> {
    let operations = report["operations"].as_object().unwrap();
    operations.iter().map(|(name, operation)| (name.clone(), operation[field].as_u64().unwrap())).collect()
}

/// The sum of a column of the timeline.
fn over_time(report: &Value, column: &str) -> u64 {
    let seconds = report["timeline"].as_array().unwrap();
    seconds.iter().map(|second| second[column].as_u64().unwrap()).sum()
}

/// Every request that was due is accounted for, in each place that counts them.
fn assert_adds_up(report: &Value) {
    let parts = ["completed", "rejected", "errors", "timeouts"].map(|field| count(report, field));
    assert_eq!(count(report, "scheduled"), parts.iter().sum::<u64>(), "{report:#}");
    assert_eq!(of_operations(report, "count").values().sum::<u64>(), count(report, "completed"));
    for column in ["scheduled", "completed", "rejected", "errors", "timeouts", "conflicts"] {
        assert_eq!(over_time(report, column), count(report, column), "{column}: {report:#}");
    }
    let kinds = report["errors"].as_array().unwrap().iter();
    assert_eq!(kinds.map(|kind| kind["count"].as_u64().unwrap()).sum::<u64>(), count(report, "errors"));
}
