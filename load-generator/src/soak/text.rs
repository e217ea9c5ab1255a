//! The judgement as a person reads it.

use std::fmt;

use crate::histogram::milliseconds;
use crate::soak::Steadiness;

impl fmt::Display for Steadiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "  {:<26} {:>9} {:>9} {:>9} {:>9} {:>9}",
            "over time, milliseconds", "count", "p50", "p99", "p99.9", "max"
        )?;
        for part in &self.parts {
            let summary = part.latency.summary();
            writeln!(
                f,
                "  {:<26} {:>9} {} {} {} {}",
                format!("{} to {} s", part.at_s, part.until_s),
                part.latency.count(),
                milliseconds(summary.p50_ms, 9),
                milliseconds(summary.p99_ms, 9),
                milliseconds(summary.p999_ms, 9),
                milliseconds(summary.max_ms, 9)
            )?;
        }
        for stall in &self.stalls {
            let beside = if stall.beside.is_empty() {
                "nothing known beside it".to_owned()
            } else {
                stall.beside.join("; ")
            };
            let lasted = if stall.seconds > 1 {
                format!(" to {} s", stall.at_s + stall.seconds)
            } else {
                String::new()
            };
            writeln!(f, "  {:>7.0} ms at {} s{lasted}: {beside}", stall.max_ms, stall.at_s)?;
        }
        writeln!(f)?;
        for check in &self.checks {
            let verdict = if check.held { "held  " } else { "BROKEN" };
            writeln!(
                f,
                "  {verdict}    {}: {}",
                check.limit,
                check.measured.as_deref().unwrap_or("nothing was measured")
            )?;
        }
        Ok(())
    }
}
