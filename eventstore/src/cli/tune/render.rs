//! Settings as a file.

use std::fmt::Write as _;

use crate::tune::server::Server;
use crate::tune::setting::{Setting, Topic};

/// Where the reasons begin.
const COLUMN: usize = 48;

/// A fragment of `postgresql.conf`: one setting a line, each with its reason.
pub(crate) fn file(server: Server, settings: &[Setting], command: &str) -> String {
    let mut text = format!(
        "# {}\n#\n# Printed by: {command}\n# Each line says why it differs from PostgreSQL's default. \
         docs/tuning.md has the formulas, and what is left alone.\n",
        title(server)
    );
    let mut topic: Option<Topic> = None;
    for setting in settings {
        if topic != Some(setting.topic) {
            topic = Some(setting.topic);
            let _ = writeln!(text, "\n# {}", setting.topic.heading(server));
        }
        let assignment = format!("{} = {}", setting.name, setting.value);
        let _ = writeln!(text, "{assignment:COLUMN$}# {}", setting.reason);
    }
    text
}

fn title(server: Server) -> &'static str {
    match server {
        Server::Primary => "The primary (master) of an event log.",
        Server::Replica => {
            "A streaming replica of an event log. It needs as much memory as it has work: where it answers \
             most reads, at least the primary's."
        }
        Server::Test => "A server for tests, primary or replica.",
    }
}
