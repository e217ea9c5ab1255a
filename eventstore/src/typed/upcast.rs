//! How events of older types are read.

use std::borrow::Cow;
use std::fmt;

use serde_json::Value;

/// A function from the payload of one event type to that of the version after it. Versions are types of their own
/// (`BookLent`, `BookLentV2`): stored events never change, and a filter names what is stored. Several upcasts make a
/// chain, from whichever version an event has to the newest.
#[derive(Clone, Copy)]
pub struct Upcast {
    pub(super) from: &'static str,
    to: &'static str,
    convert: fn(Value) -> Value,
}

impl Upcast {
    /// From one type to the next. The function is given the stored payload; what it makes of it is checked as any other
    /// payload is.
    #[must_use]
    pub const fn new(from: &'static str, to: &'static str, convert: fn(Value) -> Value) -> Self {
        Self { from, to, convert }
    }
}

impl fmt::Debug for Upcast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Upcast({} -> {})", self.from, self.to)
    }
}

/// The newest version of an event. Each upcast is used once at most: a circle ends.
pub(super) fn apply<'a>(
    upcasts: &'static [Upcast],
    event_type: &'a str,
    payload: &'a Value,
) -> (&'a str, Cow<'a, Value>) {
    let (mut event_type, mut payload) = (event_type, Cow::Borrowed(payload));
    for _ in upcasts {
        let Some(upcast) = upcasts.iter().find(|upcast| upcast.from == event_type) else { break };
        event_type = upcast.to;
        payload = Cow::Owned((upcast.convert)(payload.into_owned()));
    }
    (event_type, payload)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const CHAIN: &[Upcast] = &[
        Upcast::new("V2", "V3", |payload| json!({"v3": payload})),
        Upcast::new("V1", "V2", |payload| json!({"v2": payload})),
    ];

    #[test]
    fn a_chain_is_followed_from_whichever_version() {
        let payload = json!(1);
        let apply = |event_type| apply(CHAIN, event_type, &payload);
        assert_eq!(apply("V1"), ("V3", Cow::Owned(json!({"v3": {"v2": 1}}))));
        assert_eq!(apply("V2"), ("V3", Cow::Owned(json!({"v3": 1}))));
        assert_eq!(apply("V3"), ("V3", Cow::Owned(json!(1))));
        assert_eq!(apply("Other").0, "Other");
    }

    #[test]
    fn a_circle_ends() {
        const CIRCLE: &[Upcast] = &[Upcast::new("A", "B", |p| p), Upcast::new("B", "A", |p| p)];
        assert_eq!(apply(CIRCLE, "A", &json!(1)).0, "A");
    }
}
