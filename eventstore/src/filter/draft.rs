//! A filter as it is written.

use crate::error::Error;
use crate::event::RecordedEvent;
use crate::filter::{CheckedFilter, FieldValue, FilterFingerprint};

/// Which events belong to a dynamic event stream. A draft: it is checked when it is used, before anything is
/// sent.
///
/// ```
/// use eventstore::Filter;
///
/// // Either of two types, and the book or the reader.
/// let lending = Filter::event_types(["BookCopyLentToReader", "BookCopyReturnedByReader"])
///     .and_any([("BookID", "b-1"), ("ReaderID", "r-9")]);
///
/// // Or any event of this customer, wherever the order has it.
/// let both = lending.or(Filter::where_all([("order.customer.id", 42)]));
/// # let _ = both;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    pub(super) items: Vec<Item>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) types: Option<Vec<String>>,
    pub(super) groups: Vec<Group>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Group {
    Any(Vec<(String, FieldValue)>),
    All(Vec<(String, FieldValue)>),
}

impl Filter {
    /// Every event.
    #[must_use]
    pub fn all() -> Self {
        Self { items: vec![Item { types: None, groups: Vec::new() }] }
    }

    /// Events of any of these types; an empty list is refused when the filter is used.
    #[must_use]
    pub fn event_types<T: Into<String>>(types: impl IntoIterator<Item = T>) -> Self {
        let types = types.into_iter().map(Into::into).collect();
        Self { items: vec![Item { types: Some(types), groups: Vec::new() }] }
    }

    /// Events of whatever type for which any of these predicates holds.
    #[must_use]
    pub fn where_any<P, V>(predicates: impl IntoIterator<Item = (P, V)>) -> Self
    where
        P: Into<String>,
        V: Into<FieldValue>,
    {
        Self::all().and_any(predicates)
    }

    /// Events of whatever type for which all of these predicates hold.
    #[must_use]
    pub fn where_all<P, V>(predicates: impl IntoIterator<Item = (P, V)>) -> Self
    where
        P: Into<String>,
        V: Into<FieldValue>,
    {
        Self::all().and_all(predicates)
    }

    /// Of these events, those for which any of the predicates holds. An empty list is refused when the filter is
    /// used.
    #[must_use]
    pub fn and_any<P, V>(self, predicates: impl IntoIterator<Item = (P, V)>) -> Self
    where
        P: Into<String>,
        V: Into<FieldValue>,
    {
        self.and(Group::Any(pairs(predicates)))
    }

    /// Of these events, those for which all of the predicates hold. An empty list is refused when the filter is
    /// used.
    #[must_use]
    pub fn and_all<P, V>(self, predicates: impl IntoIterator<Item = (P, V)>) -> Self
    where
        P: Into<String>,
        V: Into<FieldValue>,
    {
        self.and(Group::All(pairs(predicates)))
    }

    /// These events, and those of another filter.
    #[must_use]
    pub fn or(mut self, other: Self) -> Self {
        self.items.extend(other.items);
        self
    }

    /// Whether an event belongs: the same answer that the log gives.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) if the filter is not valid.
    pub fn matches(&self, event: &RecordedEvent) -> Result<bool, Error> {
        Ok(self.check()?.matched_item(event.event_type.as_str(), &event.payload).is_some())
    }

    /// What names this filter where something is stored for it, such as a snapshot: the same for equal filters, however
    /// they were built.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) if the filter is not valid.
    pub fn fingerprint(&self) -> Result<FilterFingerprint, Error> {
        Ok(FilterFingerprint::of(&self.check()?))
    }

    pub(crate) fn check(&self) -> Result<CheckedFilter, Error> {
        CheckedFilter::new(self)
    }

    fn and(mut self, group: Group) -> Self {
        for item in &mut self.items {
            item.groups.push(group.clone());
        }
        self
    }
}

/// Any of several filters; no filter at all is refused when the result is used, as it would match nothing.
impl FromIterator<Filter> for Filter {
    fn from_iter<I: IntoIterator<Item = Self>>(filters: I) -> Self {
        Self { items: filters.into_iter().flat_map(|filter| filter.items).collect() }
    }
}

fn pairs<P: Into<String>, V: Into<FieldValue>>(
    predicates: impl IntoIterator<Item = (P, V)>,
) -> Vec<(String, FieldValue)> {
    predicates.into_iter().map(|(path, value)| (path.into(), value.into())).collect()
}
