//! One figure of two results.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use crate::figure::{Figure, Unit};
use crate::report::Report;

/// Shares that rose by less are never worse: one error where there was none is no trend.
const LEAST_POINTS: f64 = 0.001;

/// Of fewer repeats, the least and the most say too little of what chance can do.
const LEAST_REPEATS: usize = 3;

/// By how much a figure may become worse, as a share of what it was.
///
/// A latency that rose, and a rate that fell, by more than that share of its old value became worse. A share of the requests became
/// worse if it rose by more than that share of its old value, and by more than 0.1 percentage points.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(transparent)]
pub(crate) struct MaxRegression(f64);

/// A figure of one result.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Measured {
    /// Of all repeats together.
    value: Option<f64>,
    /// Only where there were three or more, all of which have the figure.
    spread: Option<Spread>,
}

/// From the least to the most of several repeats.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Spread {
    pub(super) min: f64,
    pub(super) max: f64,
}

/// The figure in both.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Row {
    pub(super) figure: String,
    #[serde(serialize_with = "unit")]
    pub(super) unit: Unit,
    pub(super) a: Option<f64>,
    pub(super) b: Option<f64>,
    pub(super) change: Option<Change>,
    pub(super) spread_a: Option<Spread>,
    pub(super) spread_b: Option<Spread>,
    pub(super) outcome: Outcome,
    /// Whether it became worse by more than it may, be that chance or not.
    pub(super) past_limit: bool,
}

/// From A to B.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Change {
    /// Of what it was.
    Percent(f64),
    /// Percentage points, of shares.
    Points(f64),
}

/// What B is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    Same,
    Better,
    Worse,
    /// The repeats of one lie within those of the other, or overlap them: it may be chance.
    WithinSpread,
    /// One of the two does not have it.
    NotMeasured,
}

impl Row {
    pub(super) fn of(figure: &Figure, a: Measured, b: Measured, limit: Option<MaxRegression>) -> Self {
        let past_limit = limit.is_some_and(|limit| limit.is_passed(figure, a.value, b.value));
        Self {
            figure: figure.to_string(),
            unit: figure.unit(),
            a: a.value,
            b: b.value,
            change: change(figure.unit(), a.value, b.value),
            spread_a: a.spread,
            spread_b: b.spread,
            outcome: outcome(figure, a, b),
            past_limit,
        }
    }

    pub(super) fn is_regression(&self) -> bool {
        self.past_limit && self.outcome != Outcome::WithinSpread
    }

    /// It would be one, if repeats did not differ as much.
    pub(super) fn is_excused(&self) -> bool {
        self.past_limit && self.outcome == Outcome::WithinSpread
    }
}

impl Measured {
    pub(super) fn of(figure: &Figure, report: &Report) -> Self {
        let repeats: Option<Vec<f64>> =
            report.repeats.iter().map(|repeat| figure.of_repeat(repeat)).collect();
        Self { value: figure.of(report), spread: repeats.as_deref().and_then(Spread::of) }
    }
}

#[cfg(test)]
impl Measured {
    pub(super) fn once(value: f64) -> Self {
        Self { value: Some(value), spread: None }
    }

    pub(super) const fn nothing() -> Self {
        Self { value: None, spread: None }
    }
}

impl Spread {
    fn of(values: &[f64]) -> Option<Self> {
        (values.len() >= LEAST_REPEATS).then(|| Self {
            min: values.iter().copied().fold(f64::INFINITY, f64::min),
            max: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        })
    }

    fn overlaps(self, other: Self) -> bool {
        self.min <= other.max && other.min <= self.max
    }
}

impl MaxRegression {
    fn is_passed(self, figure: &Figure, a: Option<f64>, b: Option<f64>) -> bool {
        match (a, b) {
            // What can no longer be measured has not been held.
            (Some(_), None) => true,
            (None, _) => false,
            (Some(a), Some(b)) if figure.more_is_better() => b < a * (1.0 - self.0),
            (Some(a), Some(b)) => {
                let rose = b > a * (1.0 + self.0);
                rose && (figure.unit() != Unit::Share || b - a > LEAST_POINTS)
            }
        }
    }
}

impl FromStr for MaxRegression {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = text.strip_suffix('%').and_then(|digits| digits.trim().parse().ok());
        let percent = number.filter(|percent: &f64| percent.is_finite() && *percent >= 0.0);
        percent
            .map(|percent| Self(percent / 100.0))
            .ok_or_else(|| format!("expected a percentage such as 10%, got {text:?}"))
    }
}

impl fmt::Display for MaxRegression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // 0.07 * 100 is not quite 7.
        write!(f, "{} %", (self.0 * 1e8).round() / 1e6)
    }
}

fn change(unit: Unit, a: Option<f64>, b: Option<f64>) -> Option<Change> {
    let (a, b) = (a?, b?);
    match unit {
        Unit::Share => Some(Change::Points((b - a) * 100.0)),
        Unit::Milliseconds | Unit::PerSecond => (a != 0.0).then(|| Change::Percent((b - a) / a * 100.0)),
    }
}

fn outcome(figure: &Figure, a: Measured, b: Measured) -> Outcome {
    let (Some(value_a), Some(value_b)) = (a.value, b.value) else { return Outcome::NotMeasured };
    if value_a == value_b {
        return Outcome::Same;
    }
    match (a.spread, b.spread) {
        (Some(a), Some(b)) if a.overlaps(b) => Outcome::WithinSpread,
        _ if (value_b > value_a) == figure.more_is_better() => Outcome::Better,
        _ => Outcome::Worse,
    }
}

fn unit<S: serde::Serializer>(unit: &Unit, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(match unit {
        Unit::Milliseconds => "ms",
        Unit::Share => "share",
        Unit::PerSecond => "per_second",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(figure: &str, a: Measured, b: Measured) -> Row {
        Row::of(&figure.parse().unwrap(), a, b, Some("10%".parse().unwrap()))
    }

    fn once(value: f64) -> Measured {
        Measured::once(value)
    }

    fn repeated(value: f64, values: &[f64]) -> Measured {
        Measured { value: Some(value), spread: Spread::of(values) }
    }

    const NOTHING: Measured = Measured::nothing();

    #[test]
    fn worse_is_more_for_latencies_and_less_for_rates() {
        for (figure, a, b, outcome, is_regression) in [
            ("p99", 10.0, 10.0, Outcome::Same, false),
            ("p99", 10.0, 8.0, Outcome::Better, false),
            ("p99", 10.0, 10.9, Outcome::Worse, false),
            ("p99", 10.0, 11.1, Outcome::Worse, true),
            ("rate", 300.0, 310.0, Outcome::Better, false),
            ("rate", 300.0, 271.0, Outcome::Worse, false),
            ("rate", 300.0, 269.0, Outcome::Worse, true),
            ("rate", 0.0, 300.0, Outcome::Better, false),
        ] {
            let row = row(figure, once(a), once(b));
            assert_eq!((row.outcome, row.is_regression()), (outcome, is_regression), "{row:?}");
        }
        assert_eq!(row("p99", once(10.0), once(11.0)).change, Some(Change::Percent(10.0)));
        assert_eq!(row("p99", once(0.0), once(11.0)).change, None);
    }

    #[test]
    fn shares_become_worse_by_points_too() {
        for (a, b, is_regression) in [
            (0.0, 0.000_9, false),
            (0.0, 0.002, true),
            (0.10, 0.105, false),
            (0.10, 0.12, true),
            (0.001, 0.001_5, false),
            (0.5, 0.1, false),
        ] {
            let row = row("errors", once(a), once(b));
            assert_eq!(row.is_regression(), is_regression, "{row:?}");
        }
        let Some(Change::Points(points)) = row("errors", once(0.01), once(0.03)).change else {
            panic!("shares change by points");
        };
        assert!((points - 2.0).abs() < 1e-9, "{points}");
    }

    #[test]
    fn what_may_be_chance_is_no_regression() {
        let steady = repeated(10.0, &[9.9, 10.0, 10.1]);
        let (unsteady, slow) = (repeated(13.0, &[9.0, 13.0, 17.0]), repeated(13.0, &[12.8, 13.0, 13.2]));
        let chance = row("p99", steady, unsteady);
        assert_eq!(chance.outcome, Outcome::WithinSpread);
        assert!(chance.is_excused() && !chance.is_regression());
        let worse = row("p99", steady, slow);
        assert_eq!(worse.outcome, Outcome::Worse);
        assert!(worse.is_regression() && !worse.is_excused());
        // One measurement has no spread that could excuse it.
        assert!(row("p99", once(10.0), unsteady).is_regression());
        assert!(row("p99", repeated(10.0, &[10.0]), unsteady).is_regression());
        // Two say too little.
        assert!(row("p99", repeated(10.0, &[9.0, 11.0]), unsteady).is_regression());
    }

    #[test]
    fn what_is_no_longer_measured_has_not_been_held() {
        assert!(row("p99", once(10.0), NOTHING).is_regression());
        for (a, b) in [(NOTHING, once(10.0)), (NOTHING, NOTHING)] {
            let row = row("p99", a, b);
            assert_eq!((row.outcome, row.is_regression()), (Outcome::NotMeasured, false));
        }
        assert!(!Row::of(&"p99".parse().unwrap(), once(10.0), NOTHING, None).is_regression());
    }

    #[test]
    fn percentages_have_their_sign() {
        for (text, said) in [("10%", "10 %"), ("7 %", "7 %"), ("2.5%", "2.5 %"), ("0%", "0 %")] {
            assert_eq!(text.parse::<MaxRegression>().unwrap().to_string(), said);
        }
        for text in ["10", "0.1", "-5%", "ten%", "NaN%", "inf%", "%", ""] {
            let refused = text.parse::<MaxRegression>().unwrap_err();
            assert!(refused.contains("expected a percentage such as 10%"), "{refused}");
        }
    }
}
