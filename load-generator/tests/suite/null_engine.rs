//! The load generator alone: what it costs, and how well it keeps its schedule.

use std::process::Command;

use crate::{assert_adds_up, count, json, null};

#[test]
fn its_own_cost_and_lateness_are_reported() {
    let report = json(&null("--rate 500 --duration 1s --warmup 0s --json -").output().unwrap());
    assert_adds_up(&report);
    let late = &report["schedule_error"];
    assert_eq!((late["count"].as_u64(), count(&report, "scheduled")), (Some(500), 500), "{report:#}");
    assert!(late["max_ms"].as_f64().unwrap() > 0.0, "{late}");
    assert!(report["effective_share"].as_f64().unwrap() > 0.8, "commands go all their way: {report:#}");
    let own = &report["own"];
    for field in ["cpu_s", "cpu_share", "cpu_us_per_request"] {
        assert!(own[field].as_f64().unwrap() > 0.0, "{own}");
    }
    assert_eq!((&report["environment"]["servers"], &report["engine"]), (&"none".into(), &"null".into()));
    assert_eq!(report["servers"], serde_json::json!([]));
    assert!(report["store"].is_null(), "{report:#}");
}

/// Without a connection for any of them.
#[test]
fn many_workers_of_nothing_need_few_files() {
    let limited = "ulimit -n 64; exec \"$0\" --engine null --preload 500 --workers 500 --rate 100 --duration 300ms \
                   --warmup 0s --json -";
    let program = env!("CARGO_BIN_EXE_load-generator");
    let report = json(&Command::new("sh").args(["-c", limited, program]).output().unwrap());
    assert_eq!(report["load"]["workers"], 500);
}
