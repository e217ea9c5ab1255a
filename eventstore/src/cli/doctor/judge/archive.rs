//! WAL that goes into an archive, or does not.

use crate::doctor::finding::Finding;
use crate::doctor::judge::seconds;
use crate::doctor::look::Look;

/// Whether the last try to archive failed.
pub(super) fn judge(look: &Look) -> Option<Finding> {
    let archiver = look.archiver.as_ref().filter(|archiver| archiver.is_failing)?;
    let mode = look.settings.get("archive_mode").map_or("off", |mode| &mode.value);
    if mode == "off" || look.is_standby && mode != "always" {
        return None;
    }
    let last = archiver.archived_seconds.map_or_else(
        || "none was archived yet".to_owned(),
        |count| format!("the last one was archived {} ago", seconds(count)),
    );
    let what =
        format!("archiving of WAL fails, now of {} ({} failures; {last})", archiver.wal, archiver.failures);
    let why =
        "what is not archived can not be restored, and is kept until the disk is full and the server stops";
    let mend =
        "look into the server's log for what archive_command or archive_library says: rights, room, network";
    Some(Finding::error("archive", what, why).mended_by(mend))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::judge::tests::{look, with};
    use crate::doctor::look::{Archiver, Role};

    #[test]
    fn an_archive_that_takes_nothing_is_an_error() {
        let found = |mode, is_failing| {
            let wal = "000000010000000000000007".to_owned();
            let archiver = Some(Archiver { failures: 4, wal, archived_seconds: Some(7_200.0), is_failing });
            judge(&Look { archiver, ..with(look(Role::Primary), &[("archive_mode", mode)]) })
        };
        assert_eq!((found("on", false), found("off", true)), (None, None));
        assert!(found("on", true).unwrap().what.contains("archived 2.0 h ago"));
    }
}
