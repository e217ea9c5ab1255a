//! The load generator as it is used: as a process, against real servers.

#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

mod audit;
mod bench;
mod chaos;
mod deliver;
mod html;
mod run;

use std::process::{Command, Output, Stdio};

use serde_json::Value;
use testutil::TestSchema;

fn load_generator(flags: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_load-generator"));
    command.env_remove("EVENTSTORE_PRIMARY").env_remove("EVENTSTORE_REPLICA");
    command.args(flags.split(' ')).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn on(schema: &TestSchema, flags: &str) -> Command {
    let mut command = load_generator(flags);
    command.args(["--primary", schema.primary(), "--replica", schema.replica(), "--schema", schema.name()]);
    command
}

fn json(output: &Output) -> Value {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {errors}", output.status);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {errors}"))
}

fn count(report: &Value, field: &str) -> u64 {
    report["requests"][field].as_u64().unwrap()
}

/// Every request that was due is accounted for.
fn assert_adds_up(report: &Value) {
    let parts = ["completed", "rejected", "errors", "timeouts"].map(|field| count(report, field));
    assert_eq!(count(report, "scheduled"), parts.iter().sum::<u64>(), "{report:#}");
    let operations = report["operations"].as_object().unwrap().values();
    assert_eq!(
        operations.map(|operation| operation["count"].as_u64().unwrap()).sum::<u64>(),
        count(report, "completed")
    );
}
