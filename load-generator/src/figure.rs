//! The figures of a result that limits and comparisons are about, by their names.

use std::fmt;
use std::str::FromStr;

use crate::histogram::Latencies;
use crate::report::{Repeat, Report};
use crate::scenario::Operation;

/// One figure: `p99`, `service.p99.9`, `lend_book.max`, `errors`, `rate`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Figure {
    Latency {
        of: Of,
        point: Point,
    },
    /// Requests completed a second.
    Rate,
    /// Shares of what was scheduled. Time-outs are errors too.
    Errors,
    Rejected,
    TimedOut,
    Late,
    /// Appends that were refused by their condition, as a share of what was scheduled.
    Conflicts,
}

/// Whose latency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Of {
    /// All requests, from when they were due.
    All,
    /// All requests, from when a worker took them.
    Service,
    /// One operation, from when they were due.
    Operation(String),
}

/// Which latency.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Point {
    Quantile(f64),
    Mean,
    Max,
}

/// What a figure is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Milliseconds,
    /// Of one.
    Share,
    PerSecond,
}

const NAMES: &str = "p50, p90, p95, p99, p99.9, p99.99, mean, max (of all requests; service.p99 and lend_book.p99 are others), \
                     rate, errors, rejected, timeouts, late, conflicts";

impl Figure {
    /// What people look at first, in that order.
    pub(crate) fn main_ones() -> Vec<Self> {
        [
            "rate",
            "p50",
            "p90",
            "p99",
            "p99.9",
            "max",
            "service.p99",
            "errors",
            "rejected",
            "timeouts",
            "conflicts",
        ]
        .iter()
        .filter_map(|name| name.parse().ok())
        .collect()
    }

    /// In its unit; nothing where nothing was measured.
    pub(crate) fn of(&self, report: &Report) -> Option<f64> {
        let share = |count: u64| (report.requests.scheduled > 0).then(|| report.share(count));
        match self {
            Self::Latency { of: Of::All, point } => point.of(&report.latency),
            Self::Latency { of: Of::Service, point } => point.of(&report.service),
            Self::Latency { of: Of::Operation(name), point } => {
                report.operations.get(name).and_then(|operation| point.of(&operation.latency))
            }
            Self::Rate => Some(report.achieved_rate),
            Self::Errors => share(report.requests.errors + report.requests.timeouts),
            Self::Rejected => share(report.requests.rejected),
            Self::TimedOut => share(report.requests.timeouts),
            Self::Late => share(report.late_starts),
            Self::Conflicts => share(report.requests.conflicts),
        }
    }

    /// The same of one repeat; nothing where a repeat does not tell it.
    pub(crate) fn of_repeat(&self, repeat: &Repeat) -> Option<f64> {
        let requests = &repeat.requests;
        let share = |count: u64| (requests.scheduled > 0).then(|| count as f64 / requests.scheduled as f64);
        match self {
            Self::Latency { of: Of::All, point } => point.of(&repeat.latency),
            Self::Latency { of: Of::Service, point } => point.of(&repeat.service),
            Self::Latency { of: Of::Operation(_), .. } | Self::Late => None,
            Self::Rate => Some(repeat.achieved_rate),
            Self::Errors => share(requests.errors + requests.timeouts),
            Self::Rejected => share(requests.rejected),
            Self::TimedOut => share(requests.timeouts),
            Self::Conflicts => share(requests.conflicts),
        }
    }

    pub(crate) fn unit(&self) -> Unit {
        match self {
            Self::Latency { .. } => Unit::Milliseconds,
            Self::Rate => Unit::PerSecond,
            Self::Errors | Self::Rejected | Self::TimedOut | Self::Late | Self::Conflicts => Unit::Share,
        }
    }

    pub(crate) fn more_is_better(&self) -> bool {
        *self == Self::Rate
    }
}

impl Point {
    pub(crate) fn of(self, latencies: &Latencies) -> Option<f64> {
        (latencies.count() > 0).then(|| match self {
            Self::Quantile(quantile) => latencies.quantile_ms(quantile),
            Self::Mean => latencies.mean_ms(),
            Self::Max => latencies.quantile_ms(1.0),
        })
    }
}

impl Unit {
    /// For people.
    pub(crate) fn say(self, value: f64) -> String {
        match self {
            Self::Milliseconds => format!("{value:.2} ms"),
            Self::Share => format!("{:.3} %", value * 100.0),
            Self::PerSecond => format!("{value:.1} /s"),
        }
    }
}

impl FromStr for Figure {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let plain = match name {
            "rate" => Some(Self::Rate),
            "errors" => Some(Self::Errors),
            "rejected" => Some(Self::Rejected),
            "timeouts" => Some(Self::TimedOut),
            "late" => Some(Self::Late),
            "conflicts" => Some(Self::Conflicts),
            _ => None,
        };
        if let Some(figure) = plain {
            return Ok(figure);
        }
        let unknown = || format!("{name:?} is no figure; expected one of {NAMES}");
        // p99.9 has a dot of its own.
        let (of, point) = match name.split_once('.') {
            Some((of, point)) if !of.strip_prefix('p').is_some_and(is_number) => (of, point),
            _ => ("", name),
        };
        let of = match of {
            "" => Of::All,
            "service" => Of::Service,
            operation if Operation::named(operation).is_some() => Of::Operation(operation.to_owned()),
            _ => return Err(unknown()),
        };
        let point = match point {
            "mean" => Point::Mean,
            "max" => Point::Max,
            percentile => {
                let digits =
                    percentile.strip_prefix('p').filter(|digits| is_number(digits)).ok_or_else(unknown)?;
                let percent: f64 = digits.parse().map_err(|_| unknown())?;
                if !(0.0..=100.0).contains(&percent) {
                    return Err(unknown());
                }
                // So that p99.9 is the number nearest to 0.999, which percent / 100 is not.
                Point::Quantile((percent * 1e6).round() / 1e8)
            }
        };
        Ok(Self::Latency { of, point })
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|char| char.is_ascii_digit() || char == '.')
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latency { of, point } => {
                match of {
                    Of::All => {}
                    Of::Service => f.write_str("service.")?,
                    Of::Operation(name) => write!(f, "{name}.")?,
                }
                match point {
                    // 0.999 * 100 is not quite 99.9.
                    Point::Quantile(quantile) => write!(f, "p{}", (quantile * 1e7).round() / 1e5),
                    Point::Mean => f.write_str("mean"),
                    Point::Max => f.write_str("max"),
                }
            }
            Self::Rate => f.write_str("rate"),
            Self::Errors => f.write_str("errors"),
            Self::Rejected => f.write_str("rejected"),
            Self::TimedOut => f.write_str("timeouts"),
            Self::Late => f.write_str("late"),
            Self::Conflicts => f.write_str("conflicts"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_mean_what_they_say() {
        for name in [
            "p50",
            "p99.9",
            "p99.99",
            "max",
            "service.p99",
            "service.p99.9",
            "lend_book.p95",
            "rate",
            "errors",
        ] {
            assert_eq!(name.parse::<Figure>().unwrap().to_string(), name);
        }
        let figure: Figure = "lend_book.p99.9".parse().unwrap();
        let (of, point) = (Of::Operation("lend_book".to_owned()), Point::Quantile(0.999));
        assert_eq!(figure, Figure::Latency { of, point });
        for wrong in ["", "p", "p101", "q99", "service.", "error", "p9x"] {
            assert!(wrong.parse::<Figure>().is_err(), "{wrong}");
        }
    }
}
