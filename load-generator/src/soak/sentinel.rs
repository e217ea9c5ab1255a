//! When the machine itself stood still.
//!
//! Two threads of their own, outside the runtime: one sleeps for a moment and looks how late it woke up, one writes a page to the
//! disk of the servers and has it flushed. Where a request took long, their marks tell a machine that was away from a store that
//! was slow. *Who owns what*: the threads write what they see into a list that they share with the [`Sentinel`]; told to end, each
//! does after the look that it is at. Nobody waits for that, as a disk that hangs must not hold a report back. *On failure*: a disk
//! that can not be written is not watched.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::observe::since;

/// How long each thread rests between two looks.
const REST: Duration = Duration::from_millis(25);
/// From where on it is worth telling.
const NOTABLE: Duration = Duration::from_millis(30);
const PAGE: [u8; 8192] = [7; 8192];

/// A time when the machine did not do what it was asked to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Hitch {
    /// In seconds since measuring began.
    pub(crate) from_s: f64,
    pub(crate) took: Duration,
    pub(crate) what: HitchKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HitchKind {
    /// A thread that had slept woke up late by so long.
    Processor,
    /// A page took so long to be flushed.
    Disk,
}

/// The watch on the machine.
#[derive(Debug)]
pub(crate) struct Sentinel {
    end: Arc<AtomicBool>,
    hitches: Arc<Mutex<Vec<Hitch>>>,
}

impl Sentinel {
    /// Begins to watch the processors, and the disk of this folder. Times are counted from `measured_from`.
    pub(crate) fn start(folder: Option<&Path>, measured_from: Instant) -> io::Result<Self> {
        let sentinel = Self { end: Arc::default(), hitches: Arc::default() };
        sentinel.watch("soak-processor", measured_from, HitchKind::Processor, |rest| {
            let began = Instant::now();
            thread::sleep(rest);
            Ok((began, began.elapsed().saturating_sub(rest)))
        })?;
        // Without a name: nothing is left of it, however this process ends.
        let file = folder.and_then(|folder| match scratch(folder) {
            Ok(file) => Some(file),
            Err(error) => {
                tracing::warn!(%error, folder = %folder.display(), "the disk is not watched");
                None
            }
        });
        if let Some(file) = file {
            sentinel.watch("soak-disk", measured_from, HitchKind::Disk, move |rest| {
                thread::sleep(rest);
                let began = Instant::now();
                file.write_all_at(&PAGE, 0)?;
                file.sync_data()?;
                Ok((began, began.elapsed()))
            })?;
        }
        Ok(sentinel)
    }

    fn watch(
        &self,
        name: &str,
        measured_from: Instant,
        what: HitchKind,
        mut look: impl FnMut(Duration) -> io::Result<(Instant, Duration)> + Send + 'static,
    ) -> io::Result<()> {
        let (end, hitches) = (Arc::clone(&self.end), Arc::clone(&self.hitches));
        let work = move || {
            while !end.load(Ordering::Relaxed) {
                match look(REST) {
                    Ok((began, took)) if took >= NOTABLE => {
                        let from_s = since(measured_from, began);
                        hitches.lock().unwrap_or_else(PoisonError::into_inner).push(Hitch {
                            from_s,
                            took,
                            what,
                        });
                    }
                    Ok(_) => {}
                    Err(error) => {
                        tracing::warn!(%error, "the disk is not watched any more");
                        break;
                    }
                }
            }
        };
        thread::Builder::new().name(name.to_owned()).spawn(work).map(drop)
    }

    /// Ends it, and gives what it saw, in the order of time.
    pub(crate) fn finish(self) -> Vec<Hitch> {
        let mut hitches = std::mem::take(&mut *self.hitches.lock().unwrap_or_else(PoisonError::into_inner));
        hitches.sort_by(|one, other| one.from_s.total_cmp(&other.from_s));
        hitches
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
    }
}

/// A file that has no name any more.
fn scratch(folder: &Path) -> io::Result<File> {
    let path = folder.join(format!("load-generator-{}", std::process::id()));
    let file = OpenOptions::new().create_new(true).write(true).open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_long_is_told_with_its_time() {
        let (told, seen) = std::sync::mpsc::channel();
        let sentinel = Sentinel { end: Arc::default(), hitches: Arc::default() };
        let start = Instant::now();
        let mut took = [NOTABLE - Duration::from_millis(1), NOTABLE, Duration::from_secs(9)].into_iter();
        let look = move |_| match took.next() {
            Some(took) => Ok((start + took, took)),
            None => {
                let _ = told.send(());
                Ok((start, Duration::ZERO))
            }
        };
        sentinel.watch("test", start, HitchKind::Disk, look).unwrap();
        seen.recv().unwrap();
        let hitch = |took: Duration| Hitch { from_s: took.as_secs_f64(), took, what: HitchKind::Disk };
        assert_eq!(sentinel.finish(), [hitch(NOTABLE), hitch(Duration::from_secs(9))]);
    }

    #[test]
    fn nothing_is_left_on_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let sentinel = Sentinel::start(Some(folder.path()), Instant::now()).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        drop(sentinel);
    }
}
