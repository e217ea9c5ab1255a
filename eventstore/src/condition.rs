//! What must hold for an append to be accepted.

use crate::error::Error;
use crate::filter::{CheckedFilter, Filter};
use crate::token::Token;

/// A condition of an append: no event that matches a filter has been written since a point in history.
///
/// ```
/// use eventstore::{AppendCondition, Filter};
///
/// let first = Filter::event_types(["UserNameClaimed"]).and_all([("UserName", "ada")]);
/// let condition = AppendCondition::fail_if_matches(&first);       // … in the whole log
/// # let _ = condition;
/// ```
#[derive(Debug, Clone)]
pub struct AppendCondition {
    filter: Filter,
    after: Token,
}

impl AppendCondition {
    /// Refuses the append if any event in the whole log matches the filter.
    #[must_use]
    pub fn fail_if_matches(filter: &Filter) -> Self {
        Self { filter: filter.clone(), after: Token::START }
    }

    /// Looks only at events after this point (exclusive): what the decision has seen.
    #[must_use]
    pub fn after(mut self, token: Token) -> Self {
        self.after = token;
        self
    }

    pub(crate) fn check(&self) -> Result<CheckedCondition, Error> {
        Ok(CheckedCondition { filter: self.filter.check()?, after: self.after })
    }
}

/// A condition whose filter is valid.
#[derive(Debug, Clone)]
pub(crate) struct CheckedCondition {
    pub(crate) filter: CheckedFilter,
    pub(crate) after: Token,
}
