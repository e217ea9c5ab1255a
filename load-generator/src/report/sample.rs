//! A result of 30 seconds as it might be, for tests of what is made of results.

use std::collections::BTreeMap;

use crate::environment::Environment;
use crate::histogram::Latencies;
use crate::observe::{Mark, MarkKind, ServerReport, ServerStats};
use crate::own::OwnCost;
use crate::report::{
    ErrorCount, FORMAT, Length, Load, Observed, OperationReport, Repeat, Report, Requests, Second, Staleness,
    StoreReport,
};
use crate::slo::{Check, SloReport};
use crate::soak::{Growth, Part, Stall, Steadiness};

const SECONDS: u64 = 30;
const RATE: u64 = 300;
const REQUESTS: Requests = Requests {
    scheduled: SECONDS * RATE,
    completed: 8_940,
    rejected: 40,
    errors: 15,
    timeouts: 5,
    conflicts: 120,
    retries: 96,
    sent_again: 12,
};

/// Everything that a result can have, but an audit. One limit held and one did not; two repeats.
pub(crate) fn sample() -> Report {
    Report {
        format: FORMAT.to_owned(),
        started_at: "2026-11-22T10:00:00Z".to_owned(),
        scenario: "library".to_owned(),
        engine: "eventstore".to_owned(),
        load: load(),
        offered_rate: RATE as f64,
        achieved_rate: 298.0,
        duration_s: SECONDS as f64,
        requests: REQUESTS,
        latency: latencies(8_960, 1.5),
        service: latencies(8_960, 1.0),
        queue_wait: latencies(8_960, 0.2),
        schedule_error: latencies(9_000, 0.01),
        operations: BTreeMap::from([
            ("lend_book".to_owned(), operation(5_000, 4_400, 1.8)),
            ("return_book".to_owned(), operation(3_000, 3_000, 1.2)),
            ("show_reader".to_owned(), operation(940, 0, 0.6)),
        ]),
        effective_share: Some(0.925),
        late_starts: 3,
        errors: vec![
            error("connection lost", None, 12, "connecting: connection refused"),
            error("database", Some("40001"), 3, "could not serialize access"),
        ],
        staleness: Staleness { reads: 940, stale: 12, age: latencies(940, 0.1), most_events: 4 },
        store: Some(store()),
        servers: vec![server("primary", 1), server("replica 1", 0)],
        own: OwnCost {
            elapsed_s: 60.0,
            requests: 6_000,

            cpu_s: 4.2,
            cpu_share: 0.035,
            cpu_us_per_request: Some(467.0),
            peak_mib: Some(48.5),
            threads: Some(9),
        },
        timeline: (0..SECONDS).map(second).collect(),
        marks: marks(),
        repeats: vec![repeat(297.0, 1.4), repeat(299.0, 1.6)],
        slo: Some(slo()),
        steadiness: Some(steadiness()),
        warnings: vec!["3 requests were offered over 1 ms after they were due".to_owned()],
        environment: environment(),
        audit: None,
    }
}

fn load() -> Load {
    let settings = [("books", "1000"), ("readers", "100"), ("read_ratio", "0.1")];
    Load {
        shape: "300 requests/s".to_owned(),
        arrivals: Some("poisson".to_owned()),
        workers: Some(64),
        queue: Some(256),
        timeout_ms: 5_000,
        warmup_s: 5.0,
        seed: 7,
        scenario: settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        node: None,
    }
}

/// Most take about as many milliseconds, one in a hundred ten times as long, one in a thousand a hundred times.
fn latencies(count: u64, ms: f64) -> Latencies {
    let mut latencies = Latencies::new();
    for nth in 0..count {
        let times = match nth % 1_000 {
            0 => 100.0,
            rest if rest % 100 == 0 => 10.0,
            rest => 0.5 + rest as f64 / 1_000.0,
        };
        latencies.record_many((ms * times * 1e3) as u64, 1);
    }
    latencies
}

fn operation(count: u64, effective: u64, ms: f64) -> OperationReport {
    OperationReport {
        count,
        effective,
        refused: count / 20,
        errors: 5,
        timeouts: 1,
        conflicts: 40,
        latency: latencies(count, ms),
        service: latencies(count, ms * 0.7),
    }
}

fn error(kind: &str, sqlstate: Option<&str>, count: u64, example: &str) -> ErrorCount {
    let sqlstate = sqlstate.map(str::to_owned);
    ErrorCount { kind: kind.to_owned(), sqlstate, count, example: example.to_owned() }
}

fn store() -> StoreReport {
    let observed = |count: u64, mean: f64| Observed { count, mean: Some(mean), p99_below: Some(mean * 5.0) };
    StoreReport {
        pool_wait: BTreeMap::from([("appends".to_owned(), observed(8_000, 0.04))]),
        batch_events: observed(2_100, 3.9),
        append_ms: observed(8_000, 1.1),
        query_ms: BTreeMap::from([
            ("primary".to_owned(), observed(900, 0.7)),
            ("replica".to_owned(), observed(940, 0.5)),
        ]),
        server_ms_per_request: Some(0.62),
    }
}

fn server(name: &str, checkpoints: u64) -> ServerReport {
    let stats = |times: u64| ServerStats {
        checkpoints_timed: Some(checkpoints * times),
        checkpoints_requested: Some(0),
        wal_bytes: Some(48_000_000 * times),
        autovacuum_runs: Some(times),
        dead_tuples: Some(120 * times),
        live_tuples: Some(90_000 * times),
        blocks_hit: Some(99_000 * times),
        blocks_read: Some(1_000 * times),
        active_time_ms: Some(5_600.0 * times as f64),
        pending_list_pages: Some(8 * times),
        ..ServerStats::default()
    };
    ServerReport { name: name.to_owned(), before: Some(stats(1)), after: Some(stats(2)) }
}

/// In the middle, nothing ends for a second, and then all takes longer.
fn second(at_s: u64) -> Second {
    let middle = SECONDS / 2;
    let times = if at_s == middle + 1 { 50.0 } else { 1.0 + (at_s % 5) as f64 / 10.0 };
    let ms = |ms: f64| (at_s != middle).then_some(ms * times);
    Second {
        at_s,
        scheduled: RATE,
        completed: if at_s == middle { 0 } else { RATE - 2 },
        rejected: if at_s == middle { 40 } else { 0 },
        errors: if at_s == middle + 1 { 15 } else { 0 },
        timeouts: if at_s == middle + 1 { 5 } else { 0 },
        conflicts: 4,
        retries: 3,
        late: 0,
        p50_ms: ms(1.5),
        p99_ms: ms(12.0),
        p999_ms: ms(40.0),
        max_ms: ms(60.0),
        service_p99_ms: ms(9.0),
        queued: if at_s == middle { 256 } else { at_s % 3 },
        in_flight: if at_s == middle { 64 } else { 2 },
        lag_ms: Some(3.0 + (at_s % 4) as f64),
        own_cores: 0.14,
        primary_answers: at_s != middle,
        sent_again: 1,
        length_s: Length::default(),
    }
}

fn marks() -> Vec<Mark> {
    let mark = |at_s: f64, until_s: Option<f64>, kind: MarkKind, text: &str| Mark {
        at_s,
        until_s,
        kind,
        text: text.to_owned(),
    };
    vec![
        mark(-2.0, Some(6.0), MarkKind::Checkpoint, "began in the warm-up"),
        mark(9.0, Some(12.0), MarkKind::Autovacuum, "of the table events"),
        mark(15.0, Some(16.0), MarkKind::Unreachable, "the primary did not answer"),
        mark(20.0, None, MarkKind::Repeat, "2 of 2"),
    ]
}

fn repeat(achieved_rate: f64, ms: f64) -> Repeat {
    let half = |count: u64| count / 2;
    Repeat {
        offered_rate: RATE as f64,
        achieved_rate,
        requests: Requests {
            scheduled: half(REQUESTS.scheduled),
            completed: half(REQUESTS.completed),
            ..Requests::default()
        },
        latency: latencies(4_480, ms),
        service: latencies(4_480, ms * 0.7),
    }
}

fn slo() -> SloReport {
    let check = |limit: &str, measured: &str, held: bool| Check {
        limit: limit.to_owned(),
        measured: Some(measured.to_owned()),
        held,
    };
    let checks = vec![check("p99<20ms", "15.01 ms", true), check("errors<0.1%", "0.167 %", false)];
    SloReport { held: false, checks }
}

fn steadiness() -> Steadiness {
    let part = |at_s, until_s, ms| Part { at_s, until_s, latency: latencies(2_990, ms) };
    let check =
        Check { limit: "no errors and time-outs".to_owned(), measured: Some("20".to_owned()), held: false };
    Steadiness {
        held: false,
        checks: vec![check],
        growth: Some(Growth { after_checkpoint: true, first: part(8, 15, 1.1), last: part(23, 30, 1.3) }),
        stalls: vec![
            Stall {
                at_s: 12,
                seconds: 1,
                max_ms: 130.0,
                beside: vec!["a flush of one page took 90.00 ms".to_owned()],
            },
            Stall { at_s: 20, seconds: 2, max_ms: 260.0, beside: Vec::new() },
        ],
        parts: vec![part(0, 10, 1.2), part(10, 20, 1.4), part(20, 30, 1.3)],
    }
}

fn environment() -> Environment {
    let settings = [
        ("server_version", "17.2"),
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("shared_buffers", "128MB"),
        ("max_wal_size", "1GB"),
    ];
    let mut environment = Environment::default();
    environment.version = "0.1.0".to_owned();
    environment.os = "linux".to_owned();
    environment.kernel = Some("6.8.0".to_owned());
    environment.cpu_model = Some("AMD EPYC 7763".to_owned());
    environment.cpus = 4;
    environment.memory_mib = Some(16_000.0);
    environment.servers = "embedded".to_owned();
    environment.replicas = 1;
    environment.postgresql = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    environment.flush_ms = Some(1.2);
    environment.trip_ms = Some(0.08);
    environment.events_before = 100_000;
    environment
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_requests_add_up() {
        let Requests { scheduled, completed, rejected, errors, timeouts, .. } = sample().requests;
        assert_eq!(scheduled, completed + rejected + errors + timeouts);
        assert_eq!(sample().latency.count(), scheduled - rejected);
    }
}
