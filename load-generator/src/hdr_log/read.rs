//! Reads interval logs, our own and others' whose values are microseconds.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::time::Duration;

use hdrhistogram::serialization::interval_log::{IntervalLogHistogram, IntervalLogIterator, LogEntry};

use crate::error::RunError;
use crate::histogram::Latencies;

/// Times that lie that much before the log's start are counted from it: the rule of HdrHistogram's own reader.
const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
const EXPECTED: &str =
    "expected a comment or [Tag=NAME,]START,LENGTH,MAX,HISTOGRAM with times such as 12.000";
/// The end of the year 9999, past which no time can be said.
const LATEST: Duration = Duration::from_secs(253_402_300_799);

/// One interval of a log.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LoggedInterval {
    pub(crate) tag: Option<String>,
    /// Since the Unix epoch.
    pub(crate) start: Duration,
    pub(crate) length: Duration,
    /// Microseconds, and how often. A histogram of each would take a hundred times as much memory.
    counts: Vec<(u64, u64)>,
}

impl LoggedInterval {
    /// Since the Unix epoch.
    pub(crate) fn end(&self) -> Duration {
        self.start + self.length
    }

    pub(crate) fn add_to(&self, latencies: &mut Latencies) {
        for (us, count) in &self.counts {
            latencies.record_many(*us, *count);
        }
    }
}

/// All of a log, in its order.
///
/// # Errors
///
/// Say in which line what was expected.
pub(crate) fn read(path: &Path) -> Result<Vec<LoggedInterval>, RunError> {
    let path_said = path.display();
    let file = File::open(path).map_err(RunError::io(format!("reading {path_said}")))?;
    let (mut reader, mut line) = (BufReader::new(file), String::new());
    let (mut clock, mut intervals) = (Clock::default(), Vec::new());
    for number in 1_u64.. {
        line.clear();
        let place = format!("{path_said}, line {number}");
        if reader.read_line(&mut line).map_err(RunError::io(format!("reading {place}")))? == 0 {
            break;
        }
        let is_whole = line.ends_with('\n');
        if !is_whole {
            line.push('\n');
        }
        match clock.entry(&line) {
            Ok(interval) => intervals.extend(interval),
            Err(_) if !is_whole => {
                let why = "the log breaks off here; without this line what is before it can be read";
                return Err(RunError::new(format!("{place}: {why}")));
            }
            Err(why) => return Err(RunError::new(format!("{place}: {why}"))),
        }
    }
    Ok(intervals)
}

/// From when the log's times count.
#[derive(Debug, Default)]
struct Clock {
    started: Option<Duration>,
    base: Option<Duration>,
}

impl Clock {
    /// What a line says, which ends with a line break; nothing if it is no interval.
    fn entry(&mut self, line: &str) -> Result<Option<LoggedInterval>, String> {
        if line.trim().is_empty() {
            return Ok(None);
        }
        match IntervalLogIterator::new(line.as_bytes()).next() {
            None => Ok(None),
            Some(Ok(LogEntry::StartTime(started))) => {
                self.started = Some(started);
                Ok(None)
            }
            Some(Ok(LogEntry::BaseTime(base))) => {
                self.base = Some(base);
                Ok(None)
            }
            Some(Ok(LogEntry::Interval(interval))) => self.interval(&interval).map(Some),
            Some(Err(_)) => Err(EXPECTED.to_owned()),
        }
    }

    fn interval(&mut self, interval: &IntervalLogHistogram<'_>) -> Result<LoggedInterval, String> {
        let at = interval.start_timestamp();
        let base = self.base.unwrap_or_else(|| match self.started {
            Some(started) if at < started.saturating_sub(YEAR) => started,
            _ => Duration::ZERO,
        });
        // The first interval decides for all.
        self.base = Some(base);
        let start = base.checked_add(at);
        let end = start.and_then(|start| start.checked_add(interval.duration()));
        let start = start.filter(|_| end.is_some_and(|end| end <= LATEST));
        let start = start.ok_or("expected a time before the year 10000")?;
        let histogram = Latencies::decoded(interval.encoded_histogram())
            .map_err(|error| format!("expected a histogram as HdrHistogram writes it: {error}"))?;
        Ok(LoggedInterval {
            tag: interval.tag().map(|tag| tag.as_str().to_owned()),
            start,
            length: interval.duration(),
            counts: histogram.counts(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(at: &str) -> String {
        let mut latencies = Latencies::new();
        latencies.record_many(1_000, 3);
        format!("{at},1.000,1.000,{}\n", latencies.encoded().unwrap())
    }

    fn read_text(text: &str) -> Result<Vec<LoggedInterval>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.hlog");
        std::fs::write(&path, text).unwrap();
        read(&path).map_err(|error| error.to_string())
    }

    #[test]
    fn times_count_from_where_the_log_says() {
        let started = 1_780_000_000;
        let start = format!("#[StartTime: {started}.000 (seconds since epoch), some day]\n");
        let base = format!("#[BaseTime: {}.000 (seconds since epoch)]\n", started + 100);
        for (head, at, expected) in [
            (String::new(), "7.500".to_owned(), 7),
            (start.clone(), "7.500".to_owned(), started + 7),
            (start.clone(), format!("{}.500", started + 7), started + 7),
            (base.clone(), "7.500".to_owned(), started + 107),
            (start + &base, "7.500".to_owned(), started + 107),
        ] {
            let read = read_text(&format!("{head}\n{}", line(&at))).unwrap();
            assert_eq!(read[0].start, Duration::from_millis(expected * 1_000 + 500), "{head}{at}");
        }
    }

    #[test]
    fn errors_name_the_line() {
        let whole = format!("# a comment\n{}", line("1.000"));
        assert_eq!(read_text(&whole).unwrap().len(), 1);
        // An editor may have taken the last line break; but a line that is cut off has lost something.
        assert_eq!(read_text(whole.trim_end()).unwrap().len(), 1);
        let cut = &whole[..whole.len() - 29];
        for (text, said) in [
            (format!("{whole}what is this\n"), "line 3: expected a comment or"),
            (format!("{whole}{}", line("99999999999999.000")), "line 3: expected a time before"),
            (format!("{whole}2.000,1.000,1.000,HISTFAAA\n"), "line 3: expected a histogram"),
            (cut.to_owned(), "line 2: the log breaks off here"),
        ] {
            let refused = read_text(&text).unwrap_err();
            assert!(refused.contains("a.hlog") && refused.contains(said), "{refused}");
        }
        let missing = read(Path::new("/nowhere/a.hlog")).unwrap_err().to_string();
        assert!(missing.contains("reading /nowhere/a.hlog"), "{missing}");
    }
}
