//! Metrics while a run goes on.

use std::net::TcpStream;

use crate::null;
use crate::running::Running;

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

/// What can happen is counted from 0 on: a series that begins with the first failure hides it from `rate()`.
#[test]
fn what_never_happened_is_zero() {
    let mut running = Running::start(null("--rate 100 --duration 10m --warmup 0s"));
    let page = running.scrape().unwrap();
    let commands = ["cancel_contract", "change_stock", "lend_book", "register_reader", "return_book"];
    let queries = ["books_in_circulation", "reader_loans"];
    running.kill();
    let is_there = |operation: &str, outcome: &str| {
        let series =
            format!("load_generator_requests_total{{operation=\"{operation}\",outcome=\"{outcome}\"}} ");
        page.lines().find_map(|line| line.strip_prefix(&series)).map(|value| value == "0")
    };
    for operation in commands.into_iter().chain(queries) {
        let is_command = commands.contains(&operation);
        for failure in ["error", "timeout"] {
            assert_eq!(is_there(operation, failure), Some(true), "{operation} {failure}: {page}");
        }
        for outcome in ["effective", "refused"] {
            assert_eq!(is_there(operation, outcome).is_some(), is_command, "{operation} {outcome}: {page}");
        }
        assert_eq!(is_there(operation, "answered").is_some(), !is_command, "{operation}: {page}");
        assert_eq!(is_there(operation, "failure_recorded"), None, "{operation}: {page}");
        let latency = format!("load_generator_latency_seconds_count{{operation=\"{operation}\"}} ");
        assert!(page.contains(&latency), "{operation}: {page}");
    }
    assert!(page.contains("load_generator_errors_total{kind=\"conflict\",sqlstate=\"\"} 0\n"), "{page}");
}
