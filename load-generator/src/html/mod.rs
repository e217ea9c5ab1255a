//! A result as one page for people: nothing is loaded from elsewhere, and without its script it is a page all the same.
//!
//! From top to bottom: what was measured and whether limits held, figures, charts, tables, and what it was measured on. Every
//! text is escaped by maud. What was not measured is a dash or is left out.

mod environment;
mod hover;
mod operations;
mod over_time;
mod percentiles;
mod servers;
mod span;
mod stages;
mod steadiness;
mod store;
mod table;
mod tiles;
mod verdict;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::chart::{self, Chart};
use crate::report::Report;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The whole page.
pub(crate) fn page(report: &Report) -> String {
    let title = format!("{} through {}", report.scenario, report.engine);
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) ": " (report.load.shape) }
                // Otherwise browsers ask the server for one.
                link rel="icon" href="data:,";
                style { (PreEscaped(chart::STYLE)) (PreEscaped(STYLE)) }
            }
            body {
                main {
                    header {
                        div {
                            h1 { (title) }
                            p.quiet { (report.load.shape) ", " (seconds(report.duration_s)) ", " (report.started_at) }
                        }
                        button #theme.needs-script type="button" aria-pressed=(pressed(false)) { "Dark" }
                    }
                    (verdict::section(report))
                    (steadiness::section(report))
                    (tiles::section(report))
                    (percentiles::section(report))
                    (stages::section(report))
                    (over_time::section(report))
                    (operations::section(report))
                    (percentiles::histogram(report))
                    (operations::errors(report))
                    (store::section(report))
                    (servers::section(report))
                    (servers::own(report))
                    (operations::repeats(report))
                    (environment::section(report))
                    (environment::load(report))
                    (reading())
                }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    markup.into_string()
}

fn reading() -> Markup {
    html! {
        section #reading {
            h2 { "How to read this" }
            p {
                "A corrected latency counts from when a request was due, so that waiting behind others is part of it; "
                "an uncorrected one only from when a worker took the request. "
                "If the two differ much, the system could not keep up, and the corrected one is what users would have seen."
            }
            p {
                "A rejected request was never tried: every place in the queue was taken when it was due. "
                "Latencies are of all requests but the rejected, those of an operation only of its completed ones."
            }
        }
    }
}

/// A chart with its heading and the names of its lines.
fn figure(chart: &Chart, seconds: Option<String>) -> Markup {
    html! {
        figure data-seconds=[seconds] {
            figcaption {
                h3 { (chart.title) }
                (legend(chart))
            }
            (PreEscaped(chart.to_string()))
        }
    }
}

/// Names of lines with their colours.
fn legend(chart: &Chart) -> Markup {
    html! {
        ul.legend {
            @for key in chart.legend() {
                @if let Some(operation) = key.switch {
                    li.off data-operation=(operation) { (swatch(key.colour, key.is_dashed)) (key.name) }
                } @else {
                    li { (swatch(key.colour, key.is_dashed)) (key.name) }
                }
            }
        }
    }
}

fn swatch(colour: usize, is_dashed: bool) -> Markup {
    html! {
        span.swatch.dashed[is_dashed] style={ "color: var(--c" (colour) ")" } {}
    }
}

/// Whether a button is.
fn pressed(is_so: bool) -> &'static str {
    if is_so { "true" } else { "false" }
}

fn seconds(seconds: f64) -> String {
    if seconds.is_finite() { format!("{seconds:.0} s") } else { table::NONE.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::own::OwnCost;
    use crate::report::sample::sample;
    use crate::report::{Requests, Second, Staleness};

    /// A run that was interrupted at once.
    fn empty() -> Report {
        let latency = crate::histogram::Latencies::new();
        Report {
            offered_rate: 0.0,
            achieved_rate: f64::NAN,
            duration_s: 0.0,
            requests: Requests::default(),
            latency: latency.clone(),
            service: latency.clone(),
            queue_wait: latency.clone(),
            schedule_error: latency,
            operations: Default::default(),
            effective_share: None,
            errors: Vec::new(),
            staleness: Staleness::default(),
            store: None,
            servers: Vec::new(),
            own: OwnCost {
                elapsed_s: 60.0,
                requests: 6_000,

                cpu_s: 0.0,
                cpu_share: f64::NAN,
                cpu_us_per_request: None,
                peak_mib: None,
                threads: None,
            },
            timeline: Vec::new(),
            marks: Vec::new(),
            repeats: Vec::new(),
            slo: None,
            steadiness: None,
            warnings: Vec::new(),
            environment: Default::default(),
            ..sample()
        }
    }

    #[test]
    fn a_page_has_every_part_and_loads_nothing() {
        let page = page(&sample());
        for part in
            ["verdict", "figures", "latency", "over-time", "operations", "errors", "servers", "environment"]
        {
            assert!(page.contains(&format!("id=\"{part}\"")), "{part}");
        }
        for elsewhere in ["src=", "@import", "url(", "href=\"http"] {
            assert!(!page.contains(elsewhere), "{elsewhere}");
        }
        assert!(!page.contains("NaN"));
    }

    #[test]
    fn a_page_of_nothing_says_so() {
        let page = page(&empty());
        assert!(page.contains("Nothing was measured") && page.contains("No limits were given"), "{page}");
        for wrong in ["NaN", "inf<", "inf ", "null"] {
            assert!(!page.replace(SCRIPT, "").contains(wrong), "{wrong}");
        }
    }

    #[test]
    fn what_others_wrote_stays_text() {
        let evil = "</script><img src=x onerror=alert(1)>\"'&".to_owned();
        let mut report = sample();
        report.warnings = vec![evil.clone()];
        report.scenario = evil.clone();
        report.load.shape = evil.clone();
        report.errors[0].example = evil.clone();
        report.marks[0].text = evil.clone();
        let operation = report.operations.values().next().cloned().unwrap_or_default();
        report.operations.insert(evil, operation);
        let page = page(&report);
        assert!(!page.contains("<img") && page.matches("</script>").count() == 1, "{page}");
    }

    #[test]
    fn an_hour_makes_no_large_page() {
        let mut report = sample();
        let second = report.timeline[0].clone();
        report.timeline = (0..3_600).map(|at_s| Second { at_s, ..second.clone() }).collect();
        let page = page(&report);
        assert!(page.len() < 500_000, "{}", page.len());
    }
}
