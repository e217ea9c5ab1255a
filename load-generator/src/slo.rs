//! Limits that a run has to hold: `p99<20ms,errors<0.1%,rejected<1%`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::figure::{Figure, Unit};
use crate::report::Report;

/// Some limits, all of which must hold.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Slo(Vec<Limit>);

/// One of them.
#[derive(Debug, Clone, PartialEq)]
struct Limit {
    figure: Figure,
    bound: Bound,
    /// In the figure's base unit: milliseconds, a share of one, requests a second.
    value: f64,
    text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bound {
    Below,
    AtMost,
    Above,
    AtLeast,
}

/// How limits were held.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SloReport {
    pub(crate) held: bool,
    pub(crate) checks: Vec<Check>,
}

/// How one was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Check {
    /// As it was given: `p99<20ms`.
    pub(crate) limit: String,
    /// For people: `4.12 ms`, `0.03 %`; nothing where nothing was measured, which holds no limit.
    pub(crate) measured: Option<String>,
    pub(crate) held: bool,
}

impl Slo {
    /// With a limit of rejections where no limit says how much must be done. A request that is rejected at once has no latency and is no
    /// error: without that, a rate of which most is rejected could hold.
    pub(crate) fn with_rejections(mut self) -> Self {
        let says_how_much = |limit: &Limit| matches!(limit.figure, Figure::Rejected | Figure::Rate);
        if !self.0.iter().any(says_how_much) {
            let (value, text) = (0.01, "rejected<1%".to_owned());
            self.0.push(Limit { figure: Figure::Rejected, bound: Bound::Below, value, text });
        }
        self
    }

    pub(crate) fn check(&self, report: &Report) -> SloReport {
        let checks: Vec<Check> = self.0.iter().map(|limit| limit.check(report)).collect();
        SloReport { held: checks.iter().all(|check| check.held), checks }
    }
}

impl Limit {
    fn check(&self, report: &Report) -> Check {
        let measured = self.figure.of(report);
        let held = measured.is_some_and(|measured| match self.bound {
            Bound::Below => measured < self.value,
            Bound::AtMost => measured <= self.value,
            Bound::Above => measured > self.value,
            Bound::AtLeast => measured >= self.value,
        });
        let measured = measured.map(|value| self.figure.unit().say(value));
        Check { limit: self.text.clone(), measured, held }
    }
}

impl fmt::Display for Slo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<&str> = self.0.iter().map(|limit| limit.text.as_str()).collect();
        f.write_str(&texts.join(","))
    }
}

impl FromStr for Slo {
    type Err = String;

    /// Says what is wrong, with a mark under the place.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut limits = Vec::new();
        let mut at = 0;
        for term in text.split(',') {
            let parsed = limit(term);
            limits.push(parsed.map_err(|(offset, why)| {
                let column = text[..at + offset].chars().count();
                format!("{why}\n  {text}\n  {}^", " ".repeat(column))
            })?);
            at += term.len() + 1;
        }
        Ok(Self(limits))
    }
}

/// What is wrong, and at which byte.
type Refused = (usize, String);

fn limit(term: &str) -> Result<Limit, Refused> {
    let Some(sign) = term.find(['<', '>']) else {
        let why = "expected a limit such as p99<20ms, with < or >";
        return Err((term.len() - term.trim_start().len(), why.to_owned()));
    };
    let (name, rest) = term.split_at(sign);
    let figure: Figure = name.trim().parse().map_err(|why| (name.len() - name.trim_start().len(), why))?;
    let is_inclusive = rest[1..].starts_with('=');
    let bound = match (rest.starts_with('<'), is_inclusive) {
        (true, false) => Bound::Below,
        (true, true) => Bound::AtMost,
        (false, false) => Bound::Above,
        (false, true) => Bound::AtLeast,
    };
    let value = &rest[if is_inclusive { 2 } else { 1 }..];
    let at = term.len() - value.trim_start().len();
    let value = figure.unit().parse(value.trim()).map_err(|why| (at, why))?;
    Ok(Limit { figure, bound, value, text: term.trim().to_owned() })
}

impl Unit {
    /// A value as it is typed in a limit.
    fn parse(self, text: &str) -> Result<f64, String> {
        let number = |digits: &str| {
            digits.trim().parse().ok().filter(|value: &f64| value.is_finite() && *value >= 0.0)
        };
        let value = match self {
            Self::Milliseconds => humantime::parse_duration(text).ok().map(|time| time.as_secs_f64() * 1e3),
            Self::Share => text.strip_suffix('%').and_then(number).map(|percent: f64| percent / 100.0),
            Self::PerSecond => number(text.strip_suffix("/s").unwrap_or(text)),
        };
        value.ok_or_else(|| {
            format!(
                "expected {}",
                match self {
                    Self::Milliseconds => "a time with its unit, such as 20ms or 1s",
                    Self::Share => "a share in percent, such as 0.1%",
                    Self::PerSecond => "a number of requests per second, such as 300",
                }
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_parse_is_pointed_at() {
        for (text, at, said) in [
            ("p99<20", "20", "a time with its unit"),
            ("p99<20ms,errors<1", "1", "a share in percent"),
            ("p99<20ms, erorrs<1%", "erorrs", "is no figure"),
            ("p99", "p99", "with < or >"),
            ("p99<20ms,", "", "with < or >"),
            ("lend_bok.p99<1s", "lend_bok", "is no figure"),
            ("rate>fast", "fast", "requests per second"),
            ("ünd<1%", "ünd", "is no figure"),
            ("errors<-1%", "-1%", "a share in percent"),
        ] {
            let refused = text.parse::<Slo>().unwrap_err();
            let lines: Vec<&str> = refused.lines().collect();
            assert!(lines[0].contains(said), "{refused}");
            let column = lines[2].chars().count() - 3;
            let pointed: String = text.chars().skip(column).collect();
            assert!(lines[2].ends_with('^') && pointed.starts_with(at), "{refused}");
        }
    }

    #[test]
    fn what_is_mostly_rejected_does_not_hold_where_nothing_else_is_said() {
        let with = |limits: &str| limits.parse::<Slo>().unwrap().with_rejections();
        for (limits, expected) in [
            ("p99<20ms,errors<0.1%", "p99<20ms,errors<0.1%,rejected<1%"),
            ("p99<20ms,rejected<50%", "p99<20ms,rejected<50%"),
            ("rate>=100", "rate>=100"),
        ] {
            assert_eq!(with(limits).to_string(), expected);
        }
        let added = with("errors<100%");
        assert_eq!(added.to_string().parse::<Slo>().unwrap(), added, "it is what it says");
        let mut report = crate::report::sample::sample();
        report.requests.rejected = report.requests.scheduled / 2;
        assert!(!added.check(&report).held);
        report.requests.rejected = 0;
        assert!(added.check(&report).held);
    }

    #[test]
    fn limits_are_checked_against_what_was_measured() {
        let mut report = crate::report::sample::sample();
        report.requests.scheduled = 1_000;
        (report.requests.errors, report.requests.timeouts) = (1, 0);
        let check = |report: &Report, limit: &str| limit.parse::<Slo>().unwrap().check(report).held;
        let held = |limit: &str| check(&report, limit);
        assert!(held("errors<=0.1%") && !held("errors<0.1%") && held("errors<0.11%"));
        assert!(held("rate>0") && held("p99<1h,p50>0ms") && !held("p99<1h,p50<0ms"));
        // Nothing was measured of it: that is no success.
        report.operations.remove("cancel_contract");
        assert!(!check(&report, "cancel_contract.p99<1h"));
        let check = "p99<1ns".parse::<Slo>().unwrap().check(&report);
        assert!(!check.held && check.checks[0].measured.as_ref().unwrap().ends_with(" ms"), "{check:?}");
    }
}
