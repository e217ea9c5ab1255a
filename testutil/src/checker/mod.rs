//! Proves of a recorded run that an event store kept its promises, or shows the operations that it broke them for.
//!
//! The checker works on plain data, a [`History`] of what clients asked and were told, and the final [`Log`]; it knows no
//! store. Its filters have a matcher of their own, so that a store's matcher can not be wrong unnoticed. Positions are
//! the order, so there is nothing to search: each rule is a look at the log.
//!
//! ```
//! use testutil::checker::{Append, Checker, Condition, Filter, History, Log, LogEvent, Outcome, Rule};
//! use serde_json::json;
//!
//! let seat = |number| Filter::of([("seat", json!(number))]);
//! let taken = |position| LogEvent::new(position, "SeatTaken", json!({"seat": 7}), json!({}));
//! let (first, second) = (taken(1), taken(2));
//! let take = |event: &LogEvent| Append {
//!     conditions: vec![Condition { filter: seat(7), after: 0 }],
//!     events: vec![event.digest()],
//!     outcome: Outcome::Accepted { first: event.position },
//! };
//! let mut history = History::default();
//! history.append(1, (100, 300), take(&first));
//! history.append(2, (200, 400), take(&second)); // the same seat again
//!
//! let report = Checker::default().check(&history, &Log::new(vec![first, second]));
//! assert_eq!(report.violations()[0].rule, Rule::ConditionBroken);
//! println!("{report}");
//! ```

mod actions;
mod append;
mod delivery;
mod evidence;
mod filter;
mod group;
mod history;
mod log;
mod loss;
mod order;
mod read;
mod recorder;
mod report;

pub use actions::{Append, Condition, Delivery, Digest, Grouped, Handed, KeyOrder, Outcome, Read};
pub use filter::{Filter, Item, Predicate};
pub use history::{Action, Answer, History, Operation};
pub use log::{Log, LogEvent};
pub use recorder::{Pending, Recorder};
pub use report::{Report, Rule, Violation};

/// What a run is checked for. By default everything.
#[derive(Debug, Clone, Default)]
pub struct Checker {
    preloaded: u64,
    gaps_allowed: bool,
}

impl Checker {
    /// The log had so many events before the run: the history need not tell where they came from.
    #[must_use]
    pub fn preloaded(mut self, events: u64) -> Self {
        self.preloaded = events;
        self
    }

    /// Positions are from a sequence, which may leave some out.
    #[must_use]
    pub fn gaps_allowed(mut self) -> Self {
        self.gaps_allowed = true;
        self
    }

    /// Checks a run.
    #[must_use]
    pub fn check<'a>(&self, history: &'a History, log: &Log) -> Report<'a> {
        let evidence = evidence::Evidence::new(history, log);
        let mut report = Report::new(history);
        append::check_log(self, &evidence, &mut report);
        append::check(&evidence, &mut report);
        order::check(&evidence, &mut report);
        read::check(&evidence, &mut report);
        delivery::check(&evidence, &mut report);
        group::check(&evidence, &mut report);
        loss::check(&evidence, &mut report);
        report
    }
}
