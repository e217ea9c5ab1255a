//! What is found.

use serde_json::{Value, json};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Severity {
    /// Good to know; nothing has to be done.
    Note,
    /// It costs time or room, or will.
    Warning,
    /// Events can be lost, or work stops.
    Error,
}

/// One thing about one server.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Finding {
    pub(crate) severity: Severity,
    /// Stays the same from version to version, for scripts.
    pub(crate) check: &'static str,
    /// With figures.
    pub(crate) what: String,
    pub(crate) why: String,
    /// What mends it: SQL, or a command.
    pub(crate) mend: Option<String>,
}

impl Severity {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl Finding {
    pub(crate) fn new(
        severity: Severity,
        check: &'static str,
        what: impl Into<String>,
        why: impl Into<String>,
    ) -> Self {
        Self { severity, check, what: what.into(), why: why.into(), mend: None }
    }

    pub(crate) fn error(check: &'static str, what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::new(Severity::Error, check, what, why)
    }

    pub(crate) fn warning(check: &'static str, what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::new(Severity::Warning, check, what, why)
    }

    pub(crate) fn note(check: &'static str, what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::new(Severity::Note, check, what, why)
    }

    /// The line that mends it.
    pub(crate) fn mended_by(mut self, line: impl Into<String>) -> Self {
        self.mend = Some(line.into());
        self
    }

    pub(crate) fn to_json(&self, server: &str) -> Value {
        json!({
            "server": server,
            "severity": self.severity.name(),
            "check": self.check,
            "what": self.what,
            "why": self.why,
            "mend": self.mend,
        })
    }
}
