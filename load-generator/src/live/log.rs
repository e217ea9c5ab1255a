//! Lines for stderr. While there is a screen they are kept, the last of them are shown on it, and they are printed when it
//! is gone.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tracing_subscriber::fmt::MakeWriter;

/// Lines that are kept.
const LENGTH: usize = 200;

/// Nothing while there is no screen.
static HELD: Mutex<Option<Held>> = Mutex::new(None);

/// Stderr, as [`tracing_subscriber`] writes to it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LogWriter;

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(held) = lock().as_mut() {
            held.push(&String::from_utf8_lossy(bytes));
            return Ok(bytes.len());
        }
        io::stderr().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

impl<'a> MakeWriter<'a> for LogWriter {
    type Writer = Self;

    fn make_writer(&'a self) -> Self::Writer {
        *self
    }
}

/// A line for people. A closed terminal must not end the run.
pub(crate) fn say(line: &str) {
    drop(LogWriter.write_all(format!("{line}\n").as_bytes()));
}

/// Keeps what comes from now on.
pub(super) fn hold() {
    lock().get_or_insert_default();
}

/// Prints what was kept; from now on nothing is.
pub(super) fn release() {
    // The lock is not held while a terminal takes its time.
    let held = lock().take();
    if let Some(held) = held {
        let text: String = held.all().map(|line| line + "\n").collect();
        drop(io::stderr().write_all(text.as_bytes()));
    }
}

/// The last lines that were kept, oldest first, without colours.
pub(super) fn last(count: usize) -> Vec<String> {
    lock().as_ref().map(|held| held.last(count)).unwrap_or_default()
}

fn lock() -> MutexGuard<'static, Option<Held>> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Debug, Default)]
struct Held {
    lines: VecDeque<String>,
    lost: u64,
}

impl Held {
    fn push(&mut self, text: &str) {
        for line in text.lines() {
            if self.lines.len() == LENGTH {
                self.lines.pop_front();
                self.lost += 1;
            }
            self.lines.push_back(line.to_owned());
        }
    }

    fn all(self) -> impl Iterator<Item = String> {
        let lost = (self.lost > 0).then(|| format!("({} earlier lines were not kept)", self.lost));
        lost.into_iter().chain(self.lines)
    }

    fn last(&self, count: usize) -> Vec<String> {
        let skipped = self.lines.len().saturating_sub(count);
        self.lines.iter().skip(skipped).map(|line| plain(line)).collect()
    }
}

/// Without colours and whatever else would move the cursor.
fn plain(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut chars = line.chars();
    while let Some(char) = chars.next() {
        match char {
            // ESC [ parameters, and a letter.
            '\u{1b}' => {
                let _ = chars.find(char::is_ascii_alphabetic);
            }
            '\t' => plain.push(' '),
            char if char.is_control() => {}
            char => plain.push(char),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_the_last_ones_and_says_that_it_lost_some() {
        let mut held = Held::default();
        for line in 1..=LENGTH + 5 {
            held.push(&format!("line {line}\n"));
        }
        assert_eq!(held.last(2), [format!("line {}", LENGTH + 4), format!("line {}", LENGTH + 5)]);
        let all: Vec<String> = held.all().collect();
        assert_eq!(all.len(), LENGTH + 1);
        assert_eq!(all[..2], ["(5 earlier lines were not kept)", "line 6"]);
    }

    #[test]
    fn colours_and_controls_are_not_shown() {
        assert_eq!(plain("\u{1b}[33mWARN\u{1b}[0m a\tb\r\u{7}"), "WARN a b");
    }

    #[test]
    fn lines_are_kept_while_there_is_a_screen() {
        hold();
        LogWriter.write_all(b"closing the store\n").unwrap();
        say("interrupted");
        assert_eq!(last(2), ["closing the store", "interrupted"]);
        release();
        assert!(last(2).is_empty());
    }
}
