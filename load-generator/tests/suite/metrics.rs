//! Metrics while a run goes on.

use std::net::TcpStream;

use serde_json::Value;
use testutil::TestSchema;

use crate::running::Running;
use crate::{null, on};

/// The names of our metrics in a text.
fn metric_names(text: &str) -> std::collections::BTreeSet<&str> {
    let words = text.split(|char: char| !char.is_ascii_alphanumeric() && char != '_');
    words.filter(|word| word.starts_with("load_generator_")).collect()
}

#[test]
fn the_dashboard_asks_for_metrics_that_there_are() {
    let path =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../grafana/dashboards/load-generator.json");
    let dashboard: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    let expressions: String =
        targets.map(|target| target["expr"].as_str().unwrap().to_owned() + "\n").collect();

    let schema = TestSchema::new();
    let mut running = Running::start(on(&schema, "--rate 100 --duration 10m --warmup 0s --preload 500"));
    let scraped = running.scrape().unwrap();
    running.kill();
    let (asked, there) = (metric_names(&expressions), metric_names(&scraped));
    assert!(asked.len() >= 10, "{asked:?}");
    assert_eq!(asked.difference(&there).collect::<Vec<_>>(), Vec::<&&str>::new());
}

#[test]
fn a_port_alone_is_not_open_to_other_machines() {
    let mut running = Running::start(null("--rate 100 --duration 10m --warmup 0s"));
    // Another address of this machine, which a port on all addresses would answer at.
    let elsewhere = TcpStream::connect(("127.0.0.2", running.port));
    let [health, ready] = ["/health", "/ready"].map(|path| running.get(path).unwrap());
    running.kill();
    assert!(elsewhere.is_err());
    assert!(health.starts_with("HTTP/1.1 200") && ready.starts_with("HTTP/1.1 200"), "{health} {ready}");
}
