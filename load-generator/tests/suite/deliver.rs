//! What subscriptions and groups hand over: that it is measured, and checked.

use serde_json::Value;
use testutil::Cluster;

use crate::{json, load_generator, said};

fn report(flags: &str) -> Value {
    json(&load_generator(&format!("deliver {flags} --json -")).output().unwrap())
}

#[test]
fn claims_are_compared_with_those_through_a_leader() {
    let report = report("group-claim --items 400 --claimers 8 --nodes 1,2");
    let rows = report["rows"].as_array().unwrap();
    // Three modes at two numbers of nodes each, and the leader's queue, flushed and not.
    assert_eq!(rows.len(), 8, "{report:#}");
    for row in rows {
        for field in ["failed", "claimed_twice", "out_of_order"] {
            assert_eq!(row[field], 0, "{row}");
        }
        assert!(
            row["mean_ms"].as_f64().unwrap() > 0.0 && row["items_per_second"].as_f64().unwrap() > 0.0,
            "{row}"
        );
        assert!(row["times_leader_queue"].as_f64().unwrap() > 0.0, "{row}");
    }
}

#[test]
fn subscribers_who_are_woken_ask_less_and_miss_nothing() {
    let flags =
        "subscribe --subscribers 12 --handles 2 --duration 3s --poll-every 500ms --fallback 30s --readers 4";
    let report = report(flags);
    let rows = report["rows"].as_array().unwrap();
    for row in rows {
        assert_eq!((&row["delivered"], &row["misplaced"]), (&row["expected"], &Value::from(0)), "{row}");
    }
    let statements = |nth: usize| rows[nth]["statements"].as_u64().unwrap();
    assert!(statements(1) < statements(0), "{report:#}");
    assert!(rows[2]["listeners_killed"].as_u64().unwrap() >= 2, "{report:#}");
    assert!(report["conditional_reads"]["per_second"].as_f64().unwrap() > 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn subscribers_are_counted_in_their_database_for_their_time_and_strangers_go_on_listening() {
    let cluster = Cluster::builder().start().unwrap();
    let session = testutil::connect(&cluster.primary().dsn()).await.unwrap();
    for statement in ["CREATE ROLE app SUPERUSER LOGIN", "CREATE DATABASE library OWNER app"] {
        session.batch_execute(statement).await.unwrap();
    }
    let library = format!("host=127.0.0.1 port={} user=app dbname=library", cluster.primary().port());
    let stranger = testutil::connect(&library).await.unwrap();
    stranger.batch_execute("LISTEN strangers").await.unwrap();
    let flags = "deliver subscribe --subscribers 40 --handles 1 --duration 1s --poll-every 4s --fallback 30s --readers 2 --json -";
    let run = || load_generator(flags).args(["--primary", &library]).output().unwrap();
    let report = json(&tokio::task::block_in_place(run));
    for row in report["rows"].as_array().unwrap() {
        assert_eq!((&row["appended"], &row["delivered"]), (&Value::from(1), &Value::from(40)), "{report:#}");
        assert!(row["statements"].as_u64().unwrap() > 0, "{report:#}");
    }
    // A quarter of them look in a second. Until each has looked it takes four.
    assert!(report["rows"][0]["statements"].as_u64().unwrap() < 20, "{report:#}");
    assert_eq!(report["rows"][2]["listeners_killed"], 1, "{report:#}");
    // Its last statement was that of those who are killed.
    stranger.batch_execute("UNLISTEN strangers").await.expect("a stranger was killed");
}

#[test]
fn servers_before_which_no_proxy_can_be_put_are_refused() {
    for scenario in ["subscribe", "dispatch"] {
        let mut command = load_generator(&format!("deliver {scenario}"));
        let refusal = said(&command.args(["--primary", "host=/tmp user=u"]).output().unwrap(), 1);
        let why = "expected one server at 127.0.0.1 or localhost, found /tmp:5432";
        assert!(refusal.contains(why), "{scenario}: {refusal}");
    }
}

#[test]
fn consumers_that_are_killed_lose_nothing() {
    let flags = "deliver crashes --deliveries 20000 --kill-every 400ms --json -";
    let output = load_generator(flags).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    // A machine that is busy with other tests may be late; then it has to say so.
    said(&output, if report["redelivered_in_time"] == false { 3 } else { 0 });
    let [after, in_time] = ["redelivered_after_ms", "redelivered_in_time"].map(|field| &report[field]);
    assert_eq!(after.is_null(), in_time.is_null(), "{report:#}");
    assert_eq!(
        (&report["events"], &report["violations"]),
        (&Value::from(10_000), &Value::from(0)),
        "{report:#}"
    );
    assert!(report["kills"].as_u64().unwrap() > 0, "{report:#}");
    for deliveries in report["deliveries"].as_array().unwrap() {
        assert!(deliveries.as_u64().unwrap() >= 10_000, "{report:#}");
    }
}

#[test]
fn a_replica_is_compared_with_the_primary_live() {
    let report = report("live --rate 50 --duration 2s");
    let rows = report["rows"].as_array().unwrap();
    // As many as asked for, also where that is less than one a second of each who appends.
    let events = rows[0]["events"].as_u64().unwrap();
    assert!((50..=100).contains(&events), "{report:#}");
    assert_eq!([&rows[0]["reads"], &rows[1]["reads"]], ["replica", "primary"]);
    for row in rows {
        assert_eq!(row["events"], rows[0]["events"], "{row}");
        assert!(row["p50_ms"].as_f64().unwrap() <= row["p99_ms"].as_f64().unwrap(), "{row}");
    }
}

#[test]
fn a_projection_that_is_killed_counts_exactly() {
    // More than any machine counts before the first is killed.
    let report = report("count --events 20000 --kills 3");
    for field in ["counted", "events"] {
        assert_eq!(report[field], 20_000, "{report:#}");
    }
    assert_eq!((&report["is_exact"], &report["kills"]), (&Value::from(true), &Value::from(3)), "{report:#}");
}

#[test]
fn a_view_is_rebuilt_under_requests() {
    let report = report("view --events 5000 --waits 20 --rate 50 --duration 1s");
    for field in ["stale", "looks_back", "wrong_keys"] {
        assert_eq!(report[field], 0, "{report:#}");
    }
    assert!(report["during_rebuild"]["made"].as_u64().unwrap() > 0, "{report:#}");
}

#[test]
fn a_hot_stream_is_compared_with_a_hot_row_and_its_counters_are_audited() {
    let flags = "hot-stream --ramp 2=1s,6=2s --longest-pause 100ms --opinions 40 --votes 300 --every 300ms --window 1s";
    let report = report(flags);
    for side in ["ours", "baseline"] {
        let rows = report[side]["rows"].as_array().unwrap();
        // Two phases, and all of it.
        assert_eq!(rows.len(), 3, "{report:#}");
        let (parts, overall) = rows.split_at(2);
        let requests = |row: &Value| row["requests"].as_u64().unwrap();
        assert_eq!(parts.iter().map(requests).sum::<u64>(), requests(&overall[0]), "{report:#}");
        assert!(requests(&overall[0]) > 0, "{report:#}");
        assert_eq!(
            (&overall[0]["errors"], &overall[0]["timeouts"]),
            (&Value::from(0), &Value::from(0)),
            "{report:#}"
        );
        for kind in ["votes", "opinions"] {
            let at = |quantile: &str| overall[0][kind][quantile].as_f64().unwrap();
            assert!(at("p50_ms") > 0.0 && at("p50_ms") <= at("p99_ms"), "{report:#}");
        }
    }
    assert_eq!(report["ours"]["count_statements"], 0, "{report:#}");
    assert!(report["baseline"]["count_statements"].as_u64().unwrap() > 0, "{report:#}");
    assert_eq!(report["p95_ratios"].as_array().unwrap().len(), 3, "{report:#}");
    let audit = &report["audit"];
    for field in
        ["overlapping_recomputes", "lost_votes", "doubled_votes", "unacknowledged_votes", "wrong_opinions"]
    {
        assert_eq!(audit[field], 0, "{report:#}");
    }
    assert_eq!(audit["counters"], audit["log"], "{report:#}");
    assert!(audit["counters_equal_after_ms"].as_f64().is_some(), "{report:#}");
    let [recomputes, acknowledged, votes] =
        [&audit["recomputes"], &audit["acknowledged_votes"], &audit["log"]["votes"]]
            .map(|count| count.as_u64().unwrap());
    assert!(recomputes >= 2 && acknowledged > 0, "{report:#}");
    assert_eq!(votes, 300 + acknowledged, "{report:#}");
}

#[test]
fn dispatching_many_at_once_is_compared_with_one_at_a_time() {
    let report = report("dispatch --items 20 --handler 10ms --check 10ms --backlog 300");
    let phases = report["phases"].as_array().unwrap();
    let times = |phase: &str| {
        let row = phases.iter().find(|row| row["phase"] == phase).unwrap();
        row["times"].as_f64().unwrap()
    };
    // 20 handlers of 10 ms, one after the other or ten at once.
    assert!(times("dispatch") > 2.0 && times("status") > 2.0, "{report:#}");
    assert!(report["statements"]["share"].as_f64().unwrap() < 0.5, "{report:#}");
    let backlogs = report["backlogs"].as_array().unwrap();
    assert_eq!(backlogs.len(), 3, "{report:#}");
    for backlog in backlogs {
        assert_eq!(
            (&backlog["waiting"], &backlog["faults"]),
            (&Value::from(300), &Value::from(0)),
            "{backlog}"
        );
        assert!(backlog["memory_more_mib"].as_f64().unwrap() > 0.0, "{backlog}");
    }
    assert_eq!(report["faults"], 0);
}
