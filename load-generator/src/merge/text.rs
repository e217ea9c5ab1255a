//! Joined logs, for people.

use std::fmt;

use crate::histogram::milliseconds;
use crate::merge::merged::{Merged, Tagged};

impl fmt::Display for Merged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for log in &self.logs {
            let started = log.started_at.as_deref().unwrap_or("never");
            writeln!(f, "  {}: {} intervals from {started}, {:.1} s", log.path, log.intervals, log.length_s)?;
        }
        if self.logs.len() > 1 {
            writeln!(
                f,
                "  together {:.1} s; the last began {:.1} s after the first; all ran at once for {:.1} s",
                self.length_s, self.starts_apart_s, self.overlap_s
            )?;
        }
        for warning in &self.warnings {
            writeln!(f, "  warning: {warning}")?;
        }
        let names = || self.latencies.iter().map(Tagged::name);
        let width = names().map(|name| name.chars().count()).max().unwrap_or(0).max("milliseconds".len());
        writeln!(
            f,
            "\n  {:<width$} {:>10} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}",
            "milliseconds", "count", "p50", "p90", "p95", "p99", "p99.9", "p99.99", "max"
        )?;
        for tagged in &self.latencies {
            let latency = tagged.latency.summary();
            write!(f, "  {:<width$} {:>10}", tagged.name(), tagged.latency.count())?;
            for ms in [
                latency.p50_ms,
                latency.p90_ms,
                latency.p95_ms,
                latency.p99_ms,
                latency.p999_ms,
                latency.p9999_ms,
                latency.max_ms,
            ] {
                write!(f, " {}", milliseconds(ms, 9))?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

impl Tagged {
    fn name(&self) -> &str {
        match self.tag.as_deref() {
            None => "latency, from when due",
            Some("service") => "service, from when taken",
            Some(tag) => tag,
        }
    }
}
