//! Memory, processors, and what the planner thinks of the disk.

use crate::tune::machine::{Disk, Machine};
use crate::tune::server::Server;
use crate::tune::setting::{Setting, Topic};
use crate::tune::size::Size;

pub(super) fn settings(_: Server, machine: &Machine) -> Vec<Setting> {
    let memory = machine.memory;
    let mut settings = vec![
        memory_line(
            "shared_buffers",
            memory.share(4, Size::mb(128), Size::gb(32)),
            "a quarter of memory: the newest pages of events and keys, and the top of each index",
        ),
        memory_line(
            "effective_cache_size",
            Size(memory.0 / 4 * 3),
            "three quarters: with what the system caches; the planner's index scans are as cheap as they are",
        ),
        memory_line(
            "maintenance_work_mem",
            // One more and a server on Windows does not start, before 18.
            memory.share(16, Size::mb(64), Size::mb(2047)),
            "a sixteenth, at most 2047MB: index builds of the key table sort in few passes",
        ),
        memory_line(
            "autovacuum_work_mem",
            Size::mb(64),
            "for each worker, instead of the above: a log has no dead rows, and 64MB name 11 million of the \
             work tables'",
        ),
        memory_line("work_mem", work_mem(machine), &work_mem_reason(machine)),
        memory_line(
            "max_connections",
            machine.connections,
            "a handle has some ten; a standby may not have fewer than its primary, or it does not start",
        ),
    ];
    settings.extend(parallelism(machine.cpus));
    settings.extend(plans(machine));
    settings.extend(reading(machine));
    settings
}

fn work_mem_reason(machine: &Machine) -> String {
    let least = machine.memory.share(4, Size::mb(128), Size::gb(32)).0
        + u64::from(machine.connections) * work_mem(machine).0;
    let warning = if least > machine.memory.0 {
        "; for so many connections and so little memory that is too much at once: have fewer, or a pooler"
    } else {
        ""
    };
    format!(
        "half of memory for all connections at once, 4 to 64MB: a query sorts at most a page of events; one with \
         hashes or parallel workers takes several times as much{warning}"
    )
}

/// With `shared_buffers` three quarters of memory, where each connection sorts once. Hashes (twice as much, `hash_mem_multiplier`), several
/// nodes of a plan, parallel workers, vacuum and index builds come on top; the statements of a log have one node of it at most.
fn work_mem(machine: &Machine) -> Size {
    let for_each = u64::from(machine.connections.max(1)) * 2;
    machine.memory.share(for_each, Size::mb(4), Size::mb(64))
}

/// Fixed, as a standby of fewer processors than its primary has to start all the same. One that is not used takes some kilobytes.
const WORKERS: u32 = 32;
/// Leaves some of them to extensions and subscriptions.
const MOST_PARALLEL: u32 = 24;

/// Scans of the whole log, index builds and vacuum of indexes may be parallel; what a log does all the time is not.
fn parallelism(cpus: u32) -> Vec<Setting> {
    let (half, mut settings) = ((cpus / 2).clamp(1, MOST_PARALLEL), Vec::new());
    if half != 8 {
        let reason = "half of the processors, at most 24: scans of the whole log leave the others to appends";
        settings.push(memory_line("max_parallel_workers", half, reason));
    }
    let maintenance = half.min(4);
    if maintenance != 2 {
        let reason = "half of the processors, at most 4: for one index build";
        settings.push(memory_line("max_parallel_maintenance_workers", maintenance, reason));
    }
    let reason =
        "the same on each machine (by default 8): a standby that has fewer than its primary does not start";
    settings.push(memory_line("max_worker_processes", WORKERS, reason));
    settings
}

fn plans(machine: &Machine) -> Vec<Setting> {
    let mut settings = Vec::new();
    if machine.disk == Disk::Ssd {
        let reason = "an SSD reads a random page about as fast as the next one; by default (4) a disk has \
            to turn for it";
        settings.push(Setting::new(Topic::Plans, "random_page_cost", "1.1", reason));
    }
    let reason =
        "statements take milliseconds; compiling one whose cost is overestimated takes longer than it runs";
    settings.push(Setting::new(Topic::Plans, "jit", "off", reason));
    settings
}

fn reading(machine: &Machine) -> Vec<Setting> {
    let mut settings = Vec::new();
    if machine.disk == Disk::Ssd {
        let reason = "pages read ahead by ANALYZE, VACUUM and replay (by default 10, and 16 from 18 on): an \
            SSD serves that many at once. Leave it out on macOS and Windows before 18: a server does not start with it";
        settings.push(memory_line("maintenance_io_concurrency", 100, reason));
    }
    let workers = (machine.cpus / 4).min(32);
    if machine.version.is_at_least(18) && workers > 3 {
        let reason = "a quarter of the processors read pages for others (by default 3)";
        settings.push(memory_line("io_workers", workers, reason));
    }
    settings
}

fn memory_line(name: &'static str, value: impl ToString, reason: &str) -> Setting {
    Setting::new(Topic::Memory, name, value, reason)
}
