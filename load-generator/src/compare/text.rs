//! A comparison, for people.

use std::fmt;

use crate::compare::row::{Change, Outcome, Row, Spread};
use crate::compare::{Comparison, Side};
use crate::figure::Unit;

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        side(f, "A", &self.a)?;
        side(f, "B", &self.b)?;
        if !self.not_the_same.is_empty() {
            writeln!(f, "\nNot the same:")?;
            let lines =
                self.not_the_same.iter().map(|one| vec![one.what.clone(), one.a.clone(), one.b.clone()]);
            table(f, &lines.collect::<Vec<_>>())?;
        }
        writeln!(f)?;
        let has_spread = self.figures.iter().any(|row| row.spread_a.is_some() || row.spread_b.is_some());
        let mut head = vec!["figure", "A", "B", "change"];
        if has_spread {
            head.extend(["repeats of A", "repeats of B"]);
        }
        let mut lines: Vec<Vec<String>> = vec![head.into_iter().map(str::to_owned).collect()];
        lines.extend(self.figures.iter().map(|row| cells(row, has_spread)));
        table(f, &lines)?;
        self.limit(f)
    }
}

impl Comparison {
    /// How what was allowed was held.
    fn limit(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(max_regression) = self.max_regression else { return Ok(()) };
        match self.regressions.as_slice() {
            [] => writeln!(f, "\nNo figure became worse by more than {max_regression}.")?,
            names => writeln!(f, "\nworse by more than {max_regression}: {}", names.join(", "))?,
        }
        if !self.within_spread.is_empty() {
            let names = self.within_spread.join(", ");
            writeln!(f, "not counted, as the repeats of A and B overlap (it may be chance): {names}")?;
        }
        Ok(())
    }
}

fn side(f: &mut fmt::Formatter<'_>, name: &str, side: &Side) -> fmt::Result {
    let Side { path, started_at, scenario, engine, shape, repeats, warnings } = side;
    let repeats = if *repeats > 1 { format!(", {repeats} repeats") } else { String::new() };
    writeln!(f, "{name}: {path}, {started_at}: {scenario} through {engine}, {shape}{repeats}")?;
    for warning in warnings {
        writeln!(f, "   warning: {warning}")?;
    }
    Ok(())
}

fn cells(row: &Row, has_spread: bool) -> Vec<String> {
    let value = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| row.unit.say(value));
    let spread =
        |spread: Option<Spread>| spread.map_or_else(|| "-".to_owned(), |spread| said(row.unit, spread));
    let mut cells = vec![row.figure.clone(), value(row.a), value(row.b), changed(row.change)];
    if has_spread {
        cells.extend([spread(row.spread_a), spread(row.spread_b)]);
    }
    let outcome = match row.outcome {
        Outcome::Same => "the same",
        Outcome::Better => "better",
        Outcome::Worse if row.past_limit => "WORSE",
        Outcome::Worse => "worse",
        Outcome::WithinSpread => "within the spread",
        Outcome::NotMeasured if row.past_limit => "NOT MEASURED",
        Outcome::NotMeasured => "not measured",
    };
    cells.push(outcome.to_owned());
    cells
}

fn changed(change: Option<Change>) -> String {
    match change {
        None => "-".to_owned(),
        Some(Change::Percent(percent)) => format!("{percent:+.1} %"),
        Some(Change::Points(points)) => format!("{points:+.3} points"),
    }
}

/// Its unit once.
fn said(unit: Unit, spread: Spread) -> String {
    let least = unit.say(spread.min);
    let least = least.split_once(' ').map_or(least.as_str(), |(number, _)| number);
    format!("{least}..{}", unit.say(spread.max))
}

/// The first column and the last that a line has on the left, the others on the right.
fn table(f: &mut fmt::Formatter<'_>, lines: &[Vec<String>]) -> fmt::Result {
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for line in lines {
        let mut text = String::new();
        for (column, (cell, width)) in line.iter().zip(widths.iter().copied()).enumerate() {
            let is_left = column == 0 || column + 1 == columns;
            text += &if is_left { format!("  {cell:<width$}") } else { format!("  {cell:>width$}") };
        }
        writeln!(f, "{}", text.trim_end())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::row::{MaxRegression, Measured};

    #[test]
    fn spreads_have_their_unit_once() {
        let spread = Spread { min: 4.0, max: 4.5 };
        assert_eq!(said(Unit::Milliseconds, spread), "4.00..4.50 ms");
        assert_eq!(said(Unit::PerSecond, spread), "4.0..4.5 /s");
    }

    #[test]
    fn every_row_says_what_it_is() {
        let (once, nothing) = (Measured::once(10.0), Measured::nothing());
        let limit: MaxRegression = "10%".parse().unwrap();
        let row = |a, b| Row::of(&"p99".parse().unwrap(), a, b, Some(limit));
        let cells = |row: Row| super::cells(&row, false).join(" | ");
        assert_eq!(cells(row(once, Measured::once(12.0))), "p99 | 10.00 ms | 12.00 ms | +20.0 % | WORSE");
        assert_eq!(cells(row(once, once)), "p99 | 10.00 ms | 10.00 ms | +0.0 % | the same");
        assert_eq!(cells(row(once, nothing)), "p99 | 10.00 ms | - | - | NOT MEASURED");
    }
}
