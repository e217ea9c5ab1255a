//! Tests in several processes: a test starts itself again, and finds out from its environment that it is a child.

use std::process::Stdio;

use eventstore::EventStore;
use tokio::process::{Child, Command};

use crate::fixture;

const PRIMARY: &str = "EVENTSTORE_SUITE_CHILD_PRIMARY";
const SCHEMA: &str = "EVENTSTORE_SUITE_CHILD_SCHEMA";
const NUMBER: &str = "EVENTSTORE_SUITE_CHILD_NUMBER";

/// What a child process was started with.
pub(crate) struct Role {
    pub(crate) number: usize,
    primary: String,
    schema: String,
}

impl Role {
    /// Set if this process is a child.
    pub(crate) fn of_this_process() -> Option<Self> {
        let number = std::env::var(NUMBER).ok()?.parse().ok()?;
        Some(Self { number, primary: std::env::var(PRIMARY).ok()?, schema: std::env::var(SCHEMA).ok()? })
    }

    pub(crate) async fn store(&self) -> EventStore {
        fixture::store().primary(&self.primary).schema(&self.schema).connect().await.unwrap()
    }
}

/// Starts this test once more, as a child. It ends when the test does.
pub(crate) fn start(test: &str, number: usize, primary: &str, schema: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture", "--quiet"])
        .env(PRIMARY, primary)
        .env(SCHEMA, schema)
        .env(NUMBER, number.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// What a child printed, when it has ended well.
pub(crate) async fn output(child: Child) -> String {
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success(), "child failed: {}", output.status);
    String::from_utf8(output.stdout).unwrap()
}
