//! How steady a soak was.

use maud::{Markup, html};

use crate::html::table::{count, ms, table};
use crate::html::verdict::limits;
use crate::report::Report;
use crate::soak::{Part, Stall};

const HEADS: &[&str] = &["seconds", "requests", "p50, ms", "p99, ms", "p99.9, ms", "longest, ms"];
const STALL_HEADS: &[&str] = &["second", "lasted, s", "longest, ms", "beside it"];

pub(super) fn section(report: &Report) -> Markup {
    let Some(steadiness) = &report.steadiness else { return html! {} };
    let parts: Vec<Vec<String>> = steadiness.parts.iter().map(row).collect();
    let stalls: Vec<Vec<String>> = steadiness.stalls.iter().map(stall).collect();
    html! {
        section #steadiness {
            h2 { "Steadiness" }
            (limits("Steadiness", steadiness.held, &steadiness.checks))
            (table(HEADS, &parts))
            @if !stalls.is_empty() {
                details {
                    summary { "Waits over 100 ms (" (stalls.len()) ")" }
                    (table(STALL_HEADS, &stalls))
                }
            }
        }
    }
}

fn row(part: &Part) -> Vec<String> {
    let summary = part.latency.summary();
    let span = format!("{} to {}", part.at_s, part.until_s);
    let figures = [summary.p50_ms, summary.p99_ms, summary.p999_ms, summary.max_ms];
    [span, count(part.latency.count())].into_iter().chain(figures.map(ms)).collect()
}

fn stall(stall: &Stall) -> Vec<String> {
    let beside = if stall.beside.is_empty() { "nothing known".to_owned() } else { stall.beside.join("; ") };
    vec![count(stall.at_s), count(stall.seconds), ms(Some(stall.max_ms)), beside]
}
