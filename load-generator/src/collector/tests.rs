//! What seconds are told of a load that is over.

use std::fs::File;
use std::time::SystemTime;

use prometheus::Registry;

use super::*;
use crate::hdr_log;
use crate::metrics::Metrics;
use crate::plan::Plan;
use crate::scenario::{Answer, Operation, Outcome};
use crate::tally::Sample;

/// Answered at once.
fn sample(at: Instant) -> Sample {
    Sample {
        operation: Operation::LendBook,
        measured: true,
        due: at,
        began: at,
        ended: at,
        outcome: Outcome::Done(Answer::Effective),
        conflicts: 0,
        retries: 0,
        sent_again: 0,
        staleness: None,
    }
}

#[tokio::test]
async fn the_last_second_is_as_long_as_the_load_was() {
    let plan = Plan::for_tests();
    let tally = Arc::new(Tally::new(Metrics::new(&Registry::new(), &plan).unwrap()));
    // The first second is over, and the load ends in the middle of the next one.
    let start = Instant::now() - Duration::from_millis(1_050);
    for (second, ms) in [(0, 500), (1, 1_200), (1, 1_300)] {
        tally.offered(Some(second), false, Duration::ZERO);
        tally.served(0, sample(start + Duration::from_millis(ms))).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.hlog");
    let log = HdrLog::begin(File::create(&path).unwrap(), SystemTime::UNIX_EPOCH, "").unwrap();
    let collector = Collector::start(Collecting {
        tally,
        start,
        measured_from: start,
        timing: plan.timing.clone(),
        share: 1.0,
        seconds_before: 0,
        phase: Phase::Measuring { repeat: 1, of: 1 },
        watched: Watched::nothing(),
        ticks: None,
        hdr: Some((log, start)),
        parts: None,
    });
    let collected = collector.finish(start + Duration::from_millis(1_250)).await.unwrap();

    let told: Vec<_> = collected
        .timeline
        .iter()
        .map(|second| (second.scheduled, second.completed, second.length_s.seconds()))
        .collect();
    // To the last answer, which came after the last request was due.
    assert_eq!(told, [(1, 1, 1.0), (2, 2, 0.3)]);
    let lengths: Vec<f64> = hdr_log::read(&path)
        .unwrap()
        .iter()
        .filter(|interval| interval.tag.is_none())
        .map(|interval| (interval.length.as_secs_f64() * 1e3).round())
        .collect();
    assert_eq!(lengths, [1_000.0, 300.0]);
}
