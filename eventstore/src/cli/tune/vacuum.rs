//! Autovacuum and statistics. What concerns single tables is in [`tables`](super::tables).

use crate::tune::machine::{Disk, Machine};
use crate::tune::server::Server;
use crate::tune::setting::{Setting, Topic};

pub(super) fn settings(_: Server, machine: &Machine) -> Vec<Setting> {
    let vacuum = |name, value: &str, reason: &str| Setting::new(Topic::Vacuum, name, value, reason);
    let limit = match machine.disk {
        Disk::Ssd => "1000",
        Disk::Hdd => "400",
    };
    let mut settings = vec![
        vacuum(
            "autovacuum_vacuum_insert_scale_factor",
            "0.02",
            "a table is vacuumed when it has grown by 2 % (by default 20), while the new pages are in memory",
        ),
        vacuum(
            "autovacuum_vacuum_insert_threshold",
            "10000",
            "and by 10,000 rows (by default 1,000), so that small tables are left in peace",
        ),
        vacuum(
            "vacuum_freeze_min_age",
            "0",
            "a page is frozen the first time it is vacuumed, and never written again (by default 50 million \
             transactions later). Of tables whose rows change, as projections have: autovacuum_freeze_min_age = 50000000",
        ),
        vacuum(
            "autovacuum_analyze_scale_factor",
            "0.02",
            "statistics are made anew after 2 % (by default 10): stale ones made another store's queries \
             three times as slow",
        ),
        vacuum(
            "autovacuum_naptime",
            "20s",
            "a work table that filled within seconds is looked at three times a minute",
        ),
        vacuum(
            "autovacuum_vacuum_cost_limit",
            limit,
            "by default 200: cost points (1 for a page in memory, 2 for one read, 20 for one changed) before it rests, \
             as a vacuum that is slower than the appends never ends",
        ),
    ];
    let workers = (machine.cpus / 2).clamp(3, 8);
    if workers > 3 {
        let reason = "half of the processors, 3 to 8: the tables of many logs, and work tables beside a \
            long vacuum of keys";
        settings.push(vacuum("autovacuum_max_workers", &workers.to_string(), reason));
    }
    if machine.version.0 == Some(16) {
        let reason = "the default from 17 on: a vacuum with a small ring of buffers waits for WAL to be \
            flushed all the time";
        settings.push(vacuum("vacuum_buffer_usage_limit", "2MB", reason));
    }
    settings
}
