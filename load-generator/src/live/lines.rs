//! A line each second while it runs, or every so many seconds: then the rate is the mean of those seconds, and the
//! percentiles are those of the worst of them.

use tokio::sync::mpsc::UnboundedReceiver;

use super::{Phase, Tick, log};
use crate::histogram::milliseconds;

/// Prints until the channel is closed.
pub(super) async fn print(every: u64, ticks: &mut UnboundedReceiver<Tick>) {
    let mut lines = Lines::new(every);
    while let Some(tick) = ticks.recv().await {
        if let Some(line) = lines.after(&tick) {
            log::say(&line);
        }
    }
}

struct Lines {
    every: u64,
    phase: Option<Phase>,
    since: Since,
}

/// What was since the line before.
#[derive(Debug, Clone, Copy, Default)]
struct Since {
    seconds: f64,
    completed: u64,
    p50_ms: Option<f64>,
    p99_ms: Option<f64>,
}

impl Lines {
    fn new(every: u64) -> Self {
        Self { every: every.max(1), phase: None, since: Since::default() }
    }

    /// The line that is due after this second, if one is. None is after what is left of a second at the end.
    fn after(&mut self, tick: &Tick) -> Option<String> {
        if self.phase != Some(tick.phase) {
            (self.phase, self.since) = (Some(tick.phase), Since::default());
        }
        self.since.add(tick);
        (self.since.seconds >= self.every as f64).then(|| std::mem::take(&mut self.since).line(tick))
    }
}

impl Since {
    fn add(&mut self, tick: &Tick) {
        self.seconds += tick.second.length_s.seconds();
        self.completed += tick.second.completed;
        self.p50_ms = worse(self.p50_ms, tick.second.p50_ms);
        self.p99_ms = worse(self.p99_ms, tick.second.p99_ms);
    }

    fn line(&self, tick: &Tick) -> String {
        let which = match tick.phase {
            Phase::WarmUp => return "warming up".to_owned(),
            Phase::Measuring { of: 1, .. } => String::new(),
            Phase::Measuring { repeat, of } => format!("{repeat}/{of} "),
        };
        let (second, total) = (&tick.second, &tick.total);
        let mut line = format!(
            "{which}{:>5.0} s  {:>7.0} req/s  p50 {} ms  p99 {} ms  queue {:>4}  in flight {:>4}  rejected {}  \
             errors {}  timeouts {}  conflicts {}",
            tick.running.as_secs_f64(),
            self.completed as f64 / self.seconds,
            milliseconds(self.p50_ms, 7),
            milliseconds(self.p99_ms, 7),
            second.queued,
            second.in_flight,
            total.rejected,
            total.errors,
            total.timeouts,
            total.conflicts,
        );
        if let Some(lag) = second.lag_ms {
            line += &format!("  lag {lag:.0} ms");
        }
        if !second.primary_answers {
            line += "  the primary does not answer";
        }
        line
    }
}

fn worse(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.max(other)),
        _ => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::tests::tick;
    use super::*;
    use crate::report::Length;

    #[test]
    fn a_line_has_the_second_and_the_counts_so_far() {
        let line = Lines::new(1).after(&tick(3)).unwrap();
        assert!(line.contains("    3 s      298 req/s  p50    1.50 ms  p99   40.00 ms"), "{line}");
        assert!(
            line.contains("in flight    7  rejected 17") && line.ends_with("conflicts 5  lag 35 ms"),
            "{line}"
        );
    }

    #[test]
    fn a_rare_line_has_the_mean_rate_and_the_worst_second() {
        let mut lines = Lines::new(3);
        let mut slow = tick(2);
        (slow.second.completed, slow.second.p99_ms, slow.second.p50_ms) = (1, Some(900.0), None);
        assert_eq!(lines.after(&tick(1)), None);
        assert_eq!(lines.after(&slow), None);
        let line = lines.after(&tick(3)).unwrap();
        assert!(line.contains("199 req/s  p50    1.50 ms  p99  900.00 ms"), "{line}");
        assert_eq!(lines.after(&tick(4)), None, "it begins anew");
    }

    #[test]
    fn what_is_left_of_a_second_has_no_line() {
        let mut lines = Lines::new(1);
        let mut rest = tick(3);
        rest.second.length_s = Length::of(Duration::from_millis(20));
        assert!(lines.after(&tick(2)).is_some());
        assert_eq!(lines.after(&rest), None);
    }

    #[test]
    fn a_phase_begins_anew_and_says_which_it_is() {
        let mut lines = Lines::new(2);
        let warm_up = Tick { phase: Phase::WarmUp, ..tick(1) };
        let second_of_three = Tick { phase: Phase::Measuring { repeat: 2, of: 3 }, ..tick(1) };
        assert_eq!(lines.after(&warm_up), None);
        assert_eq!(lines.after(&warm_up).as_deref(), Some("warming up"));
        assert_eq!(lines.after(&warm_up), None);
        assert_eq!(lines.after(&second_of_three), None);
        assert!(lines.after(&second_of_three).unwrap().starts_with("2/3 "));
    }

    #[test]
    fn a_primary_that_is_gone_is_said() {
        let mut silent = tick(1);
        silent.second.primary_answers = false;
        assert!(Lines::new(1).after(&silent).unwrap().ends_with("the primary does not answer"));
    }
}
