//! Sessions, and what the server tells of itself.

use crate::tune::machine::Machine;
use crate::tune::server::Server;
use crate::tune::setting::{Setting, Topic};

pub(super) fn settings(_: Server, _: &Machine) -> Vec<Setting> {
    let line = |topic, name, value: &str, reason: &str| Setting::new(topic, name, value, reason);
    vec![
        line(
            Topic::Sessions,
            "client_connection_check_interval",
            "1s",
            "a read whose caller gave up (a deadline, a process that died) would otherwise run to its end. Leave it out \
             on Windows, where a server does not start with it",
        ),
        line(
            Topic::Sessions,
            "idle_in_transaction_session_timeout",
            "5min",
            "a transaction that was forgotten keeps vacuum from everything newer; no transaction of the \
             store is idle for so long",
        ),
        line(
            Topic::Observation,
            "track_io_timing",
            "on",
            "tells reads that waited for the disk from those that did not; two looks at the clock for each \
             (see pg_test_timing)",
        ),
        line(
            Topic::Observation,
            "log_autovacuum_min_duration",
            "1s",
            "by default 10min: a vacuum that took a second explains a peak",
        ),
        line(
            Topic::Observation,
            "log_lock_waits",
            "on",
            "who waited for a lock for over a second (deadlock_timeout), the log's own lock among them",
        ),
        line(
            Topic::Observation,
            "log_recovery_conflict_waits",
            "on",
            "which query held replay back for over a second, on a standby",
        ),
    ]
}
