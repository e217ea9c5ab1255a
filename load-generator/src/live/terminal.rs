//! The terminal, as a screen. It is as before when that is dropped, after a panic anywhere, and after [`restore`].

use std::io::{self, BufWriter, Stderr};
use std::mem::ManuallyDrop;
use std::panic;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};

use super::draw::{self, Picture};
use super::log;

/// Whether the terminal is a screen now.
static UP: AtomicBool = AtomicBool::new(false);

/// A screen on stderr.
pub(super) struct Terminal {
    /// Its own drop panics where stderr is closed; all that it does is done by [`restore`].
    inner: ManuallyDrop<ratatui::Terminal<CrosstermBackend<BufWriter<Stderr>>>>,
    _raised: Raised,
}

impl Terminal {
    pub(super) fn open() -> io::Result<Self> {
        let raised = Raised::raise()?;
        // Without a buffer each cell would be a write of its own.
        let backend = CrosstermBackend::new(BufWriter::new(io::stderr()));
        Ok(Self { inner: ManuallyDrop::new(ratatui::Terminal::new(backend)?), _raised: raised })
    }

    /// # Errors
    ///
    /// Where the terminal takes no more, and where it is no screen any more because of a panic elsewhere.
    pub(super) fn draw(&mut self, picture: &Picture<'_>) -> io::Result<()> {
        if !UP.load(Ordering::SeqCst) {
            return Err(io::Error::other("the terminal was taken back"));
        }
        self.inner.draw(|frame| draw::draw(frame, picture))?;
        Ok(())
    }
}

/// Makes the terminal what it was before, and prints the lines that were kept. Does nothing where there is no screen: for
/// whoever ends the process without unwinding.
pub(crate) fn restore() {
    if UP.swap(false, Ordering::SeqCst) {
        // The terminal may be gone.
        drop(disable_raw_mode());
        drop(execute!(io::stderr(), LeaveAlternateScreen, Show));
        log::release();
    }
}

/// Restores on drop.
struct Raised;

impl Raised {
    fn raise() -> io::Result<Self> {
        restore_on_panic();
        enable_raw_mode()?;
        UP.store(true, Ordering::SeqCst);
        log::hold();
        // What fails from here on is undone by its drop.
        let raised = Self;
        execute!(io::stderr(), EnterAlternateScreen)?;
        Ok(raised)
    }
}

impl Drop for Raised {
    fn drop(&mut self) {
        restore();
    }
}

/// The message of a panic is to be read.
fn restore_on_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let earlier = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            restore();
            earlier(info);
        }));
    });
}
