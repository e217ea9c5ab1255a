//! The files that a result goes to.

use std::path::Path;

use serde_json::Value;

use crate::{assert_adds_up, count, json, load_generator, null, said};

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

/// The columns' names, and each column's fields.
fn columns(csv: &str) -> Vec<(&str, Vec<&str>)> {
    let mut lines = csv.lines();
    let names = lines.next().unwrap().split(',');
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    names.enumerate().map(|(nth, name)| (name, rows.iter().map(|row| row[nth]).collect())).collect()
}

#[test]
fn a_result_goes_to_all_its_files_and_they_say_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let [result, page, csv, log] =
        ["a.json", "a.html", "a.csv", "a.hlog"].map(|name| folder.path().join(name));
    let mut command = null("--rate 200 --duration 2s --warmup 100ms");
    for (flag, path) in [("--json", &result), ("--html", &page), ("--csv", &csv), ("--hdr", &log)] {
        command.arg(flag).arg(path);
    }
    let output = command.output().unwrap();
    said(&output, 0);
    assert!(String::from_utf8_lossy(&output.stdout).contains("400 scheduled"));
    let report: Value = serde_json::from_str(&read(&result)).unwrap();
    assert_adds_up(&report);
    assert_eq!(report["format"], "load-generator 1");

    let page = read(&page);
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("<svg"), "{page}");
    assert_csv_is_the_timeline(&read(&csv), &report);

    let merged = json(&load_generator("merge --json -").arg(&log).output().unwrap());
    let all = merged["latencies"].as_array().unwrap().iter().find(|tagged| tagged["tag"].is_null()).unwrap();
    for field in ["count", "p50_ms", "p90_ms", "p99_ms", "p999_ms", "max_ms"] {
        assert_eq!(all["latency"][field], report["latency"][field], "{field}");
    }
    let lent = merged["latencies"].as_array().unwrap().iter().find(|tagged| tagged["tag"] == "lend_book");
    assert_eq!(lent.unwrap()["latency"]["count"], report["operations"]["lend_book"]["count"]);
}

fn assert_csv_is_the_timeline(csv: &str, report: &Value) {
    let seconds = report["timeline"].as_array().unwrap();
    let columns = columns(csv);
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let documented = "at_s scheduled completed rejected errors timeouts conflicts retries late p50_ms p99_ms p999_ms \
                      max_ms service_p99_ms queued in_flight lag_ms own_cores primary_answers sent_again length_s";
    assert_eq!(names.join(" "), documented);
    for (name, fields) in columns {
        assert!(fields.len() == seconds.len() && seconds.len() >= 2, "{csv}");
        if name == "lag_ms" {
            assert!(fields.iter().all(|field| field.is_empty()), "there is no replica: {csv}");
        }
        if ["scheduled", "completed", "rejected", "errors", "timeouts"].contains(&name) {
            let sum: u64 = fields.iter().map(|field| field.parse::<u64>().unwrap()).sum();
            assert_eq!(sum, count(report, name), "{name}: {csv}");
        }
    }
}

#[test]
fn a_place_that_can_not_be_written_is_refused_before_the_run() {
    for flag in ["--json", "--html", "--csv", "--hdr"] {
        let flags = format!("--rate 10 --duration 1h {flag} /no/such/folder/out");
        let said = said(&load_generator(&flags).output().unwrap(), 1);
        assert!(said.contains("/no/such/folder/out") && !said.contains("started"), "{flag}: {said}");
    }
}

#[test]
fn two_results_do_not_go_to_one_file() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "precious").unwrap();
    let mut command = load_generator("--rate 10 --duration 1h");
    command.arg("--html").arg(file.path()).arg("--csv").arg(file.path());
    let said = said(&command.output().unwrap(), 1);
    assert!(said.contains("--csv") && said.contains("--html goes to the same file"), "{said}");
    assert_eq!(read(file.path()), "precious");
}
