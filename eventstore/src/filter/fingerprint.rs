//! What names a filter where it has to be stored.

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::filter::checked::{CheckedItem, Predicate};
use crate::filter::{CheckedFilter, FieldValue};

/// The version of the canonical form. Another one would orphan what is stored under fingerprints.
const VERSION: u8 = 1;

/// Names a filter: equal filters, however they were built, have the same fingerprint, and different ones have
/// different ones. A version and the SHA-256 of the filter's canonical form, in which every text carries its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FilterFingerprint([u8; 33]);

impl FilterFingerprint {
    pub(super) fn of(filter: &CheckedFilter) -> Self {
        let mut items: Vec<Vec<u8>> = match filter.items().iter().find(|item| item.is_all()) {
            Some(all) => vec![encode_item(all)],
            None => filter.items().iter().map(encode_item).collect(),
        };
        items.sort_unstable();
        items.dedup();
        let mut form = Vec::new();
        encode_all(&items, &mut form, |item, form| encode_bytes(item, form));
        let mut fingerprint = [0; 33];
        fingerprint[0] = VERSION;
        fingerprint[1..].copy_from_slice(&Sha256::digest(&form));
        Self(fingerprint)
    }

    /// As it is stored.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for FilterFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

fn encode_item(item: &CheckedItem) -> Vec<u8> {
    let mut form = Vec::new();
    encode_all(&item.types, &mut form, |event_type, form| encode_bytes(event_type.as_str().as_bytes(), form));
    encode_all(&item.groups, &mut form, |group, form| encode_all(group, form, encode_predicate));
    form
}

fn encode_predicate(predicate: &Predicate, form: &mut Vec<u8>) {
    encode_bytes(predicate.path.canonical().as_bytes(), form);
    match &predicate.value {
        FieldValue::Text(text) => {
            form.push(b's');
            encode_bytes(text.as_bytes(), form);
        }
        FieldValue::Integer(number) => {
            form.push(b'n');
            form.extend(number.to_be_bytes());
        }
        FieldValue::Bool(truth) => form.extend([b'b', u8::from(*truth)]),
    }
}

fn encode_all<T>(elements: &[T], form: &mut Vec<u8>, encode: impl Fn(&T, &mut Vec<u8>)) {
    encode_length(elements.len(), form);
    elements.iter().for_each(|element| encode(element, form));
}

fn encode_bytes(bytes: &[u8], form: &mut Vec<u8>) {
    encode_length(bytes.len(), form);
    form.extend(bytes);
}

fn encode_length(length: usize, form: &mut Vec<u8>) {
    form.extend((length as u64).to_be_bytes());
}

#[cfg(test)]
mod tests {
    use crate::filter::Filter;

    fn fingerprint(filter: &Filter) -> String {
        filter.fingerprint().unwrap().to_string()
    }

    /// Conformance 8.
    #[test]
    fn fingerprints_are_the_same_for_equal_filters_however_built() {
        let written =
            Filter::event_types(["B", "A"]).and_any([("x", 1), ("y", 2)]).or(Filter::where_all([("z", "q")]));
        let otherwise = Filter::where_any([("z", "q")]).or(Filter::event_types(["A", "B", "A"]).and_any([
            ("y", 2),
            ("x", 1),
            ("y", 2),
        ]));
        assert_eq!(fingerprint(&written), fingerprint(&otherwise));
        assert_eq!(fingerprint(&Filter::all()), fingerprint(&written.or(Filter::all())));
        let ands = Filter::all().and_all([("a", 1), ("b", 2)]);
        assert_eq!(fingerprint(&ands), fingerprint(&Filter::where_all([("b", 2)]).and_any([("a", 1)])));
    }

    /// Conformance 8.
    #[test]
    fn fingerprints_differ_for_different_filters() {
        let filters = [
            Filter::all(),
            Filter::where_all([("a", "1,b=2")]),
            Filter::where_all([("a", "1"), ("b", "2")]),
            Filter::where_any([("a", "1"), ("b", "2")]),
            Filter::where_all([("a", "1")]).or(Filter::where_all([("b", "2")])),
            Filter::where_all([("a", 1)]),
            Filter::where_all([("a", "1")]),
            Filter::where_all([("a", true)]),
            Filter::where_all([("a.b", 1)]),
            Filter::where_all([("a\\.b", 1)]),
            Filter::event_types(["a"]),
            Filter::event_types(["a", "b"]),
            Filter::event_types(["a,b"]),
            Filter::event_types(["a"]).and_all([("b", 1)]),
            Filter::event_types(["a"]).or(Filter::where_all([("b", 1)])),
        ];
        let different: std::collections::HashSet<_> = filters.iter().map(fingerprint).collect();
        assert_eq!(different.len(), filters.len());
    }

    /// Snapshots are stored under these: whoever changes them orphans all snapshots, and needs a new version.
    #[test]
    fn fingerprints_stay_as_they_are() {
        let filter = Filter::event_types(["BookLent", "BookReturned"])
            .and_any([("BookID", "b-1"), ("ReaderID", "r-9")])
            .or(Filter::where_all([("order.customer.id", 42)]));
        assert_eq!(
            fingerprint(&filter),
            "0112fa55c15b1e95f6da4ea414bf956c17dd40d49b7eea5163f3f47b0423035909"
        );
        assert_eq!(
            fingerprint(&Filter::all()),
            "019c8be22245ddb785bab350fbed245fe2c6e61ced21e02a4dac5d586129c1a23f"
        );
    }
}
