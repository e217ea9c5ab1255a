//! Streaming replication, from both sides: the roles change in a failover, the files do not.

use crate::tune::machine::Machine;
use crate::tune::server::Server;
use crate::tune::setting::{Setting, Topic};
use crate::tune::size::Size;
use crate::tune::wal;

pub(super) fn settings(_: Server, machine: &Machine) -> Vec<Setting> {
    let (sending, standby) = (Topic::Replication, Topic::Standby);
    let wal = wal::most(machine);
    let mut settings = vec![
        Setting::new(
            sending,
            "max_slot_wal_keep_size",
            Size(wal.0 * 2),
            format!(
                "twice max_wal_size: a slot whose replica is dead keeps no more (by default all), and with \
                 max_wal_size {} have to fit on the disk; the replica is made anew then",
                Size(wal.0 * 3)
            ),
        ),
        Setting::new(
            sending,
            "wal_keep_size",
            Size(wal.0 / 8),
            "an eighth of max_wal_size: a replica without a slot may be away for a while",
        ),
        Setting::new(
            standby,
            "hot_standby_feedback",
            "on",
            "the primary keeps what a query here still reads: no query is cancelled for vacuum, and they \
             are short",
        ),
        Setting::new(
            standby,
            "max_standby_streaming_delay",
            "5s",
            "replay waits at most so long for a query in its way (by default 30): readers would wait for \
             their token",
        ),
        Setting::new(
            standby,
            "wal_retrieve_retry_interval",
            "1s",
            "a replica that lost its primary looks for it each second (by default each 5)",
        ),
    ];
    if machine.version.is_at_least(18) {
        let reason = "a slot unused for a week is given up: with feedback it holds back vacuum, even where its WAL \
            has room; longer than a replica is away";
        settings.push(Setting::new(sending, "idle_replication_slot_timeout", "7d", reason));
    }
    settings
}
