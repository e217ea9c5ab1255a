//! How many requests took how long: by percentile, and as a histogram.

use maud::{Markup, PreEscaped, html};

use crate::chart::{self, Axis, Bar, Chart, Series, short};
use crate::histogram::Latencies;
use crate::html::{figure, legend, pressed};
use crate::report::Report;

/// Points of a line for each power of ten.
const POINTS: u32 = 10;
/// Bars for each power of ten.
const BARS: f64 = 8.0;

/// Of the y axis. The first one is shown at first.
const SCALES: [(&str, &str); 2] = [("log", "Logarithmic"), ("linear", "Linear")];

pub(super) fn section(report: &Report) -> Markup {
    if report.latency.count() == 0 {
        return html! {};
    }
    let charts = [chart(report, Axis::log("ms")), chart(report, Axis::linear("ms"))];
    html! {
        section #latency {
            h2 { "Latency" }
            figure {
                figcaption {
                    h3 { (charts[0].title) }
                    (legend(&charts[0]))
                }
                div.buttons.needs-script {
                    @for (nth, (scale, name)) in SCALES.iter().enumerate() {
                        button type="button" data-scale=(scale) aria-pressed=(pressed(nth == 0)) { (name) }
                    }
                    @for name in report.operations.keys() {
                        button type="button" data-operation=(name) aria-pressed=(pressed(false)) { (name) }
                    }
                }
                @for (nth, ((scale, _), chart)) in SCALES.iter().zip(&charts).enumerate() {
                    div data-chart-scale=(scale) hidden[nth > 0] { (PreEscaped(chart.to_string())) }
                }
            }
        }
    }
}

fn chart(report: &Report, y: Axis) -> Chart {
    let everything = [
        Series::new("corrected", points(&report.latency)),
        Series::new("uncorrected", points(&report.service)),
    ];
    let operations = report.operations.iter().enumerate();
    let operations = operations.map(|(nth, (name, operation))| {
        let line = Series::new(name.as_str(), points(&operation.latency)).switched_by(name.as_str());
        // Where colours begin again.
        if nth + everything.len() < chart::COLOURS.len() { line } else { line.dashed() }
    });
    Chart {
        title: "Latency by percentile".to_owned(),
        x: Axis::log("percentile").with_ticks(ticks()),
        y,
        series: everything.iter().cloned().chain(operations).collect(),
        ..Chart::default()
    }
}

/// 90 % lie at 10, 99 % at 100: one in so many takes longer.
fn ticks() -> Vec<(f64, String)> {
    let nines =
        [(2.0, "50 %"), (10.0, "90 %"), (1e2, "99 %"), (1e3, "99.9 %"), (1e4, "99.99 %"), (1e5, "99.999 %")];
    nines.map(|(one_in, name)| (one_in, name.to_owned())).to_vec()
}

/// As far as there were requests: of a hundred, no 99.9 % are known.
fn points(latencies: &Latencies) -> Vec<(f64, f64)> {
    let count = latencies.count() as f64;
    let steps = (0_u32..).map(|step| 10_f64.powf(f64::from(step) / f64::from(POINTS)));
    let within = steps.take_while(|one_in| *one_in < count);
    let points = within.map(|one_in| (one_in, latencies.quantile_ms(1.0 - 1.0 / one_in)));
    points.chain((count > 0.0).then(|| (count, latencies.quantile_ms(1.0)))).collect()
}

pub(super) fn histogram(report: &Report) -> Markup {
    if report.latency.count() == 0 {
        return html! {};
    }
    let chart = Chart {
        title: "Requests by latency".to_owned(),
        x: Axis::log("ms, corrected"),
        y: Axis::linear("% of requests"),
        bars: bars(&report.latency),
        ..Chart::default()
    };
    html! {
        section #histogram {
            h2 { "Histogram" }
            (figure(&chart, None))
        }
    }
}

/// Each as wide as the others on a logarithmic axis.
fn bars(latencies: &Latencies) -> Vec<Bar> {
    let bin = |us: u64| ((us.max(1) as f64).log10() * BARS).floor() as i32;
    let edge = |bin: i32| 10_f64.powf(f64::from(bin) / BARS) / 1e3;
    let mut counts: Vec<(i32, u64)> = Vec::new();
    for (us, count) in latencies.counts() {
        match counts.last_mut() {
            Some((last, sum)) if *last == bin(us) => *sum += count,
            _ => counts.push((bin(us), count)),
        }
    }
    let all = latencies.count().max(1) as f64;
    let bar = |(bin, count): (i32, u64)| {
        let (from, until) = (edge(bin), edge(bin + 1));
        let text = format!("{} to {} ms: {count}", short(from), short(until));
        Bar { from, until, y: count as f64 / all * 100.0, text }
    };
    counts.into_iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values_us: &[u64]) -> Latencies {
        let mut latencies = Latencies::new();
        for us in values_us {
            latencies.record_many(*us, 1);
        }
        latencies
    }

    #[test]
    fn a_line_ends_with_the_longest_and_knows_no_more_nines_than_there_were_requests() {
        let values: Vec<u64> = (1..=1_000).map(|ms| ms * 1_000).collect();
        let points = points(&of(&values));
        let is_about = |(x, y): (f64, f64), (one_in, ms): (f64, f64)| {
            (x / one_in - 1.0).abs() < 1e-6 && (y / ms - 1.0).abs() < 0.01
        };
        assert!(is_about(points[10], (10.0, 900.0)), "{points:?}");
        assert!(is_about(points[20], (100.0, 990.0)), "{points:?}");
        assert!(points.last().is_some_and(|last| is_about(*last, (1_000.0, 1_000.0))), "{points:?}");
        assert_eq!(points.len(), 31);
    }

    #[test]
    fn one_request_is_a_point_and_none_are_no_line() {
        assert!(points(&of(&[])).is_empty());
        assert_eq!(points(&of(&[2_000])).len(), 1);
        assert!(bars(&of(&[])).is_empty());
    }

    #[test]
    fn bars_hold_every_request() {
        let bars = bars(&of(&[0, 1, 999, 1_000, 1_001, 50_000]));
        let shares: f64 = bars.iter().map(|bar| bar.y).sum();
        assert!((shares - 100.0).abs() < 1e-9, "{bars:?}");
        assert!(bars.windows(2).all(|pair| pair[0].until <= pair[1].from * 1.000_001), "{bars:?}");
    }
}
