//! One line for each operation, for each kind of error and for each repeat.

use maud::{Markup, html};

use crate::figure::Point;
use crate::html::pressed;
use crate::html::table::{NONE, count, ms, percent, table};
use crate::report::{Repeat, Report};

const HEADS: [&str; 12] = [
    "operation",
    "completed",
    "effective",
    "refused",
    "conflicts",
    "errors",
    "time-outs",
    "p50",
    "p90",
    "p99",
    "p99.9",
    "max",
];

pub(super) fn section(report: &Report) -> Markup {
    if report.operations.is_empty() {
        return html! {};
    }
    html! {
        section #operations {
            h2 { "Operations" }
            div.scroll {
                table {
                    thead { tr { @for head in HEADS { th scope="col" { (head) } } } }
                    tbody {
                        @for (name, operation) in &report.operations {
                            @let latency = operation.latency.summary();
                            tr {
                                th scope="row" {
                                    button.needs-script type="button" data-operation=(name) aria-pressed=(pressed(false))
                                        title="Show its line in the chart of percentiles" { (name) }
                                    span.without-script { (name) }
                                }
                                td { (count(operation.count)) }
                                td { (count(operation.effective)) }
                                td { (count(operation.refused)) }
                                td { (count(operation.conflicts)) }
                                td { (count(operation.errors)) }
                                td { (count(operation.timeouts)) }
                                td { (ms(latency.p50_ms)) }
                                td { (ms(latency.p90_ms)) }
                                td { (ms(latency.p99_ms)) }
                                td { (ms(latency.p999_ms)) }
                                td { (ms(latency.max_ms)) }
                            }
                        }
                    }
                }
            }
            p.quiet {
                "Latencies in milliseconds, corrected, of completed requests."
                @if report.effective_share.is_some() {
                    " Of the completed commands, " (percent(report.effective_share)) " wrote what they were asked for."
                }
            }
        }
    }
}

pub(super) fn errors(report: &Report) -> Markup {
    if report.errors.is_empty() {
        return html! {};
    }
    let row = |error: &crate::report::ErrorCount| {
        let sqlstate = error.sqlstate.clone().unwrap_or_else(|| NONE.to_owned());
        vec![error.kind.clone(), sqlstate, count(error.count), error.example.clone()]
    };
    let rows: Vec<_> = report.errors.iter().map(row).collect();
    html! {
        section #errors.texts {
            h2 { "Errors" }
            (table(&["kind", "SQLSTATE", "count", "the first one"], &rows))
        }
    }
}

/// Only of several.
pub(super) fn repeats(report: &Report) -> Markup {
    if report.repeats.len() < 2 {
        return html! {};
    }
    let numbered = report.repeats.iter().enumerate();
    let rows = numbered.map(|(nth, repeat)| row((nth + 1).to_string(), figures(repeat).map(ms)));
    let all: Vec<[Option<f64>; FIGURES]> = report.repeats.iter().map(figures).collect();
    let mut spreads = [None; FIGURES];
    for (nth, spread_of) in spreads.iter_mut().enumerate() {
        *spread_of = spread(all.iter().filter_map(|figures| figures[nth]));
    }
    let rows: Vec<Vec<String>> = rows.chain([row("spread".to_owned(), spreads.map(percent))]).collect();
    let heads = [
        "repeat",
        "offered /s",
        "achieved /s",
        "p50 ms",
        "p99 ms",
        "p99.9 ms",
        "max ms",
        "failed or rejected",
    ];
    html! {
        section #repeats {
            h2 { "Repeats" }
            (table(&heads, &rows))
            p.quiet { "The spread is from the least to the largest, as a share of their mean." }
        }
    }
}

const FIGURES: usize = 7;

fn figures(repeat: &Repeat) -> [Option<f64>; FIGURES] {
    let latency = |point: Point| point.of(&repeat.latency);
    let requests = &repeat.requests;
    [
        Some(repeat.offered_rate),
        Some(repeat.achieved_rate),
        latency(Point::Quantile(0.5)),
        latency(Point::Quantile(0.99)),
        latency(Point::Quantile(0.999)),
        latency(Point::Max),
        Some((requests.errors + requests.timeouts + requests.rejected) as f64),
    ]
}

fn row(name: String, cells: [String; FIGURES]) -> Vec<String> {
    [name].into_iter().chain(cells).collect()
}

fn spread(values: impl Iterator<Item = f64> + Clone) -> Option<f64> {
    let (count, sum) = values.clone().fold((0_u32, 0.0), |(count, sum), value| (count + 1, sum + value));
    let (least, most) = (values.clone().reduce(f64::min)?, values.reduce(f64::max)?);
    (count > 0 && sum > 0.0).then(|| (most - least) / (sum / f64::from(count)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_a_share_of_the_mean() {
        assert_eq!(spread([90.0, 110.0].into_iter()), Some(0.2));
        assert_eq!(spread([5.0].into_iter()), Some(0.0));
        assert_eq!((spread([].into_iter()), spread([0.0, 0.0].into_iter())), (None, None));
    }
}
