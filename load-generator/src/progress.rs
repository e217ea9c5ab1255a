//! A line each second while it runs; nothing without a terminal.

use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::MissedTickBehavior;

use crate::tally::Tally;

/// Prints until it is dropped or aborted; the caller owns the task. Harmless to abort at any time.
pub(crate) async fn print_lines(tally: Arc<Tally>, measured_from: Instant) {
    if !std::io::stderr().is_terminal() {
        return;
    }
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut before = 0;
    loop {
        ticks.tick().await;
        let Some(running) = Instant::now().checked_duration_since(measured_from) else {
            say("warming up");
            continue;
        };
        let total = tally.total();
        let latency = total.latency.summary();
        say(&format!(
            "{:>5.0} s  {:>7} req/s  p50 {:>7.2} ms  p99 {:>7.2} ms  queue {:>4}  busy {:>4}  rejected {}  errors {}  \
             timeouts {}  conflicts {}",
            running.as_secs_f64(),
            total.completed - before,
            latency.p50_ms,
            latency.p99_ms,
            tally.metrics().queue_depth(),
            tally.metrics().busy_workers(),
            tally.rejected(),
            total.errors(),
            total.timeouts,
            total.conflicts,
        ));
        before = total.completed;
    }
}

/// A closed terminal must not end the run.
fn say(line: &str) {
    drop(writeln!(std::io::stderr(), "{line}"));
}
