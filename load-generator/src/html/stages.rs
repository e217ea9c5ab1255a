//! Where the time of requests went.

use maud::{Markup, html};

use crate::figure::Point;
use crate::histogram::Latencies;
use crate::html::table::{count, ms, table};
use crate::report::Report;

const POINTS: [Point; 6] = [
    Point::Quantile(0.5),
    Point::Quantile(0.9),
    Point::Quantile(0.99),
    Point::Quantile(0.999),
    Point::Quantile(0.9999),
    Point::Max,
];

pub(super) fn section(report: &Report) -> Markup {
    let row = |name: &str, latencies: &Latencies| {
        let figures = POINTS.map(|point| ms(point.of(latencies)));
        [name.to_owned(), count(latencies.count())].into_iter().chain(figures).collect()
    };
    let rows: Vec<Vec<String>> = vec![
        row("corrected, from when due", &report.latency),
        row("uncorrected, from when taken", &report.service),
        row("waiting for a worker", &report.queue_wait),
        row("offered late by", &report.schedule_error),
    ];
    html! {
        section #stages {
            h2 { "Where the time went" }
            (table(&["milliseconds", "count", "p50", "p90", "p99", "p99.9", "p99.99", "max"], &rows))
            p.quiet {
                (count(report.requests.conflicts)) " appends were refused by their condition, and "
                (count(report.requests.retries)) " decisions made again."
                @if report.requests.sent_again > 0 {
                    " " (count(report.requests.sent_again)) " statements were sent again, as the server refused to serialize them."
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::sample;

    #[test]
    fn decisions_and_statements_are_told_apart() {
        let mut report = sample();
        let page = section(&report).into_string();
        assert!(page.contains("96 decisions made again. 12 statements were sent again"), "{page}");
        report.requests.sent_again = 0;
        assert!(!section(&report).into_string().contains("sent again"));
    }
}
