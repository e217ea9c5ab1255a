//! Benchmarks: that they measure what they say, not how fast anything is.

use serde_json::Value;
use testutil::TestSchema;

use crate::{json, load_generator};

/// Each row has a rate for each round, and its ratio to the others of its case.
fn assert_compares(report: &Value, rounds: usize) {
    let rows = report["rows"].as_array().unwrap();
    for row in rows {
        let (rate, rates) = (row["rate"].as_f64().unwrap(), row["rates"].as_array().unwrap());
        assert!(rate > 0.0 && rates.len() == rounds, "{row}");
        let of_case = |it: &&Value| it["bench"] == row["bench"] && it["case"] == row["case"];
        let others: Vec<&Value> =
            rows.iter().filter(of_case).filter(|it| it["engine"] != row["engine"]).collect();
        let ratios = row["ratio"].as_object().unwrap();
        assert_eq!(ratios.len(), others.len(), "{row}");
        for other in others {
            let expected = rate / other["rate"].as_f64().unwrap();
            let ratio = ratios[other["engine"].as_str().unwrap()].as_f64().unwrap();
            assert!((ratio / expected - 1.0).abs() < 0.05 || (ratio - expected).abs() < 0.01, "{row}");
        }
    }
}

#[test]
fn a_bench_compares_the_engines_on_the_same_servers() {
    let (file, picture) = (tempfile::NamedTempFile::new().unwrap(), tempfile::NamedTempFile::new().unwrap());
    let flags = "bench append --clients 2,8 --rounds 2 --duration 200ms --preload 500 --json";
    let mut command = load_generator(flags);
    let output = command.arg(file.path()).arg("--picture").arg(picture.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let picture = std::fs::read_to_string(picture.path()).unwrap();
    // A line for each engine, with a point for each number of clients.
    assert_eq!(
        (picture.matches("<polyline").count(), picture.matches("<circle").count()),
        (3, 6),
        "{picture}"
    );
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.contains("append: 8 clients") && printed.contains("insert"), "{printed}");
    let report: Value = serde_json::from_str(&std::fs::read_to_string(file.path()).unwrap()).unwrap();
    assert_eq!(report["postgresql"]["fsync"], "on");
    assert_eq!(report["rows"].as_array().unwrap().len(), 6);
    assert_compares(&report, 2);
    for row in report["rows"].as_array().unwrap() {
        assert!(row["p50_ms"].as_f64().unwrap() <= row["p99_ms"].as_f64().unwrap(), "{row}");
        assert!(row["resident_mib"].as_f64().unwrap() > 1.0, "{row}");
    }
}

/// One after the other: they make the same schemas.
#[test]
fn every_benchmark_measures_its_cases() {
    let schema = TestSchema::new();
    for (bench, more, cases, contestants) in [
        ("decide", "--preload 3000", 1, 2),
        ("contended", "--clients 8", 1, 2),
        ("query", "--preload 3000 --engines eventstore", 6, 7),
        ("catch-up", "--preload 3000", 1, 2),
        ("processes", "--preload 3000", 1, 2),
    ] {
        let flags = format!("bench {bench} --rounds 1 --duration 200ms --json - {more}");
        let mut command = load_generator(&flags);
        let report = json(&command.args(["--primary", schema.primary()]).output().unwrap());
        assert_compares(&report, 1);
        let rows = report["rows"].as_array().unwrap();
        let names: std::collections::BTreeSet<&str> =
            rows.iter().map(|row| row["case"].as_str().unwrap()).collect();
        assert_eq!((names.len(), rows.len()), (cases, contestants), "{bench}: {report:#}");
    }
}
