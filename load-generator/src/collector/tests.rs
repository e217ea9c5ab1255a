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

/// Of a load without a warm-up.
fn collecting(plan: &Plan, tally: Arc<Tally>, start: Instant) -> Collecting {
    Collecting {
        tally,
        start,
        measured_from: start,
        timing: plan.timing.clone(),
        share: 1.0,
        seconds_before: 0,
        phase: Phase::Measuring { repeat: 1, of: 1 },
        watched: Watched::nothing(),
        ticks: None,
        hdr: None,
        parts: None,
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
    let collector =
        Collector::start(Collecting { hdr: Some((log, start)), ..collecting(&plan, tally, start) });
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

#[tokio::test]
async fn the_rate_is_told_from_the_first_moment_to_the_end_of_the_schedule() {
    let (plan, registry) = (Plan::for_tests(), Registry::new());
    let told = || {
        let families = registry.gather();
        let of_rate = families.iter().find(|family| family.name() == "load_generator_offered_rate").unwrap();
        of_rate.get_metric()[0].get_gauge().get_value()
    };
    let tally = Arc::new(Tally::new(Metrics::new(&registry, &plan).unwrap()));
    assert_eq!(told(), 0.0);
    let start = Instant::now();
    let warming_up = Collecting {
        measured_from: start + Duration::from_secs(60),
        ..collecting(&plan, Arc::clone(&tally), start)
    };
    let first = Collector::start(warming_up);
    assert_eq!(told(), 100.0, "the warm-up runs at the first rate");
    first.finish(start).await.unwrap();
    // The last answer comes half a second after the end of a schedule of two seconds.
    let start = start.checked_sub(Duration::from_millis(2_500)).unwrap();
    tally.offered(Some(1), false, Duration::ZERO);
    tally.served(0, sample(start + Duration::from_millis(2_400))).await;
    let second = Collector::start(collecting(&plan, tally, start));
    second.finish(start + Duration::from_secs(2)).await.unwrap();
    assert_eq!(told(), 0.0);
}

#[tokio::test]
async fn a_second_without_any_request_has_its_line() {
    let plan = Plan::for_tests();
    let tally = Arc::new(Tally::new(Metrics::new(&Registry::new(), &plan).unwrap()));
    let start = Instant::now().checked_sub(Duration::from_millis(2_300)).unwrap();
    tally.offered(Some(0), false, Duration::ZERO);
    tally.served(0, sample(start)).await;
    let collector = Collector::start(collecting(&plan, tally, start));
    let collected = collector.finish(start + Duration::from_millis(2_250)).await.unwrap();
    let told = collected.timeline.iter().map(|second| (second.scheduled, second.length_s.seconds()));
    assert_eq!(told.collect::<Vec<_>>(), [(1, 1.0), (0, 1.0), (0, 0.25)]);
}
