//! Everything that the logs have, together.

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use serde::Serialize;

use crate::histogram::Latencies;
use crate::merge::Log;

const FORMAT: &str = "load-generator merge 1";

/// All latencies, and when they were measured.
#[derive(Debug, Serialize)]
pub(super) struct Merged {
    format: &'static str,
    pub(super) logs: Vec<LogReport>,
    /// From the first one's beginning to the last one's end.
    pub(super) length_s: f64,
    /// How long after the first one the last one began.
    pub(super) starts_apart_s: f64,
    /// How long all of them were under way at once.
    pub(super) overlap_s: f64,
    pub(super) latencies: Vec<Tagged>,
    pub(super) warnings: Vec<String>,
}

/// One of the logs.
#[derive(Debug, Serialize)]
pub(super) struct LogReport {
    pub(super) path: String,
    pub(super) intervals: usize,
    /// RFC 3339, UTC: nothing of a log without intervals.
    pub(super) started_at: Option<String>,
    pub(super) length_s: f64,
}

/// All that has one tag.
#[derive(Debug, Serialize)]
pub(super) struct Tagged {
    /// Nothing for the corrected latencies of all requests.
    pub(super) tag: Option<String>,
    pub(super) latency: Latencies,
}

/// From when to when a log has something, since the Unix epoch.
#[derive(Debug, Clone, Copy)]
struct Span<'a> {
    name: &'a str,
    start: Duration,
    end: Duration,
}

impl Merged {
    pub(super) fn of(logs: &[Log]) -> Self {
        let spans: Vec<Option<Span<'_>>> = logs.iter().map(Span::of).collect();
        let reports = logs.iter().zip(&spans).map(|(log, span)| LogReport {
            path: log.name.clone(),
            intervals: log.intervals.len(),
            started_at: span
                .map(|span| humantime::format_rfc3339_millis(UNIX_EPOCH + span.start).to_string()),
            length_s: span.map_or(0.0, |span| (span.end - span.start).as_secs_f64()),
        });
        let empty = logs.iter().filter(|log| log.intervals.is_empty());
        let mut warnings: Vec<String> = empty.map(|log| format!("{}: has no intervals", log.name)).collect();
        let (mut length, mut apart, mut overlap) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
        let spans = || spans.iter().flatten();
        if let (Some(first), Some(last), Some(first_end), Some(last_end)) = (
            spans().min_by_key(|span| span.start),
            spans().max_by_key(|span| span.start),
            spans().min_by_key(|span| span.end),
            spans().max_by_key(|span| span.end),
        ) {
            length = last_end.end - first.start;
            apart = last.start - first.start;
            overlap = first_end.end.saturating_sub(last.start);
            if overlap.is_zero() && spans().count() > 1 {
                warnings.push(format!(
                    "the logs do not overlap, they were not parts of one run: {} began {:.1} s after {} had ended",
                    last.name,
                    last.start.saturating_sub(first_end.end).as_secs_f64(),
                    first_end.name,
                ));
            }
        }
        Self {
            format: FORMAT,
            logs: reports.collect(),
            length_s: length.as_secs_f64(),
            starts_apart_s: apart.as_secs_f64(),
            overlap_s: overlap.as_secs_f64(),
            latencies: add_up(logs),
            warnings,
        }
    }
}

impl<'a> Span<'a> {
    fn of(log: &'a Log) -> Option<Self> {
        let start = log.intervals.iter().map(|interval| interval.start).min()?;
        let end = log.intervals.iter().map(|interval| interval.end()).max()?;
        Some(Self { name: &log.name, start, end })
    }
}

fn add_up(logs: &[Log]) -> Vec<Tagged> {
    let mut tags: BTreeMap<Option<&str>, Latencies> = BTreeMap::new();
    for interval in logs.iter().flat_map(|log| &log.intervals) {
        interval.add_to(tags.entry(interval.tag.as_deref()).or_default());
    }
    tags.into_iter().map(|(tag, latency)| Tagged { tag: tag.map(str::to_owned), latency }).collect()
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;
    use crate::hdr_log::{self, HdrLog};

    /// A log of one interval for each second, with a tag for every other one.
    fn log(name: &str, started_s: u64, us: &[u64]) -> Log {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        let started = UNIX_EPOCH + Duration::from_secs(started_s);
        let mut log = HdrLog::begin(File::create(&path).unwrap(), started, "").unwrap();
        for (second, us) in (0..).zip(us) {
            let mut latencies = Latencies::new();
            latencies.record_many(*us, us % 5 + 1);
            let tag = (second % 2 == 1).then_some("service");
            log.interval(Duration::from_secs(second), Duration::from_secs(1), tag, &latencies).unwrap();
        }
        Log { name: name.to_owned(), intervals: hdr_log::read(&path).unwrap() }
    }

    #[test]
    fn percentiles_are_those_of_one_recording_of_everything() {
        let (one, two): (Vec<u64>, Vec<u64>) =
            ((0..300).map(|n| 40 + n * n * 7).collect(), (0..200).map(|n| 900 + n * 1_013).collect());
        let merged = Merged::of(&[log("a", 1_000, &one), log("b", 1_001, &two)]);
        let mut expected = [Latencies::new(), Latencies::new()];
        for (second, us) in one.iter().enumerate().chain(two.iter().enumerate()) {
            expected[second % 2].record_many(*us, us % 5 + 1);
        }
        let tags: Vec<_> = merged.latencies.iter().map(|tagged| tagged.tag.as_deref()).collect();
        assert_eq!(tags, [None, Some("service")]);
        for (tagged, expected) in merged.latencies.iter().zip(&expected) {
            assert_eq!(tagged.latency.count(), expected.count());
            assert_eq!(tagged.latency.summary(), expected.summary());
            assert_eq!(&tagged.latency, expected);
        }
    }

    #[test]
    fn how_far_apart_they_are_is_said() {
        let merged = Merged::of(&[log("a", 1_000, &[5; 10]), log("b", 1_002, &[5; 10])]);
        assert_eq!((merged.length_s, merged.starts_apart_s, merged.overlap_s), (12.0, 2.0, 8.0));
        assert!(merged.warnings.is_empty(), "{:?}", merged.warnings);
        assert_eq!(merged.logs[1].started_at.as_deref(), Some("1970-01-01T00:16:42.000Z"));

        let merged = Merged::of(&[log("b", 1_020, &[5; 10]), log("a", 1_000, &[5; 10]), log("c", 1, &[])]);
        assert_eq!((merged.length_s, merged.overlap_s), (30.0, 0.0));
        let said = merged.warnings.join("; ");
        assert!(
            said.contains("c: has no intervals") && said.contains("b began 10.0 s after a had ended"),
            "{said}"
        );

        let alone = Merged::of(&[log("a", 1_000, &[5; 10])]);
        assert!(alone.warnings.is_empty() && alone.overlap_s == 10.0, "{alone:?}");
    }
}
