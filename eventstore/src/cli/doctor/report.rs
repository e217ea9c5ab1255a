//! Findings for people, and for programs.

use std::fmt::Write as _;

use serde_json::json;

use crate::doctor::finding::{Finding, Severity};

/// One server, and what was found.
#[derive(Debug)]
pub(crate) struct Examined {
    pub(crate) server: String,
    /// Whether it could be looked at.
    pub(crate) is_reached: bool,
    /// Such as `PostgreSQL 17.4, role monitor`.
    pub(crate) about: String,
    pub(crate) findings: Vec<Finding>,
}

/// The worst of those that could be looked at: of the others nothing is known.
pub(crate) fn worst(servers: &[Examined]) -> Option<Severity> {
    servers
        .iter()
        .filter(|server| server.is_reached)
        .flat_map(|server| &server.findings)
        .map(|finding| finding.severity)
        .max()
}

/// For people: by server, the worst first.
pub(crate) fn text(servers: &[Examined], has_colours: bool) -> String {
    let mut text = String::new();
    for server in servers {
        let _ = writeln!(text, "{}: {}", bold(&server.server, has_colours), server.about);
        if server.findings.is_empty() {
            text += "  content\n";
        }
        for finding in &server.findings {
            let severity = coloured(finding.severity, has_colours);
            let _ = writeln!(text, "  {severity}  {}", finding.what);
            let _ = writeln!(text, "           why: {}", finding.why);
            if let Some(mend) = &finding.mend {
                let _ = writeln!(text, "           mend: {mend}");
            }
        }
        text += "\n";
    }
    text + &summary(servers)
}

fn summary(servers: &[Examined]) -> String {
    let count = |severity| {
        servers
            .iter()
            .flat_map(|server| &server.findings)
            .filter(|finding| finding.severity == severity)
            .count()
    };
    let [errors, warnings, notes] = [Severity::Error, Severity::Warning, Severity::Note].map(count);
    match (errors, warnings, notes) {
        (0, 0, 0) => "content: nothing found".to_owned(),
        (0, 0, _) => format!("content: {notes} notes"),
        _ => format!("{errors} errors, {warnings} warnings, {notes} notes"),
    }
}

/// One document.
pub(crate) fn json(servers: &[Examined]) -> String {
    let findings: Vec<_> = servers
        .iter()
        .flat_map(|server| server.findings.iter().map(|finding| finding.to_json(&server.server)))
        .collect();
    let about: Vec<_> = servers
        .iter()
        .map(|server| json!({"server": server.server, "about": server.about, "reached": server.is_reached}))
        .collect();
    let worst = worst(servers).map(Severity::name);
    format!("{:#}", json!({"servers": about, "worst": worst, "findings": findings}))
}

fn bold(text: &str, has_colours: bool) -> String {
    if has_colours { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() }
}

fn coloured(severity: Severity, has_colours: bool) -> String {
    let name = format!("{:7}", severity.name());
    let colour = match severity {
        Severity::Error => 31,
        Severity::Warning => 33,
        Severity::Note => 36,
    };
    if has_colours { format!("\x1b[{colour}m{name}\x1b[0m") } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_finding_is_told_with_why_and_what_mends_it() {
        let finding =
            Finding::warning("slots", "slot a keeps 1 GB", "it fills the disk").mended_by("DROP it;");
        let examined = |findings| Examined {
            server: "primary a:1".into(),
            is_reached: true,
            about: "PostgreSQL 17".into(),
            findings,
        };
        let servers = [examined(vec![finding])];
        let plain = text(&servers, false);
        for part in
            ["primary a:1: PostgreSQL 17", "warning  slot a", "why: it fills", "mend: DROP it;", "1 warnings"]
        {
            assert!(plain.contains(part), "{part}: {plain}");
        }
        assert!(!plain.contains('\x1b') && text(&servers, true).contains("\x1b[33m"));
        assert!(json(&servers).contains("\"check\": \"slots\""));
        assert!(text(&[examined(vec![])], false).contains("content"));
    }

    #[test]
    fn a_server_that_was_not_reached_hides_nothing_of_the_others() {
        let examined = |is_reached, finding| {
            let (server, about) = ("primary a:1".into(), String::new());
            Examined { server, is_reached, about, findings: vec![finding] }
        };
        let unreached = || examined(false, Finding::error("connection", "none", "nothing is known"));
        assert_eq!(worst(&[unreached()]), None);
        let servers = [examined(true, Finding::warning("slots", "kept", "it fills the disk")), unreached()];
        assert_eq!(worst(&servers), Some(Severity::Warning));
        assert!(json(&servers).contains("\"reached\": false"));
    }
}
