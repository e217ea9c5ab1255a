//! A full terminal screen, drawn each second, after each key and when its size changes.

use std::io;

use nix::sys::signal::{Signal, raise};
use tokio::sync::mpsc::UnboundedReceiver;

use super::draw::Picture;
use super::history::History;
use super::keys::{self, Key};
use super::palette::Palette;
use super::terminal::Terminal;
use super::{About, Tick, log};

/// Lines of the log that a high screen has room for.
const LOG_LINES: usize = 4;

/// Shows the run until the channel is closed.
///
/// # Errors
///
/// Where the terminal can not be a screen, or not any longer. The terminal is as it was before in any case.
pub(super) async fn show(about: &About, ticks: &mut UnboundedReceiver<Tick>) -> io::Result<()> {
    let mut terminal = Terminal::open()?;
    let mut keys = keys::listen()?;
    let mut screen = Screen::new(about, Palette::of_environment());
    loop {
        screen.draw(&mut terminal)?;
        tokio::select! {
            tick = ticks.recv() => match tick {
                Some(tick) => screen.history.push(tick),
                None => return Ok(()),
            },
            // Closed where nothing can be read: then only the run is heard.
            Some(key) = keys.recv() => {
                if screen.press(key) == Wish::Interrupt {
                    interrupt();
                }
            }
        }
    }
}

/// What Ctrl-C does where there is no screen: the run hears it, and ends.
fn interrupt() {
    if let Err(error) = raise(Signal::SIGINT) {
        tracing::warn!(%error, "the run can not be interrupted");
    }
}

#[derive(Debug)]
struct Screen<'a> {
    about: &'a About,
    palette: Palette,
    history: History,
    /// What is shown in a pause.
    frozen: Option<History>,
    ending: bool,
}

/// What a key asks of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Nothing,
    Interrupt,
}

impl<'a> Screen<'a> {
    fn new(about: &'a About, palette: Palette) -> Self {
        Self { about, palette, history: History::default(), frozen: None, ending: false }
    }

    fn press(&mut self, key: Key) -> Wish {
        match key {
            // Once: a second interrupt would end the process without a report.
            Key::End if self.ending => Wish::Nothing,
            Key::End | Key::Interrupt => {
                self.ending = true;
                Wish::Interrupt
            }
            Key::Pause => {
                self.frozen = if self.frozen.is_some() { None } else { Some(self.history.clone()) };
                Wish::Nothing
            }
            Key::Resized => Wish::Nothing,
        }
    }

    fn draw(&self, terminal: &mut Terminal) -> io::Result<()> {
        terminal.draw(&self.picture(&log::last(LOG_LINES)))
    }

    fn picture<'p>(&'p self, log: &'p [String]) -> Picture<'p> {
        Picture {
            about: self.about,
            history: self.frozen.as_ref().unwrap_or(&self.history),
            paused: self.frozen.is_some(),
            ending: self.ending,
            log,
            palette: self.palette,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::tick;
    use super::*;

    #[test]
    fn a_pause_holds_the_view_and_not_the_history() {
        let about = About { title: String::new(), environment: String::new(), workers: None, queue: None };
        let mut screen = Screen::new(&about, Palette::Plain);
        let shown =
            |screen: &Screen<'_>| screen.picture(&[]).history.latest().map(|tick| tick.running.as_secs());
        screen.history.push(tick(1));
        assert_eq!(screen.press(Key::Pause), Wish::Nothing);
        screen.history.push(tick(2));
        assert_eq!((shown(&screen), screen.picture(&[]).paused), (Some(1), true));
        screen.press(Key::Pause);
        assert_eq!((shown(&screen), screen.picture(&[]).paused), (Some(2), false));
    }

    #[test]
    fn an_impatient_q_does_not_lose_the_report() {
        let about = About { title: String::new(), environment: String::new(), workers: None, queue: None };
        let mut screen = Screen::new(&about, Palette::Plain);
        assert_eq!(screen.press(Key::End), Wish::Interrupt);
        assert_eq!(screen.press(Key::End), Wish::Nothing);
        assert_eq!(screen.press(Key::Interrupt), Wish::Interrupt, "who insists is heard");
    }
}
