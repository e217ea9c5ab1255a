//! How much can be done, and what happens beyond it.

use serde_json::Value;
use testutil::TestSchema;

use crate::{json, load_generator, said};

/// Of what tells people how far it is, nobody reads a word.
#[test]
fn a_search_goes_on_where_nobody_listens() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let flags = "capacity --engines null --preload 500 --from 200 --most 200 --probe 100ms --warmup 0s --confirmations 0 \
                 --queue 1000 --slo errors<1% --json -";
    let report = json(&load_generator(flags).stderr(writer).output().unwrap());
    assert_eq!(report["engines"][0]["capacity"], 200.0, "{report:#}");
}

/// Where the system mounts a tmpfs at `/dev/shm`.
#[cfg(target_os = "linux")]
#[test]
fn data_that_is_in_memory_is_warned_of() {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    if !mounts.lines().any(|mount| mount.starts_with("tmpfs /dev/shm ")) {
        return testutil::skip("data_that_is_in_memory_is_warned_of", "/dev/shm is no tmpfs");
    }
    let flags = "capacity --from 2 --most 2 --probe 500ms --warmup 0s --confirmations 0 --preload 500 --slo errors<100% \
                 --json -";
    let output = load_generator(flags).env("TMPDIR", "/dev/shm").output().unwrap();
    let report = json(&output);
    let warnings = report["engines"][0]["probes"][0]["warnings"].as_array().unwrap();
    let is_said = |text: &str| text.contains("the data is in memory (/dev/shm/");
    assert!(warnings.iter().any(|warning| is_said(warning.as_str().unwrap())), "{report:#}");
    let said = said(&output, 0);
    assert!(is_said(&said), "{said}");
}

#[test]
fn the_highest_rate_that_may_be_tried_is_found_where_nothing_limits_it() {
    let picture = tempfile::NamedTempFile::new().unwrap();
    let flags = "capacity --engines null --preload 500 --from 200 --most 400 --probe 300ms --warmup 0s --queue 1000 \
                 --confirmations 1 --confirm-for 300ms --slo errors<1% --json -";
    let output = load_generator(flags).arg("--picture").arg(picture.path()).output().unwrap();
    let report = json(&output);
    let found = &report["engines"][0];
    assert_eq!((&found["engine"], &found["capacity"]), (&"null".into(), &400.0.into()), "{report:#}");
    assert_eq!((&found["is_ceiling"], &found["confirmed"]), (&true.into(), &1.into()), "{report:#}");
    let rates: Vec<_> =
        found["probes"].as_array().unwrap().iter().map(|probe| probe["rate"].as_f64()).collect();
    assert_eq!(rates, [Some(200.0), Some(400.0), Some(400.0)]);
    assert_eq!((&report["slo"], &report["queue"]), (&"errors<1%,rejected<1%".into(), &1_000.into()));
    assert_eq!(report["environment"]["servers"], "none");
    let picture = std::fs::read_to_string(picture.path()).unwrap();
    assert!(picture.starts_with("<svg") && picture.trim_end().ends_with("</svg>"), "{picture}");
    let printed = said(&output, 0);
    assert!(printed.contains("400 requests/s or more: no higher rate was allowed"), "{printed}");
}

#[test]
fn where_no_rate_holds_there_is_no_capacity() {
    let flags = "capacity --engines null --preload 500 --from 2 --most 2 --probe 100ms --warmup 0s --confirmations 0 \
                 --slo rate>1000 --json -";
    let output = load_generator(flags).output().unwrap();
    let printed = said(&output, 3);
    assert!(printed.contains("the limits broke at every rate"), "{printed}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let found = &report["engines"][0];
    assert!(found["capacity"].is_null() && found["is_ceiling"] == false, "{report:#}");
    // Two rates, each of which broke twice.
    assert_eq!(found["probes"].as_array().unwrap().len(), 4, "{report:#}");
    assert_eq!(found["probes"][0]["held"], false);
}

#[test]
fn overload_is_offered_in_both_ways() {
    let schema = TestSchema::new();
    // Far more than can be done.
    let flags = "overload --capacity 2000 --factor 2 --rounds 1 --duration 1s --warmup 0s --preload 500 --workers 4 \
                 --queue 8 --timeout 1s --json -";
    let mut command = load_generator(flags);
    let output = command.args(["--primary", schema.primary(), "--schema", schema.name()]).output().unwrap();
    let report = json(&output);
    assert_eq!(
        (&report["capacity"], &report["offered_rate"]),
        (&2_000.0.into(), &4_000.0.into()),
        "{report:#}"
    );
    assert_eq!(report["rounds"].as_array().unwrap().len(), 1);
    for side in ["task_per_request", "pool"] {
        for figure in ["goodput", "peak_mib", "p50_ms", "p99_ms"] {
            assert!(report[side][figure].as_f64().unwrap() > 0.0, "{side} {figure}: {report:#}");
        }
        assert_eq!(report["rounds"][0][side], report[side]);
    }
    let of = |side: &str, figure: &str| report[side][figure].as_f64().unwrap();
    assert!(of("task_per_request", "rejected") == 0.0 && of("pool", "rejected") > 0.0, "{report:#}");
    assert_eq!(of("pool", "in_flight_most"), 4.0);
    assert!(of("task_per_request", "in_flight_most") > 12.0, "nothing bounds it: {report:#}");
}
