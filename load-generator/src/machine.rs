//! The machine, as its system describes it. Every figure is `None` where the system does not say.

use std::fs::read_to_string;

/// The release of the kernel.
pub(crate) fn kernel() -> Option<String> {
    Some(read_to_string("/proc/sys/kernel/osrelease").ok()?.trim().to_owned())
}

/// What the processors are called.
pub(crate) fn cpu_model() -> Option<String> {
    model_in(&read_to_string("/proc/cpuinfo").ok()?)
}

/// How many processors this process may use, quotas of a container included; 0 if the system does not say.
pub(crate) fn cpus() -> usize {
    std::thread::available_parallelism().map_or(0, usize::from)
}

/// All of the machine's memory, in MiB, whatever the limit of a container.
pub(crate) fn memory_mib() -> Option<f64> {
    number_in(&read_to_string("/proc/meminfo").ok()?, "MemTotal:").map(|kib| kib / 1_024.0)
}

/// How many threads wanted a processor or a disk in the last minute.
pub(crate) fn load_average_1m() -> Option<f64> {
    first_number(&read_to_string("/proc/loadavg").ok()?)
}

/// A field of this process's own state, in KiB.
pub(crate) fn own_kib(field: &str) -> Option<f64> {
    number_in(&read_to_string("/proc/self/status").ok()?, field)
}

/// How many threads this process has.
pub(crate) fn own_threads() -> Option<u64> {
    number_in(&read_to_string("/proc/self/status").ok()?, "Threads:").map(|threads| threads as u64)
}

/// The first processor's: the others are alike. Not all architectures name it.
fn model_in(cpuinfo: &str) -> Option<String> {
    let named = |line: &str| {
        let (name, model) = line.split_once(':')?;
        (name.trim() == "model name").then(|| model.trim().to_owned())
    };
    cpuinfo.lines().find_map(named)
}

/// The number after the name of a field, without its unit.
fn number_in(text: &str, field: &str) -> Option<f64> {
    first_number(text.lines().find_map(|line| line.strip_prefix(field))?)
}

fn first_number(text: &str) -> Option<f64> {
    text.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_is_found_among_the_fields() {
        let cpuinfo = "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel\t\t: 85\n\
                       model name\t: Intel(R) Xeon(R) CPU: 2.00GHz\n\nprocessor\t: 1\nmodel name\t: another\n";
        assert_eq!(model_in(cpuinfo).unwrap(), "Intel(R) Xeon(R) CPU: 2.00GHz");
        assert_eq!(model_in("processor\t: 0\nBogoMIPS\t: 50.00\n"), None);
    }

    #[test]
    fn numbers_are_read_without_their_units() {
        let status = "Name:\tload\nVmHWM:\t  204800 kB\nThreads:\t12\n";
        assert_eq!(
            (number_in(status, "VmHWM:"), number_in(status, "Threads:")),
            (Some(204_800.0), Some(12.0))
        );
        assert_eq!(number_in(status, "VmRSS:"), None);
        assert_eq!(first_number("0.42 0.31 0.20 1/234 5678\n"), Some(0.42));
    }
}
