//! Whether limits held, and what makes the figures worth less.

use maud::{Markup, html};

use crate::html::table::NONE;
use crate::report::Report;
use crate::slo::Check;

pub(super) fn section(report: &Report) -> Markup {
    let nothing = report.requests.scheduled == 0;
    html! {
        section #verdict {
            @match &report.slo {
                Some(slo) => { (limits("Limits", slo.held, &slo.checks)) }
                None if report.steadiness.is_some() => {}
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

/// What was to hold, and whether it did.
pub(super) fn limits(what: &str, all_held: bool, checks: &[Check]) -> Markup {
    let class = if all_held { "held" } else { "broken" };
    html! {
        p.verdict.(class) { (what) " " (class) }
        ul.checks {
            @for check in checks {
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
