//! Two results beside each other: what became better, what became worse, and what may be chance.

mod conditions;
mod read;
mod row;
mod text;

use std::path::PathBuf;

use serde::Serialize;

use crate::error::RunError;
use crate::figure::{Figure, Of};
use crate::output::{OutputPlan, Outputs};
use crate::report::Report;
use crate::verdict::Verdict;

use conditions::Difference;
use row::{Measured, Row};

pub(crate) use row::MaxRegression;

const FORMAT: &str = "load-generator comparison 1";

/// What is to be compared with what.
#[derive(Debug, Clone)]
pub(crate) struct ComparePlan {
    pub(crate) a: PathBuf,
    pub(crate) b: PathBuf,
    pub(crate) figures: Vec<Figure>,
    /// By how much a figure may have become worse; nothing if any change will do.
    pub(crate) max_regression: Option<MaxRegression>,
    pub(crate) json: Option<PathBuf>,
}

/// B against A.
#[derive(Debug, Serialize)]
struct Comparison {
    format: &'static str,
    a: Side,
    b: Side,
    /// What was not the same, so that it may be why figures differ.
    not_the_same: Vec<Difference>,
    figures: Vec<Row>,
    max_regression: Option<MaxRegression>,
    /// Figures that became worse by more than that.
    regressions: Vec<String>,
    /// Those that would have, if their repeats did not differ as much.
    within_spread: Vec<String>,
}

/// One of the two.
#[derive(Debug, Serialize)]
struct Side {
    path: String,
    started_at: String,
    scenario: String,
    engine: String,
    shape: String,
    /// How often it was measured.
    repeats: usize,
    warnings: Vec<String>,
}

/// # Errors
///
/// A result that can not be read, and a figure that neither has.
pub(crate) fn run(plan: &ComparePlan) -> Result<Verdict, RunError> {
    let (a, b) = (read::report(&plan.a)?, read::report(&plan.b)?);
    let outputs = Outputs::open(&OutputPlan { json: plan.json.clone(), ..OutputPlan::default() })?;
    outputs.refuse_inputs(&[plan.a.clone(), plan.b.clone()])?;
    let comparison = Comparison::of(plan, &a, &b)?;
    let verdict = comparison.verdict();
    outputs.into_output().publish(&comparison)?;
    Ok(verdict)
}

impl Comparison {
    fn of(plan: &ComparePlan, a: &Report, b: &Report) -> Result<Self, RunError> {
        plan.figures.iter().try_for_each(|figure| can_be_in(figure, a, b))?;
        let row =
            |figure| Row::of(figure, Measured::of(figure, a), Measured::of(figure, b), plan.max_regression);
        let figures: Vec<Row> = plan.figures.iter().map(row).collect();
        let names = |wanted: fn(&Row) -> bool| -> Vec<String> {
            figures.iter().filter(|row| wanted(row)).map(|row| row.figure.clone()).collect()
        };
        Ok(Self {
            format: FORMAT,
            a: Side::of(plan.a.display().to_string(), a),
            b: Side::of(plan.b.display().to_string(), b),
            not_the_same: conditions::differences(a, b),
            max_regression: plan.max_regression,
            regressions: names(Row::is_regression),
            within_spread: names(Row::is_excused),
            figures,
        })
    }

    fn verdict(&self) -> Verdict {
        if self.regressions.is_empty() { Verdict::Kept } else { Verdict::TooSlow }
    }
}

impl Side {
    fn of(path: String, report: &Report) -> Self {
        Self {
            path,
            started_at: report.started_at.clone(),
            scenario: report.scenario.clone(),
            engine: report.engine.clone(),
            shape: report.load.shape.clone(),
            repeats: report.repeats.len().max(1),
            warnings: report.warnings.clone(),
        }
    }
}

/// A misspelt operation must not pass for one that did not become worse.
fn can_be_in(figure: &Figure, a: &Report, b: &Report) -> Result<(), RunError> {
    let Figure::Latency { of: Of::Operation(name), .. } = figure else { return Ok(()) };
    if a.operations.contains_key(name) || b.operations.contains_key(name) {
        return Ok(());
    }
    let there: Vec<&str> = a.operations.keys().map(String::as_str).collect();
    let why = format!("neither result has the operation {name}, expected one of {}", there.join(", "));
    Err(RunError::new(format!("{figure}: {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::sample;

    fn compared(a: &Report, b: &Report, max_regression: Option<&str>) -> Result<Comparison, RunError> {
        let plan = ComparePlan {
            a: PathBuf::from("a.json"),
            b: PathBuf::from("b.json"),
            figures: Figure::main_ones(),
            max_regression: max_regression.map(|percent| percent.parse().unwrap()),
            json: None,
        };
        Comparison::of(&plan, a, b)
    }

    #[test]
    fn a_result_is_no_worse_than_itself() {
        let report = sample();
        let comparison = compared(&report, &report, Some("0%")).unwrap();
        assert!(comparison.not_the_same.is_empty(), "{:?}", comparison.not_the_same);
        assert_eq!(comparison.verdict(), Verdict::Kept);
    }

    #[test]
    fn what_became_worse_is_named() {
        let (mut a, mut b) = (sample(), sample());
        a.repeats.clear();
        b.repeats.clear();
        a.achieved_rate = 100.0;
        b.achieved_rate = 80.0;
        b.load.seed += 1;
        let comparison = compared(&a, &b, Some("10%")).unwrap();
        assert_eq!(comparison.regressions, ["rate"]);
        assert_eq!(comparison.verdict(), Verdict::TooSlow);
        assert_eq!(comparison.not_the_same.len(), 1);
        let said = comparison.to_string();
        assert!(said.contains("worse by more than 10 %: rate") && said.contains("load.seed"), "{said}");
        assert_eq!(compared(&a, &b, Some("25%")).unwrap().verdict(), Verdict::Kept);
        assert_eq!(compared(&a, &b, None).unwrap().verdict(), Verdict::Kept);
    }

    #[test]
    fn time_outs_are_errors_in_repeats_too() {
        let mut a = sample();
        a.repeats.push(a.repeats[0].clone());
        let mut b = a.clone();
        let counts = b.repeats.iter_mut().map(|repeat| &mut repeat.requests).chain([&mut b.requests]);
        for requests in counts {
            requests.timeouts = requests.scheduled / 20;
        }
        let comparison = compared(&a, &b, Some("10%")).unwrap();
        assert!(comparison.within_spread.is_empty(), "{:?}", comparison.within_spread);
        assert_eq!(comparison.regressions, ["errors", "timeouts"]);
    }

    #[test]
    fn a_run_that_was_audited_or_a_soak_is_another_one() {
        let (a, mut b) = (sample(), sample());
        b.steadiness = None;
        b.audit = serde_json::from_str(r#"{"operations": 7, "violations": 0, "seconds": 0.1}"#).unwrap();
        let not_the_same = compared(&a, &b, None).unwrap().not_the_same;
        let said: Vec<String> =
            not_the_same.into_iter().map(|one| format!("{}: {} | {}", one.what, one.a, one.b)).collect();
        assert_eq!(said, ["audit: false | true", "soak: true | false"]);
    }

    #[test]
    fn an_operation_that_neither_has_is_refused() {
        let mut report = sample();
        report.operations.remove("cancel_contract");
        let figure = "cancel_contract.p99".parse().unwrap();
        let refused = can_be_in(&figure, &report, &report).unwrap_err().to_string();
        assert!(refused.contains("neither result has the operation cancel_contract"), "{refused}");
        for figure in Figure::main_ones() {
            can_be_in(&figure, &report, &report).unwrap();
        }
    }
}
