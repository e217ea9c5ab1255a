//! The figures that people look at first.

use maud::{Markup, html};

use crate::figure::{Point, Unit};
use crate::html::table::{NONE, count, decimal};
use crate::report::Report;

struct Tile {
    name: &'static str,
    value: String,
    /// What it is counted in.
    unit: &'static str,
    note: String,
    is_bad: bool,
}

pub(super) fn section(report: &Report) -> Markup {
    let requests = &report.requests;
    let rates = [
        rate("offered", report.offered_rate, format!("{} requests", count(requests.scheduled))),
        rate("achieved", report.achieved_rate, format!("{} completed", count(requests.completed))),
    ];
    let points = [
        ("p50", Point::Quantile(0.5)),
        ("p99", Point::Quantile(0.99)),
        ("p99.9", Point::Quantile(0.999)),
        ("p99.99", Point::Quantile(0.9999)),
        ("max", Point::Max),
    ];
    let latencies = points.map(|(name, point)| latency(report, name, point));
    let failures = [
        failure(report, "errors", requests.errors),
        failure(report, "rejected", requests.rejected),
        failure(report, "time-outs", requests.timeouts),
    ];
    html! {
        section #figures.tiles aria-label="Key figures" {
            @for tile in rates.iter().chain(&latencies).chain(&failures) {
                div.tile.bad[tile.is_bad] {
                    span { (tile.name) }
                    b { (tile.value) small { (tile.unit) } }
                    span.quiet { (tile.note) }
                }
            }
        }
    }
}

fn rate(name: &'static str, rate: f64, note: String) -> Tile {
    Tile { name, value: decimal(rate), unit: "/s", note, is_bad: false }
}

fn latency(report: &Report, name: &'static str, point: Point) -> Tile {
    let note = point.of(&report.service).map(|ms| format!("uncorrected {}", decimal(ms)));
    Tile {
        name,
        value: point.of(&report.latency).map_or_else(|| NONE.to_owned(), decimal),
        unit: "ms",
        note: note.unwrap_or_default(),
        is_bad: false,
    }
}

fn failure(report: &Report, name: &'static str, failed: u64) -> Tile {
    let note =
        if report.requests.scheduled > 0 { Unit::Share.say(report.share(failed)) } else { String::new() };
    Tile { name, value: count(failed), unit: "", note, is_bad: failed > 0 }
}
