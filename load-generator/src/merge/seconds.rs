//! One log for several: what began in the same second is added up.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::time::{Duration, UNIX_EPOCH};

use crate::hdr_log::{HdrLog, LoggedInterval};
use crate::histogram::Latencies;
use crate::merge::Log;

const HALF: Duration = Duration::from_millis(500);

/// In the order of time, and within a second of tags. An interval belongs to the second that its beginning is nearest to.
pub(super) fn write(logs: &[Log], file: File) -> io::Result<()> {
    let mut seconds: BTreeMap<(u64, Option<&str>), Vec<&LoggedInterval>> = BTreeMap::new();
    for interval in logs.iter().flat_map(|log| &log.intervals) {
        let second = (interval.start + HALF).as_secs();
        seconds.entry((second, interval.tag.as_deref())).or_default().push(interval);
    }
    let began = Duration::from_secs(seconds.keys().next().map_or(0, |(second, _)| *second));
    let names: Vec<&str> = logs.iter().map(|log| log.name.as_str()).collect();
    let mut log = HdrLog::begin(file, UNIX_EPOCH + began, &format!("merged from {}", names.join(", ")))?;
    for ((second, tag), intervals) in &seconds {
        let mut latencies = Latencies::new();
        intervals.iter().for_each(|interval| interval.add_to(&mut latencies));
        let length = intervals.iter().map(|interval| interval.length).max().unwrap_or_default();
        log.interval(Duration::from_secs(*second) - began, length, *tag, &latencies)?;
    }
    log.finish()
}
