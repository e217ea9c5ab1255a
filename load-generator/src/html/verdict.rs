//! Whether limits held, and what makes the figures worth less.

use maud::{Markup, html};

use crate::html::table::NONE;
use crate::report::Report;
use crate::slo::SloReport;

pub(super) fn section(report: &Report) -> Markup {
    let nothing = report.requests.scheduled == 0;
    html! {
        section #verdict {
            @match &report.slo {
                Some(slo) => { (limits(slo)) }
                None => { p.verdict { "No limits were given." } }
            }
            @if nothing { p.warning { "Nothing was measured." } }
            @if !report.warnings.is_empty() {
                ul.warning {
                    @for warning in &report.warnings { li { (warning) } }
                }
            }
            @if let Some(audit) = &report.audit { pre.scroll { (audit.to_string()) } }
        }
    }
}

fn limits(slo: &SloReport) -> Markup {
    let (verdict, class) = if slo.held { ("Limits held", "held") } else { ("Limits broken", "broken") };
    html! {
        p.verdict.(class) { (verdict) }
        ul.checks {
            @for check in &slo.checks {
                @let held = if check.held { "held" } else { "broken" };
                li.(held) {
                    code { (check.limit) }
                    span { (check.measured.as_deref().unwrap_or(NONE)) }
                    b { (held) }
                }
            }
        }
    }
}
