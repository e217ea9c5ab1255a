//! Records what clients do, while they do it.
//!
//! An operation is recorded when it begins, with an unknown outcome, and again when its answer is there. So whatever
//! ends a client between, its operation is in the history. A recorder with a file writes each of the two as a line
//! at once: a process that is killed leaves its history behind.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::history::{Action, Answer, History, Operation};

/// Collects the operations of many clients.
#[derive(Debug)]
pub struct Recorder(Mutex<Sink>);

#[derive(Debug)]
enum Sink {
    Memory(Vec<Operation>),
    File { file: File, begun: usize },
}

/// An operation that is under way.
#[derive(Debug)]
#[must_use]
pub struct Pending(usize);

#[derive(Serialize, Deserialize)]
enum Line {
    Begun(Operation),
    Ended(usize, u64, Answer),
}

impl Recorder {
    /// Keeps them in memory, for [`Recorder::take`].
    #[must_use]
    pub fn in_memory() -> Self {
        Self(Mutex::new(Sink::Memory(Vec::new())))
    }

    /// Writes them to a file, for [`Recorder::load`].
    ///
    /// # Errors
    /// If the file can not be made.
    pub fn to_file(path: &Path) -> io::Result<Self> {
        Ok(Self(Mutex::new(Sink::File { file: File::create(path)?, begun: 0 })))
    }

    /// An operation begins. The action has the outcome that holds if no answer comes.
    ///
    /// # Errors
    /// If the file can not be written.
    pub fn begin(&self, client: u64, action: Action) -> io::Result<Pending> {
        self.begin_on(client, action, Vec::new())
    }

    /// The same, of an operation that names events as known to be there.
    ///
    /// # Errors
    /// If the file can not be written.
    pub fn begin_on(&self, client: u64, action: Action, rests_on: Vec<(u64, Uuid)>) -> io::Result<Pending> {
        let mut sink = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let operation = Operation { rests_on, ..Operation::new(client, (now(), None), action) };
        match &mut *sink {
            Sink::Memory(operations) => {
                operations.push(operation);
                Ok(Pending(operations.len() - 1))
            }
            Sink::File { file, begun } => {
                write_line(file, &Line::Begun(operation))?;
                *begun += 1;
                Ok(Pending(*begun - 1))
            }
        }
    }

    /// Its answer is there.
    ///
    /// # Errors
    /// If the file can not be written.
    pub fn end(&self, pending: &Pending, answer: Answer) -> io::Result<()> {
        let completed = now();
        let mut sink = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *sink {
            Sink::Memory(operations) => {
                if let Some(operation) = operations.get_mut(pending.0) {
                    operation.completed = Some(completed);
                    operation.action.answer(answer);
                }
                Ok(())
            }
            Sink::File { file, .. } => write_line(file, &Line::Ended(pending.0, completed, answer)),
        }
    }

    /// What was recorded in memory.
    pub fn take(&self) -> History {
        let mut sink = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *sink {
            Sink::Memory(operations) => History { operations: std::mem::take(operations) },
            Sink::File { .. } => History::default(),
        }
    }

    /// Reads what a recorder of another process wrote, also if that process was killed.
    ///
    /// # Errors
    /// If the file can not be read, or has a line that is none (but for the last one, which may be cut off).
    pub fn load(path: &Path) -> io::Result<History> {
        let mut history = History::default();
        let mut broken = None;
        for line in BufReader::new(File::open(path)?).split(b'\n') {
            if let Some(error) = broken {
                return Err(error);
            }
            match serde_json::from_slice(&line?) {
                Ok(Line::Begun(operation)) => history.operations.push(operation),
                Ok(Line::Ended(number, completed, answer)) => {
                    let operation = history.operations.get_mut(number);
                    let operation =
                        operation.ok_or_else(|| io::Error::other("an end without a beginning"))?;
                    operation.completed = Some(completed);
                    operation.action.answer(answer);
                }
                Err(error) => broken = Some(io::Error::from(error)),
            }
        }
        Ok(history)
    }
}

fn write_line(file: &mut File, line: &Line) -> io::Result<()> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    file.write_all(&text)
}

/// Nanoseconds of a clock that all processes of this machine share, and that is never set.
fn now() -> u64 {
    let clock = nix::time::ClockId::CLOCK_MONOTONIC;
    let time = nix::time::clock_gettime(clock).map(std::time::Duration::from);
    time.map_or(0, |time| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
}
