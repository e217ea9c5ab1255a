//! A line each second while it runs; nothing without a terminal.

use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::MissedTickBehavior;

use crate::histogram::milliseconds;
use crate::tally::Tally;

/// Prints until it is dropped or aborted; the caller owns the task. Harmless to abort at any time.
pub(crate) async fn print_lines(tally: Arc<Tally>, measured_from: Instant) {
    if !std::io::stderr().is_terminal() {
        return;
    }
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let (mut before, mut counted_at) = (tally.total(), measured_from);
    loop {
        ticks.tick().await;
        let Some(running) = Instant::now().checked_duration_since(measured_from) else {
            say("warming up");
            continue;
        };
        let (total, now) = (tally.total(), Instant::now());
        // Since the line before: a stall shows when it happens, and does not drown in what went before.
        let latency = total.latency.since(&before.latency).summary();
        let rate = (total.completed - before.completed) as f64 / (now - counted_at).as_secs_f64().max(1e-3);
        say(&format!(
            "{:>5.0} s  {rate:>7.0} req/s  p50 {} ms  p99 {} ms  queue {:>4}  busy {:>4}  rejected {}  errors {}  \
             timeouts {}  conflicts {}",
            running.as_secs_f64(),
            milliseconds(latency.p50_ms, 7),
            milliseconds(latency.p99_ms, 7),
            tally.metrics().queue_depth(),
            tally.metrics().busy_workers(),
            tally.rejected(),
            total.errors(),
            total.timeouts,
            total.conflicts,
        ));
        (before, counted_at) = (total, now);
    }
}

/// A closed terminal must not end the run.
fn say(line: &str) {
    drop(writeln!(std::io::stderr(), "{line}"));
}
