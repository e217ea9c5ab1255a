//! The latencies of each second as an HdrHistogram interval log (`.hlog`), which HdrHistogram's own tools read too.
//!
//! Without a tag are the corrected latencies of all requests, with the tag `service` the uncorrected ones, with an operation's
//! name the corrected ones of that operation. Values are microseconds; the column of the longest is in milliseconds.

mod read;

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Write as _};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hdrhistogram::serialization::interval_log::Tag;

use crate::histogram::Latencies;
use crate::output;

pub(crate) use read::{LoggedInterval, read};

const COLUMNS: &str = r#""StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram""#;
/// From microseconds to the milliseconds of the column of the longest.
const MAX_VALUE_DIVISOR: f64 = 1_000.0;

/// A log that is being written. Each interval is in the file when it was taken: a run that is killed keeps what it wrote.
#[derive(Debug)]
pub(crate) struct HdrLog {
    file: File,
}

impl HdrLog {
    /// Takes the place of what is in the file. Intervals count from `started`.
    pub(crate) fn begin(mut file: File, started: SystemTime, comment: &str) -> io::Result<Self> {
        output::empty(&file)?;
        let started = seconds(started.duration_since(UNIX_EPOCH).unwrap_or_default());
        let mut head = String::new();
        for line in comment.lines() {
            // With a space: no comment can be mistaken for one of the times below.
            head.push_str("# ");
            head.push_str(line);
            head.push('\n');
        }
        head.push_str("#[Histogram log format version 1.3]\n");
        for time in ["StartTime", "BaseTime"] {
            writeln!(head, "#[{time}: {started} (seconds since epoch)]").map_err(io::Error::other)?;
        }
        writeln!(head, "#[MaxValueDivisor: {MAX_VALUE_DIVISOR:.3}]\n{COLUMNS}").map_err(io::Error::other)?;
        file.write_all(head.as_bytes())?;
        Ok(Self { file })
    }

    /// What was measured from `at`, counted from the log's beginning. Nothing is written of an interval without requests.
    pub(crate) fn interval(
        &mut self,
        at: Duration,
        length: Duration,
        tag: Option<&str>,
        latencies: &Latencies,
    ) -> io::Result<()> {
        if latencies.count() == 0 {
            return Ok(());
        }
        let tag = match tag {
            Some(tag) => format!("Tag={},", checked(tag)?),
            None => String::new(),
        };
        let (at, length) = (seconds(at), seconds(length));
        let max = latencies.hdr().max() as f64 / MAX_VALUE_DIVISOR;
        let histogram = latencies.encoded().map_err(io::Error::other)?;
        self.file.write_all(format!("{tag}{at},{length},{max:.3},{histogram}\n").as_bytes())
    }

    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// As the format has them.
fn seconds(time: Duration) -> String {
    format!("{:.3}", time.as_secs_f64())
}

fn checked(tag: &str) -> io::Result<&str> {
    let why = || format!("expected a tag without commas, spaces and line breaks, got {tag:?}");
    let tag = Tag::new(tag).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, why()))?;
    Ok(tag.as_str())
}

#[cfg(test)]
mod tests {
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    use super::*;

    const STARTED: Duration = Duration::from_millis(1_780_000_000_250);

    fn latencies(us: &[u64]) -> Latencies {
        let mut latencies = Latencies::new();
        us.iter().for_each(|us| latencies.record_many(*us, 1));
        latencies
    }

    /// Two seconds, the second of which has two tags, and one in which nothing was done.
    fn log(path: &std::path::Path) {
        let file = File::create(path).unwrap();
        let mut log = HdrLog::begin(file, UNIX_EPOCH + STARTED, "one\ntwo").unwrap();
        let second = Duration::from_secs(1);
        log.interval(Duration::ZERO, second, None, &latencies(&[900, 12_000])).unwrap();
        log.interval(second, second, None, &latencies(&[5])).unwrap();
        log.interval(second, second, Some("service"), &latencies(&[4, 700_000])).unwrap();
        log.interval(2 * second, second, None, &Latencies::new()).unwrap();
        log.finish().unwrap();
    }

    #[test]
    fn what_was_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.hlog");
        log(&path);
        let intervals = read(&path).unwrap();
        let said: Vec<_> = intervals.iter().map(|one| (one.tag.as_deref(), one.start, one.length)).collect();
        let second = Duration::from_secs(1);
        assert_eq!(
            said,
            [
                (None, STARTED, second),
                (None, STARTED + second, second),
                (Some("service"), STARTED + second, second),
            ]
        );
        let mut total = Latencies::new();
        intervals.iter().filter(|one| one.tag.is_none()).for_each(|one| one.add_to(&mut total));
        assert_eq!(total, latencies(&[5, 900, 12_000]));
    }

    #[test]
    fn other_readers_understand_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.hlog");
        log(&path);
        let written = std::fs::read(&path).unwrap();
        let entries: Vec<_> = IntervalLogIterator::new(&written).map(Result::unwrap).collect();
        assert_eq!(entries[0], LogEntry::StartTime(STARTED));
        assert_eq!(entries[1], LogEntry::BaseTime(STARTED));
        assert_eq!(entries.len(), 5);
        let LogEntry::Interval(last) = &entries[4] else { panic!("an interval is last") };
        assert_eq!(last.tag().map(|tag| tag.as_str()), Some("service"));
        assert_eq!(last.start_timestamp(), Duration::from_secs(1));
        assert!((last.max() - 700.0).abs() < 1.0, "{}", last.max());
        assert_eq!(Latencies::decoded(last.encoded_histogram()).unwrap(), latencies(&[4, 700_000]));
    }

    #[test]
    fn a_tag_that_would_break_the_line_is_refused() {
        let mut log = HdrLog::begin(tempfile::tempfile().unwrap(), UNIX_EPOCH, "").unwrap();
        let second = Duration::from_secs(1);
        for tag in ["a,b", "a b", "a\nb"] {
            assert!(log.interval(second, second, Some(tag), &latencies(&[1])).is_err(), "{tag:?}");
        }
    }
}
