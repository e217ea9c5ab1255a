//! What a long load is judged by: pure, no IO.

use std::time::Duration;

use crate::figure::Unit;
use crate::histogram::Latencies;
use crate::observe::{Mark, MarkKind};
use crate::report::{Report, Second};
use crate::slo::Check;
use crate::soak::stalls::{LONG_MS, Surroundings};
use crate::soak::{Growth, Hitch, Part, Parts, Stall, Steadiness};

/// How much slower the end may be than what came after the first checkpoint.
const MOST_GROWTH: f64 = 1.5;
/// How far replicas may be behind, 99 % of the time, in milliseconds.
const MOST_LAG_MS: f64 = 10.0;
/// Of how many seconds it must be known.
const KNOWN_SHARE: f64 = 0.99;
/// Which share of blocks must be found in memory.
const LEAST_CACHE_HIT: f64 = 0.99;
const MOST_PARTS: usize = 12;

/// What the judgement is made from besides the report.
pub(crate) struct Judged<'a> {
    pub(crate) parts: &'a Parts,
    pub(crate) hitches: &'a [Hitch],
}

impl Steadiness {
    pub(crate) fn of(report: &Report, judged: &Judged<'_>) -> Self {
        let growth = growth(judged.parts, &report.marks);
        let around = Surroundings { marks: &report.marks, hitches: judged.hitches };
        let stalls = around.stalls(&report.timeline);
        let silent = report.marks.iter().filter(|mark| mark.kind == MarkKind::Unreachable && mark.is_seen());
        let mut checks = vec![
            check_end(&report.marks),
            none("times when a server did not answer within a second", silent.count() as u64),
            none("errors and time-outs", report.requests.errors + report.requests.timeouts),
            none("rejected requests", report.requests.rejected),
            check_growth(growth.as_ref()),
            check_stalls(&stalls),
        ];
        if report.environment.replicas > 0 {
            checks.push(check_lag(&report.timeline));
        }
        for server in &report.servers {
            let share = server.cache_hit();
            let limit =
                format!("blocks of {} found in its memory >= {}", server.name, percent(LEAST_CACHE_HIT));
            let held = share.is_some_and(|share| share >= LEAST_CACHE_HIT);
            checks.push(Check { limit, measured: share.map(percent), held });
        }
        Self {
            held: checks.iter().all(|check| check.held),
            checks,
            growth,
            stalls,
            parts: dozen(judged.parts),
        }
    }
}

fn none(what: &str, count: u64) -> Check {
    Check { limit: format!("no {what}"), measured: Some(count.to_string()), held: count == 0 }
}

fn check_growth(growth: Option<&Growth>) -> Check {
    let limit = format!("p99 of the end <= {MOST_GROWTH} x that of the beginning");
    let ratio = growth.and_then(Growth::ratio);
    let measured = growth.zip(ratio).map(|(growth, ratio)| {
        let say = |part: &Part| {
            let p99 = part.latency.quantile_ms(0.99);
            format!("{} in {} to {} s", Unit::Milliseconds.say(p99), part.at_s, part.until_s)
        };
        let from =
            if growth.after_checkpoint { "from the first checkpoint on" } else { "no checkpoint between" };
        format!("{ratio:.2} x: {}, {} ({from})", say(&growth.first), say(&growth.last))
    });
    Check { limit, measured, held: ratio.is_some_and(|ratio| ratio <= MOST_GROWTH) }
}

fn check_end(marks: &[Mark]) -> Check {
    let interrupted = marks.iter().find(|mark| mark.kind == MarkKind::Interrupted);
    let measured =
        interrupted.map_or_else(|| "yes".to_owned(), |mark| format!("interrupted after {:.0} s", mark.at_s));
    Check { limit: "ran to its end".to_owned(), measured: Some(measured), held: interrupted.is_none() }
}

/// In seconds that had such waits.
fn check_stalls(stalls: &[Stall]) -> Check {
    let seconds = |of: &dyn Fn(&Stall) -> bool| {
        stalls.iter().filter(|stall| of(stall)).map(|stall| stall.seconds).sum::<u64>()
    };
    let (unexplained, all) = (seconds(&|stall| stall.beside.is_empty()), seconds(&|_| true));
    Check {
        limit: format!("no second with a wait over {LONG_MS} ms that nothing was beside"),
        measured: Some(format!("{unexplained} of {all}")),
        held: unexplained == 0,
    }
}

/// A replica that the primary does not know of may be behind by anything.
fn check_lag(timeline: &[Second]) -> Check {
    let mut lags = Latencies::new();
    for ms in timeline.iter().filter_map(|second| second.lag_ms) {
        lags.record(Duration::from_secs_f64(ms.max(0.0) / 1e3));
    }
    let known = lags.count() as f64 / timeline.len().max(1) as f64;
    let p99 = lags.summary().p99_ms;
    let measured =
        p99.map(|ms| format!("{}, known in {} of the seconds", Unit::Milliseconds.say(ms), percent(known)));
    Check {
        limit: format!("p99 of the slowest replica's lag < {MOST_LAG_MS} ms"),
        measured,
        held: known >= KNOWN_SHARE && p99.is_some_and(|ms| ms < MOST_LAG_MS),
    }
}

impl Growth {
    /// Nothing where nothing was measured.
    fn ratio(&self) -> Option<f64> {
        let (first, last) = (self.first.latency.summary().p99_ms?, self.last.latency.summary().p99_ms?);
        (first > 0.0).then(|| last / first)
    }
}

/// The stretch from the begin of the first checkpoint on, or the first one if that would reach into the last stretch.
fn growth(parts: &Parts, marks: &[Mark]) -> Option<Growth> {
    let (stretch, count) = (Parts::in_a_stretch(), parts.count());
    let last = count.checked_sub(stretch)?;
    let fits = |from: &usize| from + stretch <= last;
    let checkpoints = marks.iter().filter(|mark| mark.kind == MarkKind::Checkpoint && mark.at_s >= 0.0);
    let first_checkpoint = checkpoints.map(|mark| mark.at_s).reduce(f64::min);
    let after = first_checkpoint.map(|at_s| parts.from(at_s)).filter(fits);
    let first = after.or(Some(0)).filter(fits)?;
    Some(Growth {
        after_checkpoint: after.is_some(),
        first: parts.joined(first, first + stretch),
        last: parts.joined(last, count),
    })
}

fn dozen(parts: &Parts) -> Vec<Part> {
    let each = parts.count().div_ceil(MOST_PARTS).max(1);
    let begins = (0..parts.count()).step_by(each);
    begins.map(|from| parts.joined(from, (from + each).min(parts.count()))).collect()
}

fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::ServerStats;

    fn mark(kind: MarkKind, at_s: f64, until_s: f64) -> Mark {
        Mark { at_s, until_s: Some(until_s), kind, text: format!("{kind:?}") }
    }

    fn parts(p99s: &[u64]) -> Parts {
        let mut parts = Parts::of(Duration::from_secs(p99s.len() as u64));
        for ms in p99s {
            let mut latencies = Latencies::new();
            latencies.record(Duration::from_millis(*ms));
            parts.add(&latencies);
        }
        parts.finish();
        parts
    }

    #[test]
    fn the_end_is_compared_with_what_came_after_the_first_checkpoint() {
        let mut p99s = vec![1; 5];
        p99s.extend([5; 5]);
        p99s.extend([2; 5]);
        p99s.extend([6; 5]);
        let parts = parts(&p99s);
        let ratio = |marks: &[Mark]| {
            let growth = growth(&parts, marks).unwrap();
            (growth.after_checkpoint, growth.ratio().unwrap().round())
        };
        let checkpoint = |at_s| mark(MarkKind::Checkpoint, at_s, at_s + 1.0);
        assert_eq!(ratio(&[checkpoint(-2.0), checkpoint(10.0), checkpoint(4.5)]), (true, 1.0));
        assert_eq!(ratio(&[]), (false, 6.0));
        assert_eq!(ratio(&[checkpoint(11.0)]), (false, 6.0), "it would reach into the end");
        assert!(growth(&super::tests::parts(&[1; 9]), &[]).is_none(), "too short for two stretches");
        assert!(!check_growth(None).held);
        assert!(check_growth(growth(&parts, &[checkpoint(5.0)]).as_ref()).held);
        assert!(!check_growth(growth(&parts, &[]).as_ref()).held);
    }

    #[test]
    fn each_second_with_a_long_wait_counts() {
        let stall = |seconds, beside: &[&str]| Stall {
            at_s: 0,
            seconds,
            max_ms: 200.0,
            beside: beside.iter().map(|reason| (*reason).to_owned()).collect(),
        };
        let stalls = [stall(2, &["checkpoint"]), stall(3, &[])];
        let check = check_stalls(&stalls);
        assert_eq!((check.measured.as_deref(), check.held), (Some("3 of 5"), false));
        assert!(check_stalls(&stalls[..1]).held);
    }

    /// Each check can hold, and all of them together.
    #[test]
    fn a_steady_run_holds() {
        let mut report = crate::report::sample::sample();
        report.marks = vec![mark(MarkKind::Checkpoint, 5.0, 6.0)];
        (report.requests.errors, report.requests.timeouts, report.requests.rejected) = (0, 0, 0);
        for second in &mut report.timeline {
            (second.lag_ms, second.max_ms) = (Some(1.0), Some(40.0));
        }
        for server in &mut report.servers {
            let counted = |hit| {
                Some(ServerStats { blocks_hit: Some(hit), blocks_read: Some(0), ..ServerStats::default() })
            };
            (server.before, server.after) = (counted(0), counted(1_000));
        }
        let parts = parts(&[2; 20]);
        let steadiness = Steadiness::of(&report, &Judged { parts: &parts, hitches: &[] });
        assert!(steadiness.held, "{:?}", steadiness.checks);
        assert!(steadiness.growth.unwrap().after_checkpoint && steadiness.stalls.is_empty());
    }

    #[test]
    fn lag_and_cache_are_judged_where_they_are_known() {
        let mut report = crate::report::sample::sample();
        let parts = parts(&[1; 20]);
        let judged = Judged { parts: &parts, hitches: &[] };
        let find = |report: &Report, what: &str| {
            let checks = Steadiness::of(report, &judged).checks;
            checks.into_iter().find(|check| check.limit.contains(what))
        };
        report.timeline.iter_mut().for_each(|second| second.lag_ms = Some(3.0));
        assert!(find(&report, "lag").unwrap().held);
        report.timeline.iter_mut().for_each(|second| second.lag_ms = Some(30.0));
        assert!(!find(&report, "lag").unwrap().held);
        report.timeline.iter_mut().for_each(|second| second.lag_ms = None);
        assert!(!find(&report, "lag").unwrap().held, "what was not measured holds no limit");
        let known = report.timeline.len() - 1;
        report.timeline.iter_mut().take(known).for_each(|second| second.lag_ms = Some(3.0));
        assert!(!find(&report, "lag").unwrap().held, "one of 30 seconds is too many");
        report.environment.replicas = 0;
        assert!(find(&report, "lag").is_none());
        assert!(find(&report, "primary").is_some());
        report.requests.errors = 1;
        assert!(!find(&report, "errors").unwrap().held);
        report.marks.clear();
        assert!(find(&report, "its end").unwrap().held && find(&report, "did not answer").unwrap().held);
        report.marks = vec![mark(MarkKind::Interrupted, 7.0, 7.0), mark(MarkKind::Unreachable, 3.0, 4.0)];
        assert!(!find(&report, "its end").unwrap().held && !find(&report, "did not answer").unwrap().held);
    }
}
