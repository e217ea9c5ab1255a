//! Colours that mean the same on all panels.

/// What is always shown in the same colour.
pub(super) const COLOURS: &[(&str, &str)] = &[
    ("accepted", "green"),
    ("repeated", "blue"),
    ("conflict", "orange"),
    ("invalid", "purple"),
    ("unavailable", "red"),
    ("timed_out", "dark-red"),
    ("cancelled", "dark-yellow"),
    ("indeterminate", "dark-purple"),
    ("internal", "semi-dark-red"),
    ("history_diverged", "light-red"),
    ("closed", "light-yellow"),
    ("failure_recorded", "light-purple"),
    ("error", "red"),
    ("timeout", "dark-red"),
    ("rejected", "dark-orange"),
    ("late starts", "yellow"),
    ("parked", "red"),
    ("failed", "red"),
    ("offered", "blue"),
    ("achieved", "green"),
    ("answered", "green"),
    ("effective", "dark-green"),
    ("refused", "super-light-blue"),
    ("none", "red"),
    ("primary", "blue"),
    ("replica", "purple"),
    ("replica1", "purple"),
    ("p50", "green"),
    ("p90", "yellow"),
    ("p99.9", "red"),
    ("p99", "orange"),
];

/// Names that come from a label: what becomes of a call.
pub(super) const OUTCOMES: &[&str] = &[
    "accepted",
    "repeated",
    "conflict",
    "invalid",
    "unavailable",
    "timed_out",
    "cancelled",
    "indeterminate",
    "internal",
    "history_diverged",
    "closed",
    "failure_recorded",
    "answered",
    "error",
    "timeout",
    "effective",
    "refused",
];
/// And which server, or kind of server.
pub(super) const SERVERS: &[&str] = &["primary", "replica", "replica1"];
