//! Records what clients do, while they do it.
//!
//! An operation is recorded when it begins, with an unknown outcome, and again when its answer is there. So whatever
//! ends a client between, its operation is in the history. A recorder with a file writes each of the two as a line
//! at once: a process that is killed leaves its history behind.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::history::{Action, History, Operation};

/// Collects the operations of many clients.
#[derive(Debug, Default)]
pub struct Recorder(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    operations: Vec<Operation>,
    file: Option<File>,
}

/// An operation that is under way.
#[derive(Debug)]
#[must_use]
pub struct Under(usize);

#[derive(Serialize, Deserialize)]
enum Line {
    Begun(usize, Operation),
    Ended(usize, u64, Action),
}

impl Recorder {
    /// Writes to a file too, which [`Recorder::load`] reads.
    ///
    /// # Errors
    /// If the file can not be made.
    pub fn to_file(path: &Path) -> io::Result<Self> {
        let state = State { operations: Vec::new(), file: Some(File::create(path)?) };
        Ok(Self(Mutex::new(state)))
    }

    /// An operation begins. The action has the outcome that holds if no answer comes.
    ///
    /// # Errors
    /// If the file can not be written.
    pub fn begin(&self, client: u64, action: Action) -> io::Result<Under> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let operation = Operation { client, invoked: now(), completed: None, action };
        let number = state.operations.len();
        if let Some(file) = &mut state.file {
            write_line(file, &Line::Begun(number, operation.clone()))?;
        }
        state.operations.push(operation);
        Ok(Under(number))
    }

    /// Its answer is there: the same action, with what came of it.
    ///
    /// # Errors
    /// If the file can not be written.
    pub fn end(&self, under: &Under, action: Action) -> io::Result<()> {
        let completed = now();
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = &mut state.file {
            write_line(file, &Line::Ended(under.0, completed, action.clone()))?;
        }
        if let Some(operation) = state.operations.get_mut(under.0) {
            (operation.completed, operation.action) = (Some(completed), action);
        }
        Ok(())
    }

    /// What was recorded.
    pub fn take(&self) -> History {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        History { operations: std::mem::take(&mut state.operations) }
    }

    /// Reads what a recorder of another process wrote, also if that process was killed.
    ///
    /// # Errors
    /// If the file can not be read, or has a line that is none (but for the last one, which may be cut off).
    pub fn load(path: &Path) -> io::Result<History> {
        let mut operations = HashMap::new();
        let mut broken = None;
        for line in BufReader::new(File::open(path)?).split(b'\n') {
            if let Some(error) = broken {
                return Err(error);
            }
            match serde_json::from_slice(&line?) {
                Ok(Line::Begun(number, operation)) => {
                    operations.insert(number, operation);
                }
                Ok(Line::Ended(number, completed, action)) => {
                    let operation = operations.get_mut(&number);
                    let operation =
                        operation.ok_or_else(|| io::Error::other("an end without a beginning"))?;
                    (operation.completed, operation.action) = (Some(completed), action);
                }
                Err(error) => broken = Some(io::Error::from(error)),
            }
        }
        let mut operations: Vec<(usize, Operation)> = operations.into_iter().collect();
        operations.sort_by_key(|(number, _)| *number);
        Ok(History { operations: operations.into_iter().map(|(_, operation)| operation).collect() })
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
