//! What each second was like.

use maud::{Markup, html};

use crate::chart::{self, Axis, Chart, Series, Tone};
use crate::html::span::{Span, spans};
use crate::html::{figure, hover, seconds};
use crate::observe::{Mark, MarkKind};
use crate::report::Report;

pub(super) fn section(report: &Report) -> Markup {
    if report.timeline.is_empty() {
        return html! {};
    }
    let (each, spans) = spans(&report.timeline);
    let marks: Vec<chart::Mark> = report.marks.iter().filter(|mark| is_seen(mark)).map(mark).collect();
    let charts = [
        (rates(&spans, &marks), "/s"),
        (latencies(&spans, &marks), "ms"),
        (waiting(&spans), ""),
        (lag(&spans), "ms"),
    ];
    html! {
        section #over-time {
            h2 { "Over time" }
            @if each > 1 {
                p.quiet {
                    "Each point stands for " (each) " s: the mean of rates, the largest of all else."
                }
            }
            @for (chart, unit) in charts.iter().filter(|(chart, _)| !chart.series.is_empty()) {
                (figure(chart, Some(hover::values(chart, unit))))
            }
            @if !report.marks.is_empty() {
                details {
                    summary { "What happened meanwhile (" (report.marks.len()) ")" }
                    ul { @for mark in &report.marks { li { (when(mark)) ": " (name(mark.kind)) " – " (mark.text) } } }
                }
            }
        }
    }
}

fn rates(spans: &[Span], marks: &[chart::Mark]) -> Chart {
    let series = vec![
        line("completed", spans, |span| Some(span.completed)),
        line("offered", spans, |span| Some(span.offered)).dashed(),
        line("rejected", spans, |span| Some(span.rejected)),
        line("errors and time-outs", spans, |span| Some(span.failed)),
    ];
    Chart { marks: marks.to_vec(), ..over_time("Rate", Axis::linear("requests/s"), series) }
}

fn latencies(spans: &[Span], marks: &[chart::Mark]) -> Chart {
    let series = vec![
        line("p50", spans, |span| span.p50_ms),
        line("p99", spans, |span| span.p99_ms),
        line("max", spans, |span| span.max_ms),
    ];
    Chart { marks: marks.to_vec(), ..over_time("Latency, corrected", Axis::log("ms"), series) }
}

fn waiting(spans: &[Span]) -> Chart {
    let series = vec![
        line("waiting in the queue", spans, |span| Some(span.queued)),
        line("under way", spans, |span| Some(span.in_flight)),
    ];
    over_time("Requests waiting and under way", Axis::linear("requests"), series)
}

/// Without lines where no replica was asked.
fn lag(spans: &[Span]) -> Chart {
    let is_known = spans.iter().any(|span| span.lag_ms.is_some());
    let series = is_known.then(|| line("slowest replica", spans, |span| span.lag_ms));
    over_time("Behind the primary", Axis::linear("ms"), series.into_iter().collect())
}

fn over_time(title: &str, y: Axis, series: Vec<Series>) -> Chart {
    Chart { title: title.to_owned(), x: Axis::linear("seconds"), y, series, ..Chart::default() }
}

fn line(name: &str, spans: &[Span], y: fn(&Span) -> Option<f64>) -> Series {
    Series::with_gaps(name, spans.iter().map(|span| (span.at_s, y(span))))
}

/// What was over in the warm-up is not on the charts.
fn is_seen(mark: &Mark) -> bool {
    mark.until_s.unwrap_or(mark.at_s) >= 0.0 || mark.kind == MarkKind::Unreachable
}

fn mark(mark: &Mark) -> chart::Mark {
    let name = name(mark.kind);
    let drawn = match (mark.until_s, mark.kind) {
        (Some(until_s), _) => chart::Mark::band(mark.at_s, until_s, name),
        // It never answered again: to the chart's end.
        (None, MarkKind::Unreachable) => chart::Mark::band(mark.at_s, f64::MAX, name),
        (None, _) => chart::Mark::line(mark.at_s, name),
    };
    let tone = match mark.kind {
        MarkKind::Checkpoint | MarkKind::Autovacuum => Tone::Quiet,
        MarkKind::Repeat => Tone::Plain,
        MarkKind::Unreachable | MarkKind::Interrupted => Tone::Bad,
    };
    drawn.toned(tone).saying(format!("{}: {name} – {}", when(mark), mark.text))
}

fn name(kind: MarkKind) -> &'static str {
    match kind {
        MarkKind::Checkpoint => "checkpoint",
        MarkKind::Autovacuum => "autovacuum",
        MarkKind::Unreachable => "unreachable",
        MarkKind::Repeat => "repeat",
        MarkKind::Interrupted => "interrupted",
    }
}

fn when(mark: &Mark) -> String {
    match mark.until_s {
        Some(until_s) => format!("{} to {}", seconds(mark.at_s), seconds(until_s)),
        None => seconds(mark.at_s),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::sample;

    #[test]
    fn every_second_can_be_pointed_at() {
        let report = sample();
        let page = section(&report).into_string();
        assert_eq!(page.matches("data-seconds=").count(), 4);
        let is_quiet = |mark: &&Mark| matches!(mark.kind, MarkKind::Checkpoint | MarkKind::Autovacuum);
        let quiet = report.marks.iter().filter(is_quiet).count();
        // On two charts.
        assert_eq!(page.matches("class=\"mark quiet\"").count(), 2 * quiet);
    }

    #[test]
    fn no_replicas_no_lag() {
        let mut report = sample();
        report.timeline.iter_mut().for_each(|second| second.lag_ms = None);
        assert_eq!(section(&report).into_string().matches("data-seconds=").count(), 3);
    }
}
