//! What the checker found.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::history::{History, Operation};

/// Examples that are printed of all that was found.
const SHOWN: usize = 5;
/// Violations of a rule that are kept; beyond them they are counted.
const KEPT: usize = 1_000;

/// A promise of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// Positions are 1, 2, 3 …
    Positions,
    /// An event stands in the log once.
    Doubled,
    /// Every event was appended by someone.
    FromNowhere,
    /// What was acknowledged is there.
    Lost,
    /// … where it was acknowledged, and equal.
    Misplaced,
    /// What has no answer is there whole or not at all.
    Torn,
    /// What was refused or failed is not there.
    RefusedButWritten,
    /// Nothing that matches a condition stands between its position and the append.
    ConditionBroken,
    /// What a conflict was reported for is there.
    ConflictWithoutCause,
    /// What was acknowledged before another append began has the lower position.
    Order,
    /// A read is the filter of a prefix.
    Read,
    /// A read is as new as it must be.
    Stale,
    /// A subscription hands over all, in order.
    Delivery,
    /// A group hands an event to one worker at a time, and not when it is done.
    HandedTwice,
    /// A group keeps the order of each key.
    KeyOrder,
    /// What is reported as lost was lost in a failover.
    LossWithoutCause,
    /// A failover that lost what was acknowledged is reported.
    LossNotTold,
    /// What rests on an event that was lost is refused.
    RestsOnNothing,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Positions => "positions are not 1, 2, 3 …",
            Self::Doubled => "an event stands in the log twice",
            Self::FromNowhere => "an event that nobody appended",
            Self::Lost => "an acknowledged event is lost",
            Self::Misplaced => "an acknowledged event is not where it was acknowledged, or not equal",
            Self::Torn => "an append is written in part",
            Self::RefusedButWritten => "an append that wrote nothing is written",
            Self::ConditionBroken => "a condition is broken",
            Self::ConflictWithoutCause => "a conflict without a cause",
            Self::Order => "the order of positions is not the order of time",
            Self::Read => "a read is not the filter of a prefix",
            Self::Stale => "a read is older than it may be",
            Self::Delivery => "a subscription skipped, repeated or reordered",
            Self::HandedTwice => "a group handed an event over twice",
            Self::KeyOrder => "a group broke the order of a key",
            Self::LossWithoutCause => "a loss was reported that was none",
            Self::LossNotTold => "a loss was not reported",
            Self::RestsOnNothing => "what rests on a lost event was not refused",
        })
    }
}

/// A broken promise.
#[derive(Debug, Clone)]
pub struct Violation {
    /// Which.
    pub rule: Rule,
    /// What exactly.
    pub what: String,
    /// The operations that show it, by their numbers in the history.
    pub operations: Vec<usize>,
    shown: Vec<Operation>,
}

/// All that was found; prints itself with the operations on a time line.
#[derive(Debug)]
pub struct Report<'a> {
    history: &'a History,
    operations: usize,
    violations: Vec<Violation>,
    counts: BTreeMap<Rule, usize>,
}

impl<'a> Report<'a> {
    pub(super) fn new(history: &'a History) -> Self {
        Self {
            history,
            operations: history.operations.len(),
            violations: Vec::new(),
            counts: BTreeMap::new(),
        }
    }

    pub(super) fn add(&mut self, rule: Rule, what: String, operations: impl IntoIterator<Item = usize>) {
        let count = self.counts.entry(rule).or_default();
        *count += 1;
        if *count > KEPT {
            return;
        }
        let operations: BTreeSet<usize> = operations.into_iter().collect();
        let mut shown: Vec<Operation> =
            operations.iter().filter_map(|number| self.history.operations.get(*number)).cloned().collect();
        shown.sort_by_key(|operation| operation.invoked);
        self.violations.push(Violation { rule, what, operations: operations.into_iter().collect(), shown });
    }

    /// Whether every promise was kept.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.violations.is_empty()
    }

    /// How many broken promises there are; [`violations`](Self::violations) has the first thousand of each rule.
    #[must_use]
    pub fn count(&self) -> usize {
        self.counts.values().sum()
    }

    /// How many there are of each rule that was broken.
    pub fn counts(&self) -> impl Iterator<Item = (Rule, usize)> {
        self.counts.iter().map(|(rule, count)| (*rule, *count))
    }

    /// How many operations were checked.
    #[must_use]
    pub fn operations(&self) -> usize {
        self.operations
    }

    /// What was found.
    #[must_use]
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_clean() {
            return write!(f, "{} operations checked, every promise kept", self.operations);
        }
        writeln!(f, "{} operations checked, {} violations", self.operations, self.count())?;
        for (rule, count) in &self.counts {
            let of_rule = self.violations.iter().filter(|violation| violation.rule == *rule);
            writeln!(f, "\n{rule}: {count}")?;
            for violation in of_rule.take(SHOWN) {
                writeln!(f, "  {violation}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        let Some(start) = self.shown.first().map(|operation| operation.invoked) else { return Ok(()) };
        let since = |instant: u64| (instant.saturating_sub(start)) as f64 / 1e6;
        for operation in &self.shown {
            let end = operation.completed.map_or_else(|| "…".to_owned(), |end| format!("{:.3}", since(end)));
            let (client, action) = (operation.client, &operation.action);
            write!(f, "\n    {:>10.3} – {end:>10} ms  client {client}: {action}", since(operation.invoked))?;
        }
        Ok(())
    }
}
