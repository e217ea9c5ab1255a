//! Seconds, put together where there are many: a page of an hour is no larger than one of ten minutes.

use std::ops::Range;

use crate::report::Second;

/// As many as a chart has room for.
const MOST: usize = 600;

/// Some seconds one after the other, or one.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Span {
    pub(super) at_s: f64,
    /// Each a second. Of what is shorter than one together with the second before it: a few late answers are no rate.
    pub(super) offered: f64,
    pub(super) completed: f64,
    pub(super) rejected: f64,
    /// With time-outs.
    pub(super) failed: f64,
    /// The largest of its seconds: what was bad does not vanish in a mean.
    pub(super) p50_ms: Option<f64>,
    pub(super) p99_ms: Option<f64>,
    pub(super) max_ms: Option<f64>,
    pub(super) queued: f64,
    pub(super) in_flight: f64,
    pub(super) lag_ms: Option<f64>,
}

/// How many seconds each span has, and the spans.
pub(super) fn spans(timeline: &[Second]) -> (usize, Vec<Span>) {
    let each = timeline.len().div_ceil(MOST).max(1);
    let span = |from: usize| Span::of(timeline, from..timeline.len().min(from + each));
    (each, (0..timeline.len()).step_by(each).map(span).collect())
}

impl Span {
    fn of(timeline: &[Second], range: Range<usize>) -> Self {
        let length = |seconds: &[Second]| seconds.iter().map(|second| second.length_s.seconds()).sum::<f64>();
        let seconds = &timeline[range.clone()];
        let is_short = length(seconds) < 1.0;
        let counted = &timeline[range.start.saturating_sub(usize::from(is_short))..range.end];
        let mean =
            |count: fn(&Second) -> u64| counted.iter().map(count).sum::<u64>() as f64 / length(counted);
        let largest = |figure: fn(&Second) -> Option<f64>| seconds.iter().filter_map(figure).reduce(f64::max);
        Self {
            at_s: seconds.first().map_or(0.0, |second| second.at_s as f64),
            offered: mean(|second| second.scheduled),
            completed: mean(|second| second.completed),
            rejected: mean(|second| second.rejected),
            failed: mean(|second| second.errors + second.timeouts),
            p50_ms: largest(|second| second.p50_ms),
            p99_ms: largest(|second| second.p99_ms),
            max_ms: largest(|second| second.max_ms),
            queued: largest(|second| Some(second.queued as f64)).unwrap_or(0.0),
            in_flight: largest(|second| Some(second.in_flight as f64)).unwrap_or(0.0),
            lag_ms: largest(|second| second.lag_ms),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::report::Length;

    fn timeline(seconds: u64) -> Vec<Second> {
        let second = |at_s| Second {
            at_s,
            scheduled: 10,
            completed: at_s % 2 * 10,
            p99_ms: (at_s % 2 == 0).then_some(at_s as f64),
            ..Second::default()
        };
        (0..seconds).map(second).collect()
    }

    #[test]
    fn a_short_run_keeps_its_seconds() {
        let (each, spans) = spans(&timeline(600));
        assert_eq!((each, spans.len(), spans[7].at_s, spans[7].completed), (1, 600, 7.0, 10.0));
        assert_eq!((spans[7].p99_ms, spans[8].p99_ms), (None, Some(8.0)));
    }

    #[test]
    fn a_long_run_has_means_of_counts_and_the_largest_percentiles() {
        let (each, spans) = spans(&timeline(1_201));
        assert_eq!((each, spans.len()), (3, 401));
        assert_eq!((spans[1].at_s, spans[1].offered, spans[1].p99_ms), (3.0, 10.0, Some(4.0)));
        assert!((spans[1].completed - 20.0 / 3.0).abs() < 1e-9);
        assert_eq!(spans[400].at_s, 1_200.0);
    }

    #[test]
    fn what_is_left_of_a_second_is_no_drop_of_the_rate() {
        let mut seconds = timeline(4);
        seconds[3].length_s = Length::of(Duration::from_millis(250));
        seconds[3].completed = 2;
        let (_, spans) = spans(&seconds);
        assert_eq!((spans[2].completed, spans[2].offered), (0.0, 10.0));
        assert_eq!((spans[3].completed, spans[3].offered), (1.6, 16.0));
        // Alone it is by its own length.
        let (_, alone) = super::spans(&seconds[3..]);
        assert_eq!(alone[0].completed, 8.0);
    }

    #[test]
    fn nothing_has_no_spans() {
        assert_eq!(spans(&[]), (1, Vec::new()));
    }
}
