//! What appends wait for beside the server itself: synchronous standbys.

use crate::doctor::finding::Finding;
use crate::doctor::look::Look;

/// Whether as many standbys stream as a commit waits for.
pub(super) fn judge(look: &Look) -> Option<Finding> {
    const NAME: &str = "synchronous_standby_names";
    // Without pg_monitor their state is hidden.
    let standbys = look.standbys.as_ref().filter(|_| !look.is_standby && look.monitors)?;
    let names = look.settings.get(NAME).map(|live| live.value.trim()).filter(|names| !names.is_empty())?;
    let (needed, waits) = (needed(names), !look.settings.is("synchronous_commit", "local"));
    let there = standbys.iter().filter(|standby| standby.is_streaming && standby.is_waited_for).count();
    if there >= needed || !waits || look.settings.is("synchronous_commit", "off") {
        return None;
    }
    let what = format!("{NAME} is {names:?}, and {there} of {needed} such standbys stream");
    let why = "appends wait for a standby that does not answer: none of them ends before it is back";
    let mend = format!(
        "start the standbys that it names (application_name in primary_conninfo); if they will not come back: {}",
        look.settings.set(NAME, "")
    );
    Some(Finding::error("synchronous", what, why).mended_by(mend))
}

/// How many a commit waits for: `ANY 2 (a, b, c)`, `FIRST 2 (a, b)`, `2 (a, b)`; one for a plain list.
fn needed(names: &str) -> usize {
    let Some((head, _)) = names.split_once('(') else { return 1 };
    head.split_whitespace().last().and_then(|count| count.parse().ok()).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::judge::tests::{look, with};
    use crate::doctor::look::{Role, Standby};

    fn found(names: &str, streaming: &[bool]) -> Option<Finding> {
        let standby = |is_waited_for: &bool| Standby {
            name: "db".into(),
            is_streaming: true,
            is_waited_for: *is_waited_for,
        };
        let standbys = Some(streaming.iter().map(standby).collect());
        let settings = [("synchronous_standby_names", names), ("synchronous_commit", "on")];
        judge(&Look { standbys, ..with(look(Role::Primary), &settings) })
    }

    #[test]
    fn appends_that_wait_for_nobody_are_an_error() {
        assert_eq!(found("", &[]), None);
        assert_eq!(found("db2", &[true]), None);
        assert_eq!(found("ANY 1 (db2, db3)", &[true, true]), None);
        assert!(found("db2", &[false]).is_some(), "one that nobody waits for");
        for names in ["ANY 2 (a, b, c)", "first 2 (a, b)", "2(a,b)"] {
            let found = found(names, &[true]).unwrap();
            assert!(found.what.contains("1 of 2"), "{found:?}");
        }
    }
}
