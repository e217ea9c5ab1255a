//! Durability, checkpoints and WAL.

use crate::tune::machine::{Disk, Machine};
use crate::tune::server::Server;
use crate::tune::setting::{Setting, Topic};
use crate::tune::size::Size;

pub(super) fn settings(_: Server, machine: &Machine) -> Vec<Setting> {
    let (durability, wal) = (Topic::Durability, Topic::Wal);
    let most = most(machine);
    vec![
        Setting::new(durability, "fsync", "on", "without it a crash of the system loses or ruins the log"),
        Setting::new(
            durability,
            "full_page_writes",
            "on",
            "a page that was half written in a power cut is whole again",
        ),
        Setting::new(
            durability,
            "synchronous_commit",
            "on",
            "without it what was acknowledged in the last 0.6 s can be lost; appends share a flush by the \
             batch",
        ),
        Setting::new(
            durability,
            "wal_log_hints",
            "on",
            "or checksums: else pg_rewind can not make the old primary a standby after a failover. Makes WAL \
             larger, with checksums by nothing more",
        ),
        Setting::new(
            wal,
            "checkpoint_timeout",
            "15min",
            "few checkpoints: a page is written whole once in 15 minutes and not in 5",
        ),
        Setting::new(
            wal,
            "max_wal_size",
            most,
            format!(
                "{}, 4 to 64GB: time and not volume triggers checkpoints; so much must be free",
                factor(machine)
            ),
        ),
        Setting::new(
            wal,
            "min_wal_size",
            Size(most.0 / 4),
            "a quarter of it: files are used again, as making a new one holds up all commits for some 45 ms",
        ),
        Setting::new(
            wal,
            "wal_compression",
            "lz4",
            "a batch of 50 just after a checkpoint takes 2 to 3 ms; with pglz 15. Needs a server built with \
             lz4, as packaged ones are",
        ),
        Setting::new(
            wal,
            "default_toast_compression",
            "lz4",
            "an append of 4 KB takes a tenth less time than with pglz, and so does reading it",
        ),
    ]
}

/// A disk that turns replays after a crash more slowly, so it has less to replay.
pub(super) fn most(machine: &Machine) -> Size {
    let memory = match machine.disk {
        Disk::Ssd => Size(machine.memory.0 * 2),
        Disk::Hdd => machine.memory,
    };
    memory.share(1, Size::gb(4), Size::gb(64))
}

fn factor(machine: &Machine) -> &'static str {
    match machine.disk {
        Disk::Ssd => "twice the memory",
        Disk::Hdd => "as much as memory",
    }
}
