//! States folded from events, which queries ask for.

use std::collections::{BTreeSet, HashMap};
use std::sync::Mutex;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use testutil::checker::Filter;
use uuid::Uuid;

use crate::engine::After;

/// What a state is folded from, and how.
#[derive(Debug, Clone)]
pub(crate) struct View {
    /// Snapshots belong to it and to the filter. A state of another shape needs another name.
    pub(crate) name: &'static str,
    pub(crate) filter: Filter,
    /// How many events a state has on top of its snapshot before the store saves another one.
    pub(crate) save_every: usize,
    /// What an event, of a type and with a payload, makes of the state.
    pub(crate) apply: fn(&mut ViewState, &str, &Value),
}

/// The state of any view: each has its part of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ViewState {
    /// Books that the library has. Signed, as an engine that breaks conditions may remove one twice.
    pub(crate) in_circulation: i64,
    /// How many of them are lent.
    pub(crate) lent: i64,
    /// The books that a reader has.
    pub(crate) loans: BTreeSet<Uuid>,
}

/// A state that was asked for.
#[derive(Debug, Clone)]
pub(crate) struct Viewed {
    pub(crate) state: ViewState,
    /// The position up to which it is complete. `None` from an engine that does not say, which is one that reads the primary.
    pub(crate) complete_to: Option<u64>,
}

/// States that are kept in memory for an engine that keeps none itself, by name and filter. One that rests on an older
/// position does not replace a newer one.
#[derive(Debug, Default)]
pub(crate) struct Snapshots(Mutex<HashMap<(&'static str, String), Snapshot>>);

#[derive(Debug, Clone)]
struct Snapshot {
    state: ViewState,
    after: After,
}

impl Snapshots {
    /// A state, and what was read for it.
    pub(super) fn load(&self, view: &View) -> Option<(ViewState, After)> {
        let snapshot = self.all().get(&key(view)?)?.clone();
        Some((snapshot.state, snapshot.after))
    }

    pub(super) fn save(&self, view: &View, state: &ViewState, after: After) {
        let Some(key) = key(view) else { return };
        let mut all = self.all();
        if all.get(&key).is_none_or(|known| known.after.position < after.position) {
            all.insert(key, Snapshot { state: state.clone(), after });
        }
    }

    /// The log was made anew.
    pub(super) fn clear(&self) {
        self.all().clear();
    }

    fn all(&self) -> std::sync::MutexGuard<'_, HashMap<(&'static str, String), Snapshot>> {
        self.0.lock().expect("nothing panics with the snapshots in hand")
    }
}

/// The filter as JSON: two of them never share a text. `None` for one that has none, which then has no snapshot.
fn key(view: &View) -> Option<(&'static str, String)> {
    Some((view.name, serde_json::to_string(&view.filter).ok()?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn view(reader: &str) -> View {
        let filter = Filter::types(["BookCopyLentToReader"]).and_all([("ReaderID", json!(reader))]);
        View { name: "loans", filter, save_every: 1, apply: |_, _, _| {} }
    }

    fn of(lent: i64) -> ViewState {
        ViewState { lent, ..ViewState::default() }
    }

    fn at(position: u64) -> After {
        After { position, ..After::default() }
    }

    #[test]
    fn an_older_snapshot_does_not_replace_a_newer_one() {
        let snapshots = Snapshots::default();
        snapshots.save(&view("a"), &of(7), at(70));
        snapshots.save(&view("a"), &of(5), at(50));
        let (state, after) = snapshots.load(&view("a")).unwrap();
        assert_eq!((state.lent, after.position), (7, 70));
    }

    #[test]
    fn each_filter_has_a_snapshot_of_its_own() {
        let snapshots = Snapshots::default();
        snapshots.save(&view("a"), &of(7), at(70));
        assert!(snapshots.load(&view("b")).is_none());
        snapshots.clear();
        assert!(snapshots.load(&view("a")).is_none());
    }
}
