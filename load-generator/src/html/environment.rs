//! What it was measured on, and with which load.

use maud::{Markup, html};

use crate::html::seconds;
use crate::html::table::{NONE, count, decimal, facts, fields};
use crate::report::{Load, Report};

/// What settings of the servers are called in JSON.
const SETTINGS: &str = "postgresql.";
/// Told first.
const FIRST: [&str; 6] = ["version", "os", "kernel", "cpu_model", "cpus", "memory_mib"];
/// Ends of names that say a unit.
const UNITS: [(&str, &str); 4] = [("_mib", ", MiB"), ("_ms", ", ms"), ("_us", ", µs"), ("_s", ", s")];

pub(super) fn section(report: &Report) -> Markup {
    let all = fields(&report.environment);
    let (settings, mut machine): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|(name, _)| name.starts_with(SETTINGS));
    let place = |name: &str| FIRST.iter().position(|first| *first == name).unwrap_or(FIRST.len());
    machine.sort_by_key(|(name, _)| place(name));
    let machine: Vec<_> = machine.into_iter().map(|(name, value)| (readable(&name), value)).collect();
    let settings = settings.into_iter();
    let settings: Vec<_> =
        settings.map(|(name, value)| (name.trim_start_matches(SETTINGS).to_owned(), value)).collect();
    html! {
        section #environment {
            h2 { "Environment" }
            p { (report.environment.summary()) }
            (facts(&machine))
            @if !settings.is_empty() {
                h3 { "PostgreSQL" }
                (facts(&settings))
            }
        }
    }
}

/// `memory_mib` is `memory, MiB`.
fn readable(name: &str) -> String {
    let with_unit = UNITS.iter().find_map(|(end, unit)| name.strip_suffix(end).map(|name| (name, *unit)));
    let (name, unit) = with_unit.unwrap_or((name, ""));
    format!("{}{unit}", name.replace('_', " "))
}

pub(super) fn load(report: &Report) -> Markup {
    html! {
        section #load {
            h2 { "Load" }
            (facts(&parameters(report, &report.load)))
        }
    }
}

fn parameters(report: &Report, load: &Load) -> Vec<(String, String)> {
    let maybe = |value: Option<u64>| value.map_or_else(|| "no limit".to_owned(), count);
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| NONE.to_owned());
    let rows = [
        ("shape", load.shape.clone()),
        ("arrivals", text(&load.arrivals)),
        ("offered", format!("{} requests/s", decimal(report.offered_rate))),
        ("measured", seconds(report.duration_s)),
        ("begun", report.started_at.clone()),
        ("warm-up", seconds(load.warmup_s)),
        ("workers", maybe(load.workers)),
        ("queue", load.queue.map_or_else(|| "none".to_owned(), count)),
        ("time-out", format!("{} ms", count(load.timeout_ms))),
        ("seed", load.seed.to_string()),
        ("node", text(&load.node)),
        ("late starts", count(report.late_starts)),
    ];
    let rows = rows.into_iter().map(|(name, value)| (name.to_owned(), value));
    let scenario = load.scenario.iter().map(|(name, value)| (name.clone(), value.clone()));
    rows.chain(scenario).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_readable() {
        assert_eq!(
            ["memory_mib", "cpu_model", "os", "warmup_s"].map(readable),
            ["memory, MiB", "cpu model", "os", "warmup, s"]
        );
    }
}
