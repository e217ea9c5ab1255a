//! Keys and changes of the terminal's size.
//!
//! They are read by a thread that ends within a tenth of a second after the receiver was dropped, and that nobody waits
//! for: half of an escape sequence can hold it up.

use std::io;
use std::os::fd::AsFd as _;
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    /// `q`: the run is to end.
    End,
    /// Ctrl-C, which is no signal while there is a screen.
    Interrupt,
    /// `p`: the view is to stand still, or to go on.
    Pause,
    /// No key: the terminal has another size.
    Resized,
}

/// How long a change of size, and the end, may wait for this thread.
const WAIT: Duration = Duration::from_millis(100);

/// Listens until the receiver is dropped. The channel is closed where nothing more can be read.
pub(super) fn listen() -> io::Result<UnboundedReceiver<Key>> {
    let (sender, receiver) = unbounded_channel();
    thread::Builder::new().name("keys".to_owned()).spawn(move || {
        if let Err(error) = read(&sender) {
            tracing::warn!(%error, "keys are no longer read");
        }
    })?;
    Ok(receiver)
}

fn read(sender: &UnboundedSender<Key>) -> io::Result<()> {
    while !sender.is_closed() {
        let ready = match wait()? {
            Input::Gone => return Ok(()),
            Input::Ready => true,
            Input::Nothing => false,
        };
        let mut events = 0;
        // Asked without input too: sizes change by a signal.
        while event::poll(Duration::ZERO)? {
            events += 1;
            if let Some(key) = Key::of(&event::read()?)
                && sender.send(key).is_err()
            {
                return Ok(());
            }
        }
        if ready && events == 0 {
            // Input that is no event, and stays.
            thread::sleep(WAIT);
        }
    }
    Ok(())
}

enum Input {
    Ready,
    Nothing,
    /// The terminal was closed. Reading it would never end.
    Gone,
}

fn wait() -> io::Result<Input> {
    let stdin = io::stdin();
    let mut descriptors = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
    let timeout = PollTimeout::try_from(WAIT).expect("a tenth of a second is a time-out");
    match poll(&mut descriptors, timeout) {
        Ok(0) | Err(Errno::EINTR) => return Ok(Input::Nothing),
        Ok(_) => {}
        Err(error) => return Err(error.into()),
    }
    let gone = PollFlags::POLLHUP | PollFlags::POLLERR | PollFlags::POLLNVAL;
    let is_gone = descriptors[0].revents().is_none_or(|found| found.intersects(gone));
    Ok(if is_gone { Input::Gone } else { Input::Ready })
}

impl Key {
    fn of(event: &Event) -> Option<Self> {
        let key = match event {
            Event::Resize(..) => return Some(Self::Resized),
            Event::Key(key) if key.kind == KeyEventKind::Press => key,
            _ => return None,
        };
        let held = key.modifiers.difference(KeyModifiers::SHIFT);
        match key.code {
            KeyCode::Char('c') if held == KeyModifiers::CONTROL => Some(Self::Interrupt),
            KeyCode::Char('q' | 'Q') if held.is_empty() => Some(Self::End),
            KeyCode::Char('p' | 'P') if held.is_empty() => Some(Self::Pause),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use ratatui::crossterm::event::KeyEvent;

    use super::*;

    #[test]
    fn keys_mean_what_the_screen_says() {
        let pressed = |code, modifiers| Key::of(&Event::Key(KeyEvent::new(KeyCode::Char(code), modifiers)));
        assert_eq!(pressed('q', KeyModifiers::NONE), Some(Key::End));
        assert_eq!(pressed('P', KeyModifiers::SHIFT), Some(Key::Pause));
        assert_eq!(pressed('c', KeyModifiers::CONTROL), Some(Key::Interrupt));
        assert_eq!(pressed('c', KeyModifiers::NONE), None);
        assert_eq!(pressed('q', KeyModifiers::ALT), None);
        assert_eq!(Key::of(&Event::Resize(80, 24)), Some(Key::Resized));
    }
}
