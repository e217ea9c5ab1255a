//! A server for tests.

use crate::tune::machine::Machine;
use crate::tune::setting::{Setting, Topic};
use crate::tune::size::Size;

pub(super) fn settings(machine: &Machine) -> Vec<Setting> {
    let line = |topic, name, value: &str, reason: &str| Setting::new(topic, name, value, reason);
    let buffers = machine.memory.share(4, Size::mb(64), Size::mb(256)).to_string();
    vec![
        line(
            Topic::Memory,
            "shared_buffers",
            &buffers,
            "a quarter of memory, at most 256MB: several servers run at once, on a memory file system",
        ),
        line(
            Topic::Memory,
            "max_connections",
            &machine.connections.to_string(),
            "tests run in parallel, each with handles of its own",
        ),
        line(Topic::Durability, "fsync", "off", "a test does not wait for a disk"),
        line(Topic::Durability, "full_page_writes", "off", "no power is cut: the page is whole in memory"),
        line(
            Topic::Durability,
            "synchronous_commit",
            "on",
            "kept: without it a replica lags by the WAL writer's delay, 200 to 800 ms",
        ),
        line(
            Topic::Wal,
            "max_wal_size",
            "4GB",
            "no checkpoint in the middle of a test that did not ask for one",
        ),
        line(Topic::Replication, "max_wal_senders", "16", "replicas and base backups of one test"),
        line(
            Topic::Replication,
            "wal_keep_size",
            "256MB",
            "a replica may be cut off for a test, without a slot",
        ),
        line(Topic::Standby, "hot_standby_feedback", "on", "as on the replicas that are tested for"),
        line(
            Topic::Standby,
            "wal_retrieve_retry_interval",
            "100ms",
            "a replica comes back soon after its primary (by default 5 s)",
        ),
        line(Topic::Plans, "random_page_cost", "1.1", "plans as on the servers that are tested for"),
        line(Topic::Vacuum, "autovacuum_naptime", "5s", "what autovacuum does is there within seconds"),
        line(Topic::Observation, "timezone", "'UTC'", "texts of instants are the same everywhere"),
        line(Topic::Observation, "log_timezone", "'UTC'", "the server's log has the times of the tests' own"),
    ]
}
