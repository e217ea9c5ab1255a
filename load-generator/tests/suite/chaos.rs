//! Faults under load, and what is left of the promises.

use serde_json::Value;

use crate::{json, load_generator};

#[test]
fn a_store_under_faults_keeps_every_promise() {
    let faults = "kill=2,process=2,stop=2,cut=6,ackdrop=10,sessions=2,pause=1";
    let flags = format!("chaos --faults {faults} --duration 60s --clients 16 --json -");
    let report = json(&load_generator(&flags).output().unwrap());
    let counts: Vec<u64> =
        report["faults"].as_array().unwrap().iter().map(|fault| fault["count"].as_u64().unwrap()).collect();
    assert_eq!(counts, [2, 2, 2, 6, 10, 2, 1], "{report:#}");
    assert_eq!(report["violations"], 0);
    let [acknowledged, reads] = ["acknowledged", "reads"].map(|field| report[field].as_u64().unwrap());
    assert!(acknowledged >= 25 * 20, "between two faults there is progress: {report:#}");
    assert!(reads > 0, "{report:#}");
}

/// `None`, and said aloud, where this machine does not let us mount the disks that it needs.
fn with_disks_of_its_own(test: &str, flags: &str) -> Option<(i32, Value, String)> {
    let output = load_generator(flags).args(["--json", "-"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.code() == Some(1) && said.contains("mounting a") {
        testutil::skip(test, said);
        return None;
    }
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"));
    Some((output.status.code().unwrap(), report, said))
}

#[test]
fn full_disks_lose_nothing() {
    let flags = "chaos --faults full=1 --duration 60s --clients 8";
    let Some((status, report, said)) = with_disks_of_its_own("full_disks_lose_nothing", flags) else {
        return;
    };
    let counts: Vec<Option<u64>> =
        report["faults"].as_array().unwrap().iter().map(|fault| fault["count"].as_u64()).collect();
    assert_eq!((status, counts), (0, vec![Some(1), Some(1)]), "{said}");
    assert_eq!(report["violations"], 0);
    let full = report["errors"]["53100"].as_u64().unwrap_or(0);
    assert!(full > 0, "a disk was full, and the error said so: {report:#}");
}

#[test]
fn a_power_cut_loses_nothing_that_was_acknowledged() {
    let flags = "chaos --faults power=3 --duration 60s --clients 8";
    let test = "a_power_cut_loses_nothing_that_was_acknowledged";
    let Some((status, report, said)) = with_disks_of_its_own(test, flags) else { return };
    assert_eq!((status, report["violations"].as_u64()), (0, Some(0)), "{said}");
    assert!(report["forgotten_bytes"].as_u64().unwrap() > 0, "something was lost: {report:#}");
}

#[test]
fn a_server_that_acknowledges_before_it_flushes_is_caught() {
    let flags = "chaos --faults power=1 --setting synchronous_commit=off --duration 60s --clients 8";
    let test = "a_server_that_acknowledges_before_it_flushes_is_caught";
    let Some((status, report, said)) = with_disks_of_its_own(test, flags) else { return };
    assert_eq!(status, 4, "{report:#}");
    assert!(said.contains("an acknowledged event is lost"), "{said}");
}

#[test]
fn a_failover_that_loses_the_end_of_the_log_is_told_and_nothing_rests_on_what_is_lost() {
    let report = json(
        &load_generator("chaos --faults failover=2 --duration 60s --clients 8 --json -").output().unwrap(),
    );
    assert_eq!((report["faults"][0]["count"].as_u64(), report["violations"].as_u64()), (Some(2), Some(0)));
    assert_eq!(report["losses_told"], 2, "{report:#}");
    assert!(report["lost"].as_u64().unwrap() >= 2, "each lost something: {report:#}");
}

#[test]
fn a_failover_with_synchronous_replication_loses_nothing() {
    let flags = "chaos --faults failover-sync=2 --duration 60s --clients 8 --json -";
    let report = json(&load_generator(flags).output().unwrap());
    assert_eq!((report["faults"][0]["count"].as_u64(), report["violations"].as_u64()), (Some(2), Some(0)));
    assert_eq!((&report["lost"], &report["losses_told"]), (&0.into(), &0.into()), "{report:#}");
}

#[test]
fn a_silent_replica_leaves_the_rotation_and_comes_back_and_no_caller_notices() {
    let report = json(
        &load_generator("chaos --faults replica=3 --duration 60s --clients 8 --json -").output().unwrap(),
    );
    let fault = &report["faults"][0];
    assert_eq!((fault["count"].as_u64(), report["violations"].as_u64()), (Some(3), Some(0)), "{report:#}");
    assert_eq!(report["errors"], serde_json::json!({}), "{report:#}");
    // A tick and a second, on a slow machine; a read's own deadline is five.
    assert!(fault["leaving_ms"]["median"].as_f64().unwrap() < 4_000.0, "{report:#}");
}

/// Patroni misses a primary that is gone after twenty seconds.
#[test]
fn a_store_lives_through_a_switchover_and_the_loss_of_a_primary_under_patroni() {
    let output =
        load_generator("chaos --faults switchover=1,leader=1 --duration 10m --clients 8 --json -").output();
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains("is not installed") {
        return testutil::skip("a_store_lives_through_a_switchover_…_under_patroni", said);
    }
    let report = json(&output);
    let counts: Vec<_> =
        report["faults"].as_array().unwrap().iter().map(|fault| fault["count"].as_u64()).collect();
    assert_eq!(counts, [Some(1), Some(1)], "{report:#}");
    assert_eq!((&report["violations"], &report["lost"]), (&0.into(), &0.into()), "{report:#}");
    let outage = report["faults"][1]["outage_ms"]["median"].as_f64().unwrap();
    assert!(outage > 1_000.0, "the primary was gone: {report:#}");
}
