//! Planner methods that are switched off for everybody, and settings that wait for a restart.

use crate::doctor::finding::Finding;
use crate::doctor::look::{Look, Override};
use crate::tune::quoted;

const WHY: &str = "every statement of every client is planned without it, those for which it is the only \
    good one too; the log's own statements \
                   hold their plans by their form and need none of it";

pub(super) fn judge(look: &Look) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, setting) in &look.settings.0 {
        if name.starts_with("enable_")
            && setting.value == "off"
            && setting.is_set()
            && !is_off_by_default(name)
        {
            let what = format!("{name} is off for the whole server{}", setting.place());
            findings.push(Finding::warning("planner", what, WHY).mended_by(look.settings.set(name, "on")));
        }
        if setting.is_pending {
            let what = format!(
                "{name} was changed and waits for a restart{}; now it is {}",
                setting.place(),
                setting.shown
            );
            let why =
                "the file says one thing, the server does another, until some restart changes it by surprise";
            findings.push(Finding::warning("pending", what, why).mended_by("restart the server"));
        }
    }
    for found in &look.overrides {
        if found.name.starts_with("enable_") && found.is_off() && !is_off_by_default(&found.name) {
            let what = format!("{} is off for {}", found.name, found.of_whom());
            findings.push(Finding::warning("planner", what, WHY).mended_by(found.reset()));
        }
    }
    findings
}

fn is_off_by_default(name: &str) -> bool {
    matches!(name, "enable_partitionwise_join" | "enable_partitionwise_aggregate")
}

impl Override {
    /// Such as `role app in database library`.
    pub(super) fn of_whom(&self) -> String {
        match (&self.role, &self.database) {
            (Some(role), Some(database)) => format!("role {role} in database {database}"),
            (Some(role), None) => format!("role {role}"),
            (None, Some(database)) => format!("database {database}"),
            (None, None) => "all roles".to_owned(),
        }
    }

    /// Whether it switches something off. The catalog keeps what was typed: `false`, `NO` and `0` too, and what begins them.
    pub(super) fn is_off(&self) -> bool {
        let value = self.value.to_ascii_lowercase();
        let begins = |word: &str| !value.is_empty() && word.starts_with(&value);
        matches!(value.as_str(), "0" | "of" | "off") || begins("false") || begins("no")
    }

    /// The statement that takes it back.
    pub(super) fn reset(&self) -> String {
        let name = &self.name;
        match (&self.role, &self.database) {
            (Some(role), Some(database)) => {
                format!("ALTER ROLE {} IN DATABASE {} RESET {name};", quoted(role), quoted(database))
            }
            (Some(role), None) => format!("ALTER ROLE {} RESET {name};", quoted(role)),
            (None, Some(database)) => format!("ALTER DATABASE {} RESET {name};", quoted(database)),
            (None, None) => format!("ALTER ROLE ALL RESET {name};"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::judge::tests::{look, with};
    use crate::doctor::look::Role;

    #[test]
    fn methods_are_found_that_are_off_for_the_server_a_role_or_a_database() {
        let mut off =
            with(look(Role::Replica), &[("enable_seqscan", "off"), ("enable_partitionwise_join", "off")]);
        off.settings.0.get_mut("enable_seqscan").unwrap().place = Some("in /x.conf, line 7".into());
        off.overrides.push(Override {
            role: None,
            database: Some("library".into()),
            name: "enable_indexscan".into(),
            value: "off".into(),
        });
        let found = judge(&off);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].what.contains("/x.conf, line 7"), "{found:?}");
        assert_eq!(found[1].mend.as_deref(), Some("ALTER DATABASE \"library\" RESET enable_indexscan;"));
    }

    #[test]
    fn off_is_known_however_it_was_typed() {
        let mut off = look(Role::Primary);
        for (value, found) in
            [("0", 1), ("FALSE", 1), ("f", 1), ("No", 1), ("OFF", 1), ("on", 0), ("", 0), ("1", 0)]
        {
            let (name, value) = ("enable_seqscan".to_owned(), value.to_owned());
            off.overrides = vec![Override { role: None, database: None, name, value }];
            assert_eq!(judge(&off).len(), found, "{:?}", off.overrides);
        }
    }

    #[test]
    fn what_waits_for_a_restart_is_told() {
        let mut pending = with(look(Role::Primary), &[("shared_buffers", "16384")]);
        pending.settings.0.get_mut("shared_buffers").unwrap().is_pending = true;
        assert_eq!(judge(&pending)[0].check, "pending");
    }
}
