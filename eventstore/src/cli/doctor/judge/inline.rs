//! Inline projections that appends do not call.

use crate::doctor::finding::Finding;
use crate::doctor::look::{Log, Look, Uncalled};

/// The trigger that calls them, as the migrations name it.
const TRIGGER: &str = "call_inline";

/// A standby has its primary's; they are told once.
pub(super) fn judge(look: &Look) -> Vec<Finding> {
    let Some(log) = look.log.as_ref().filter(|log| !look.is_standby && !log.uncalled.is_empty()) else {
        return Vec::new();
    };
    if !log.has_inline_trigger {
        return log.uncalled.iter().map(|uncalled| without_trigger(log, uncalled)).collect();
    }
    if log.silent_triggers.iter().any(|trigger| trigger.name == TRIGGER) {
        // That it does not fire is told of the trigger.
        return Vec::new();
    }
    log.uncalled.iter().map(|uncalled| without_function(log, uncalled)).collect()
}

fn without_trigger(log: &Log, Uncalled { name, function }: &Uncalled) -> Finding {
    let what = format!("trigger {TRIGGER} of events is missing: inline projection {name} is not called");
    let why = "what it keeps lacks every event since, without an error; what it lacks is for you to bring in";
    // As it is named where it is registered, without its arguments.
    let function = function.split('(').next().unwrap_or_default();
    let mend = format!("eventstore --schema {} projections inline register {name} {function}", log.schema);
    Finding::error("triggers", what, why).mended_by(mend)
}

fn without_function(log: &Log, Uncalled { name, function }: &Uncalled) -> Finding {
    let what = format!("inline projection {name} calls {function}, and there is none that may be called");
    let why = "every append is refused: it is gone, its owner has not the rights of the log's owner, or its \
        search_path has not pg_temp at its end";
    let mend = format!(
        "make it again; or, without it: eventstore --schema {} projections inline unregister {name}",
        log.schema
    );
    Finding::error("log", what, why).mended_by(mend)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::judge::tests::look;
    use crate::doctor::look::{Role, SilentTrigger};

    #[test]
    fn an_inline_projection_that_is_not_called_is_told_by_what_is_missing() {
        let uncalled = vec![Uncalled { name: "loans".into(), function: "views.count(bigint,bigint)".into() }];
        let log = Log { schema: "library".into(), uncalled, ..Log::default() };
        let judged = |log: &Log, role| judge(&Look { log: Some(log.clone()), ..look(role) });
        let found = judged(&log, Role::Primary);
        assert_eq!((found.len(), found[0].check), (1, "triggers"), "{found:?}");
        let mend = "eventstore --schema library projections inline register loans views.count";
        assert_eq!(found[0].mend.as_deref(), Some(mend));
        let with_trigger = Log { has_inline_trigger: true, ..log.clone() };
        let found = judged(&with_trigger, Role::Primary);
        assert_eq!((found.len(), found[0].check), (1, "log"), "{found:?}");
        assert!(found[0].why.contains("every append is refused"), "{found:?}");
        let disabled =
            SilentTrigger { name: TRIGGER.into(), table: "events".into(), ..SilentTrigger::default() };
        let disabled = Log { silent_triggers: vec![disabled], ..with_trigger };
        assert!(judged(&disabled, Role::Primary).is_empty(), "told of the trigger");
        assert!(judged(&log, Role::Replica).is_empty(), "told once");
    }
}
