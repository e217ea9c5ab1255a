//! A schedule in a file: when each request is due, and what it is.
//!
//! Lines of `at_s,operation,choice`, in the order of time, with these names as the first line. Operation and choice may be
//! missing: then they are drawn as always. `--record` writes one, `--replay` reads it; so does whoever has the times of real
//! requests.

use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::time::Duration;

use crate::error::RunError;
use crate::output::Place;
use crate::scenario::Operation;

const HEADER: &str = "at_s,operation,choice";
/// Later ones are times of day, or a slip of the pen.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// One line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct RecordedRequest {
    /// After the beginning.
    pub(crate) at: Duration,
    pub(crate) operation: Option<Operation>,
    pub(crate) choice: Option<u64>,
}

/// Writes a schedule.
pub(crate) fn write(place: Place, requests: impl Iterator<Item = RecordedRequest>) -> Result<(), RunError> {
    place.fill(|file| {
        writeln!(file, "{HEADER}")?;
        for RecordedRequest { at, operation, choice } in requests {
            let operation = operation.map_or("", Operation::as_str);
            let choice = choice.map_or(String::new(), |choice| choice.to_string());
            writeln!(file, "{}.{:09},{operation},{choice}", at.as_secs(), at.subsec_nanos())?;
        }
        Ok(())
    })
}

/// Reads one, and says which line is wrong.
pub(crate) fn read(path: &Path) -> Result<Vec<RecordedRequest>, RunError> {
    let failed = || RunError::io(format!("reading {}", path.display()));
    let file = std::fs::File::open(path).map_err(failed())?;
    let mut requests = Vec::new();
    let mut last = Duration::ZERO;
    for (number, line) in (1..).zip(BufReader::new(file).lines()) {
        let line = line.map_err(failed())?;
        let text = line.trim();
        if text.is_empty() || (number == 1 && text.starts_with("at_s")) {
            continue;
        }
        let wrong = |why: String| RunError::new(format!("{}, line {number}: {why}", path.display()));
        let request = parse(text).map_err(wrong)?;
        if request.at < last {
            return Err(wrong(format!("due at {:?}, before the line above ({last:?})", request.at)));
        }
        last = request.at;
        requests.push(request);
    }
    if requests.is_empty() {
        return Err(RunError::new(format!("{}: no request in it", path.display())));
    }
    Ok(requests)
}

fn parse(line: &str) -> Result<RecordedRequest, String> {
    let mut fields = line.split(',').map(str::trim);
    let at = fields.next().unwrap_or_default();
    let seconds: f64 = at.parse().map_err(|_| format!("expected seconds, such as 1.25, and found {at:?}"))?;
    let at = Duration::try_from_secs_f64(seconds).ok().filter(|at| *at <= LONGEST).ok_or_else(|| {
        format!("{seconds} s is no time of a run: times count from the beginning, and end within a year")
    })?;
    let operation = match fields.next().unwrap_or_default() {
        "" => None,
        name => Some(Operation::named(name).ok_or_else(|| {
            let names: Vec<&str> = Operation::ALL.iter().map(|operation| operation.as_str()).collect();
            format!("{name:?} is no operation; expected one of {}", names.join(", "))
        })?),
    };
    let choice = match fields.next().unwrap_or_default() {
        "" => None,
        number => {
            Some(number.parse().map_err(|_| format!("expected a number from 0, and found {number:?}"))?)
        }
    };
    match fields.next() {
        Some(more) => Err(format!("a fourth field, {more:?}")),
        None => Ok(RecordedRequest { at, operation, choice }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_is_read_as_it_was_written() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let requests = [
            RecordedRequest {
                at: Duration::ZERO,
                operation: Some(Operation::LendBook),
                choice: Some(u64::MAX),
            },
            RecordedRequest { at: Duration::new(3, 333_333_333), operation: None, choice: None },
        ];
        write(Place::open(file.path()).unwrap(), requests.into_iter()).unwrap();
        assert_eq!(read(file.path()).unwrap(), requests);
    }

    #[test]
    fn a_wrong_line_is_named() {
        for (text, said) in [
            ("", "no request"),
            ("at_s\n1\nsoon", "line 3: expected seconds"),
            ("2\n1", "line 2: due at 1s, before"),
            ("-1", "line 1"),
            ("1764000000.1", "times count from the beginning"),
            ("1,swim", "no operation; expected one of lend_book"),
            ("1,lend_book,-5", "from 0"),
            ("1,lend_book,5,6", "a fourth field"),
        ] {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), text).unwrap();
            let refused = read(file.path()).unwrap_err().to_string();
            assert!(refused.contains(said), "{text:?}: {refused}");
        }
    }
}
