//! The machine that this program runs on, for servers beside it.

use std::fs;
use std::thread;

use crate::doctor::judge::Hardware;
use crate::tune::Size;

/// What this machine has, or as much of it as its control group allows; `None` where it does not tell.
pub(crate) fn hardware() -> Option<Hardware> {
    let total = fs::read_to_string("/proc/meminfo").ok().and_then(|text| total(&text))?;
    let limit =
        fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|text| text.trim().parse().ok());
    let cpus =
        thread::available_parallelism().map_or(1, |cpus| u32::try_from(cpus.get()).unwrap_or(u32::MAX));
    Some(Hardware { memory: Size(limit.map_or(total, |limit: u64| limit.min(total))), cpus })
}

fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kb| kb << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_as_the_system_writes_it() {
        assert_eq!(total("MemFree: 3 kB\nMemTotal:       16384 kB\n"), Some(16 << 20));
        assert_eq!(total("MemFree: 3 kB\n"), None);
    }
}
