//! Several generators that make one load.

use std::path::Path;
use std::time::{Duration, SystemTime};

use serde_json::Value;
use testutil::TestSchema;

use crate::{count, json, load_generator, null, of_operations, on, said};

/// Time to start two processes, and to write and read what is there before.
const PREPARED_WITHIN: Duration = Duration::from_secs(10);
const PLAN: &str = "--rate 100 --duration 2s --warmup 0s --seed 9 --timeout 20s --queue 1000 --json -";

fn merge(logs: &[&Path]) -> std::process::Output {
    load_generator("merge --json -").args(logs).output().unwrap()
}

#[test]
fn nodes_make_the_whole_plan_and_their_logs_are_joined_exactly() {
    let (schema, folder) = (TestSchema::new(), tempfile::tempdir().unwrap());
    let logs = ["1/2", "2/2"].map(|node| folder.path().join(node.replace('/', "of")));
    let start_at = humantime::format_rfc3339_millis(SystemTime::now() + PREPARED_WITHIN).to_string();
    let start = |node: &str, log: &Path| {
        let mut command = on(&schema, &format!("{PLAN} --preload 2000 --node {node} --start-at {start_at}"));
        command.arg("--hdr").arg(log).spawn().unwrap()
    };
    let nodes = [start("1/2", &logs[0]), start("2/2", &logs[1])];
    let whole = json(&null(PLAN).output().unwrap());
    let [first, second] = nodes.map(|node| json(&node.wait_with_output().unwrap()));

    assert_eq!((&first["load"]["node"], &second["load"]["node"]), (&"1/2".into(), &"2/2".into()));
    for field in ["scheduled", "completed"] {
        assert_eq!((count(&first, field), count(&second, field)), (100, 100), "{first:#} {second:#}");
    }
    let mut together = of_operations(&first, "count");
    for (operation, count) in of_operations(&second, "count") {
        *together.entry(operation).or_default() += count;
    }
    assert_eq!(together, of_operations(&whole, "count"), "each request is made by one of them");

    let merged = json(&merge(&[&logs[0], &logs[1]]));
    let tags = merged["latencies"].as_array().unwrap();
    let of = |tag: Value| {
        let tagged = tags.iter().find(|tagged| tagged["tag"] == tag).unwrap();
        tagged["latency"]["count"].as_u64().unwrap()
    };
    assert_eq!((of(Value::Null), of("service".into())), (200, 200), "{merged:#}");
    assert_eq!(of("lend_book".into()), together["lend_book"]);
    assert!(merged["overlap_s"].as_f64().unwrap() > 0.0, "they began together: {merged:#}");
    assert_eq!(merged["warnings"], serde_json::json!([]));

    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&logs[0], &link).unwrap();
    let said = said(&merge(&[&logs[0], &link]), 1);
    assert!(said.contains("the same log as"), "{said}");
}

#[test]
fn a_node_that_is_too_late_does_not_begin_alone() {
    let output = null("--node 2/2 --start-at 2020-01-01T00:00:00Z").output().unwrap();
    let said = said(&output, 1);
    assert!(said.contains("say a time to come"), "{said}");
}
