//! The tree behind a power switch.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fuser::{Errno, INodeNo};

use super::Forgotten;
use super::tree::Tree;

/// How long the power stays off until those who have files open are gone.
const PATIENCE: Duration = Duration::from_secs(10);

/// Shared by the thread that answers the kernel and by who cuts the power.
pub(super) struct Disk {
    state: Mutex<State>,
    /// The power went off, or a file was closed.
    changed: Condvar,
}

struct State {
    tree: Tree,
    power: Power,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Power {
    On,
    /// Off with the next write.
    Failing,
    Off,
}

impl Disk {
    pub(super) fn new() -> Self {
        let state = State { tree: Tree::new(), power: Power::On };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Answers from the tree, if there is power.
    pub(super) fn with<T>(&self, answer: impl FnOnce(&mut Tree) -> Result<T, Errno>) -> Result<T, Errno> {
        answer(&mut self.powered()?.tree)
    }

    /// `is_synced` says that it must be safe when it is answered.
    pub(super) fn written(
        &self,
        number: INodeNo,
        offset: usize,
        data: &[u8],
        is_synced: bool,
    ) -> Result<(), Errno> {
        let mut state = self.powered()?;
        state.tree.write(number, offset, data)?;
        if state.power == Power::Failing {
            state.power = Power::Off;
            self.changed.notify_all();
            return if is_synced { Err(Errno::EIO) } else { Ok(()) };
        }
        if is_synced { state.tree.flush(number) } else { Ok(()) }
    }

    /// A file was closed; also without power, as whoever had it open is gone.
    pub(super) fn closed(&self, number: INodeNo) -> Result<(), Errno> {
        let closed = self.state().tree.closed(number);
        self.changed.notify_all();
        closed
    }

    /// Off with the next write, or when the patience is at its end.
    pub(super) fn cut_power(&self, patience: Duration) {
        let mut state = self.state();
        state.power = Power::Failing;
        let waited = self.changed.wait_timeout_while(state, patience, |state| state.power != Power::Off);
        waited.unwrap_or_else(PoisonError::into_inner).0.power = Power::Off;
    }

    /// On again, with what was flushed. None if somebody keeps a file open.
    pub(super) fn restore_power(&self) -> Option<Forgotten> {
        let waited = self.changed.wait_timeout_while(self.state(), PATIENCE, |state| state.tree.is_in_use());
        let (mut state, late) = waited.unwrap_or_else(PoisonError::into_inner);
        if late.timed_out() {
            return None;
        }
        state.power = Power::On;
        Some(state.tree.forget())
    }

    fn powered(&self) -> Result<MutexGuard<'_, State>, Errno> {
        let state = self.state();
        if state.power == Power::Off { Err(Errno::EIO) } else { Ok(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
