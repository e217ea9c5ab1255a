//! What a run shows of itself while it goes on.
//!
//! ```text
//! run ──Tick, once a second──▶ show ─▶ screen ─▶ history ─▶ draw, chart, words ─▶ terminal
//!                                │       ▲
//!                                │      keys
//!                                └──▶ lines, where there is no screen
//! ```
//!
//! [`show`] has a thread of its own, because a terminal can be slow and the runtime's threads serve requests. It ends
//! when the channel is closed. What goes to stderr meanwhile goes through [`LogWriter`] or [`say`].

mod chart;
mod draw;
mod history;
mod keys;
mod lines;
mod log;
mod palette;
mod screen;
mod terminal;
mod words;

use std::io::IsTerminal as _;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;

use crate::histogram::LatencySummary;
use crate::report::{Requests, Second};

pub(crate) use log::{LogWriter, say};
pub(crate) use terminal::restore;

/// How a run is, told once a second.
#[derive(Debug, Clone)]
pub(crate) struct Tick {
    pub(crate) phase: Phase,
    /// Since the phase began.
    pub(crate) running: Duration,
    /// How long the phase is to last.
    pub(crate) length: Duration,
    /// Requests a second that are due now; nothing in a closed loop.
    pub(crate) target: Option<f64>,
    /// The last second. Of the warm-up too.
    pub(crate) second: Second,
    /// Everything measured so far.
    pub(crate) total: Requests,
    /// Corrected, of everything measured so far.
    pub(crate) latency: LatencySummary,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    WarmUp,
    /// Which repeat, from 1.
    Measuring {
        repeat: u32,
        of: u32,
    },
}

/// What does not change while it runs.
#[derive(Debug, Clone)]
pub(crate) struct About {
    /// `library through eventstore: ramp 100..2000/60s`
    pub(crate) title: String,
    /// `PostgreSQL 15.18 (embedded, 1 replica(s), …)`
    pub(crate) environment: String,
    /// How many requests can be under way; nothing without a limit.
    pub(crate) workers: Option<u64>,
    /// How many can wait; nothing without a queue.
    pub(crate) queue: Option<u64>,
}

/// How a run is shown, always on stderr: stdout is for reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum View {
    /// The whole terminal.
    Screen,
    /// A line after so many seconds.
    Lines { every: u64 },
}

impl View {
    /// A screen where there can be one and lines were not asked for.
    pub(crate) fn choose(no_tui: bool) -> Self {
        Surroundings {
            stdin_is_terminal: std::io::stdin().is_terminal(),
            stderr_is_terminal: std::io::stderr().is_terminal(),
            term: std::env::var("TERM").unwrap_or_default(),
            no_tui,
        }
        .view()
    }
}

/// What a view is chosen by.
#[derive(Debug, Clone)]
struct Surroundings {
    stdin_is_terminal: bool,
    stderr_is_terminal: bool,
    /// Empty where it is not set.
    term: String,
    no_tui: bool,
}

impl Surroundings {
    fn view(&self) -> View {
        // A terminal that says nothing of itself can do nothing.
        let capable = !matches!(self.term.as_str(), "" | "dumb");
        if !self.stderr_is_terminal {
            // A log file is not flooded.
            View::Lines { every: 10 }
        } else if self.stdin_is_terminal && capable && !self.no_tui {
            View::Screen
        } else {
            View::Lines { every: 1 }
        }
    }
}

/// Shows a run until the channel is closed; the terminal is as it was before when this returns.
///
/// Nothing that happens to the terminal ends the run: a screen that fails gives way to lines, and a line that can not
/// be written is lost. If the future is dropped the thread goes on until the channel is closed.
pub(crate) async fn show(view: View, about: About, ticks: UnboundedReceiver<Tick>) {
    let runtime = Handle::current();
    let (over, ended) = oneshot::channel::<()>();
    let spawned = std::thread::Builder::new().name("live view".to_owned()).spawn(move || {
        runtime.block_on(present(view, about, ticks));
        drop(over);
    });
    match spawned {
        Ok(_) => {
            // An error is the sender's end, which is what is waited for; a panic is one too.
            let _ = ended.await;
        }
        Err(error) => tracing::warn!(%error, "nothing is shown of the run"),
    }
}

async fn present(view: View, about: About, mut ticks: UnboundedReceiver<Tick>) {
    let every = match view {
        View::Screen => match screen::show(&about, &mut ticks).await {
            Ok(()) => return,
            Err(error) => {
                tracing::warn!(%error, "the screen is given up for lines");
                1
            }
        },
        View::Lines { every } => every,
    };
    lines::print(every, &mut ticks).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::histogram::Latencies;

    /// After so many seconds of a minute. 2 requests were rejected in the last second, 17 in all.
    pub(super) fn tick(after: u64) -> Tick {
        let mut latencies = Latencies::new();
        latencies.record(Duration::from_micros(1_500));
        latencies.record(Duration::from_millis(40));
        Tick {
            phase: Phase::Measuring { repeat: 1, of: 1 },
            running: Duration::from_secs(after),
            length: Duration::from_secs(60),
            target: Some(300.0),
            second: Second {
                at_s: after.saturating_sub(1),
                scheduled: 300,
                completed: 298,
                rejected: 2,
                late: 1,
                p50_ms: Some(1.5),
                p99_ms: Some(40.0),
                queued: 12,
                in_flight: 7,
                lag_ms: Some(35.0),
                own_cores: 0.8,
                primary_answers: true,
                ..Second::default()
            },
            total: Requests { scheduled: 300 * after, rejected: 17, conflicts: 5, ..Requests::default() },
            latency: latencies.summary(),
        }
    }

    #[test]
    fn a_screen_needs_a_capable_terminal_on_both_sides() {
        let best = Surroundings {
            stdin_is_terminal: true,
            stderr_is_terminal: true,
            term: "xterm-256color".to_owned(),
            no_tui: false,
        };
        assert_eq!(best.view(), View::Screen);
        for lacking in [
            Surroundings { stdin_is_terminal: false, ..best.clone() },
            Surroundings { term: "dumb".to_owned(), ..best.clone() },
            Surroundings { term: String::new(), ..best.clone() },
            Surroundings { no_tui: true, ..best },
        ] {
            assert_eq!(lacking.view(), View::Lines { every: 1 }, "{lacking:?}");
        }
    }

    #[test]
    fn without_a_terminal_lines_are_rare() {
        for no_tui in [false, true] {
            let piped = Surroundings {
                stdin_is_terminal: true,
                stderr_is_terminal: false,
                term: "xterm".to_owned(),
                no_tui,
            };
            assert_eq!(piped.view(), View::Lines { every: 10 });
        }
    }

    #[tokio::test]
    async fn it_ends_with_the_channel() {
        let (sender, ticks) = tokio::sync::mpsc::unbounded_channel();
        let about = About { title: String::new(), environment: String::new(), workers: None, queue: None };
        let shown = tokio::spawn(show(View::Lines { every: 10 }, about, ticks));
        sender.send(tick(1)).unwrap();
        drop(sender);
        shown.await.unwrap();
    }
}
