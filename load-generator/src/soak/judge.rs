//! What a long load is judged by: pure, no IO.

use std::time::Duration;

use crate::figure::Unit;
use crate::histogram::Latencies;
use crate::observe::{Mark, MarkKind};
use crate::report::{Report, Second};
use crate::slo::Check;
use crate::soak::sentinel::HitchKind;
use crate::soak::{Growth, Hitch, Part, Parts, Stall, Steadiness};

/// How much slower the end may be than what came after the first checkpoint.
const MOST_GROWTH: f64 = 1.5;
/// Who waits longer wants to know why, in milliseconds.
const LONG_MS: f64 = 100.0;
/// Which share of a long wait the machine must have stood still for to count as its reason.
const EXPLAINING_SHARE: f64 = 1.0 / 3.0;
/// Marks of the servers are exact to a second.
const MARKS_WITHIN_S: f64 = 1.0;
/// How far replicas may be behind, 99 % of the time, in milliseconds.
const MOST_LAG_MS: f64 = 10.0;
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
        let stalls = stalls(&report.timeline, &report.marks, judged.hitches);
        let mut checks = vec![
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
            if growth.after_checkpoint { "after the first checkpoint" } else { "no checkpoint between" };
        format!("{ratio:.2} x: {}, {} ({from})", say(&growth.first), say(&growth.last))
    });
    Check { limit, measured, held: ratio.is_some_and(|ratio| ratio <= MOST_GROWTH) }
}

fn check_stalls(stalls: &[Stall]) -> Check {
    let unexplained = stalls.iter().filter(|stall| stall.beside.is_empty()).count();
    Check {
        limit: format!("no wait over {LONG_MS} ms without a known reason"),
        measured: Some(format!("{unexplained} of {}", stalls.len())),
        held: unexplained == 0,
    }
}

/// Over the seconds in which the primary knew.
fn check_lag(timeline: &[Second]) -> Check {
    let mut lags = Latencies::new();
    for ms in timeline.iter().filter_map(|second| second.lag_ms) {
        lags.record(Duration::from_secs_f64(ms.max(0.0) / 1e3));
    }
    let p99 = lags.summary().p99_ms;
    Check {
        limit: format!("p99 of the slowest replica's lag < {MOST_LAG_MS} ms"),
        measured: p99.map(|ms| Unit::Milliseconds.say(ms)),
        held: p99.is_some_and(|ms| ms < MOST_LAG_MS),
    }
}

impl Growth {
    /// Nothing where nothing was measured.
    fn ratio(&self) -> Option<f64> {
        let (first, last) = (self.first.latency.summary().p99_ms?, self.last.latency.summary().p99_ms?);
        (first > 0.0).then(|| last / first)
    }
}

/// The stretch after the first checkpoint, or the first one if that would reach into the last stretch.
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

/// Each run of seconds with a request that took too long.
fn stalls(timeline: &[Second], marks: &[Mark], hitches: &[Hitch]) -> Vec<Stall> {
    let is_long = |second: &&Second| second.max_ms.is_some_and(|ms| ms > LONG_MS);
    let mut stalls: Vec<Stall> = Vec::new();
    for second in timeline.iter().filter(is_long) {
        let max_ms = second.max_ms.unwrap_or_default();
        let beside = beside(second, max_ms, marks, hitches);
        match stalls.last_mut() {
            Some(stall) if stall.at_s + stall.seconds == second.at_s => {
                stall.seconds += 1;
                stall.max_ms = stall.max_ms.max(max_ms);
                for reason in beside {
                    if !stall.beside.contains(&reason) {
                        stall.beside.push(reason);
                    }
                }
            }
            _ => stalls.push(Stall { at_s: second.at_s, seconds: 1, max_ms, beside }),
        }
    }
    stalls
}

/// What went on while the slowest request of a second waited. A checkpoint counts where it begins, as the first change of each page
/// writes the whole page to the WAL from there on, and where it ends, as it flushes what it wrote; not for the minutes between.
fn beside(second: &Second, max_ms: f64, marks: &[Mark], hitches: &[Hitch]) -> Vec<String> {
    let until = (second.at_s + 1) as f64;
    let from = second.at_s as f64 - max_ms / 1e3;
    let mut beside = Vec::new();
    let least = Duration::from_secs_f64(max_ms * EXPLAINING_SHARE / 1e3);
    for what in [HitchKind::Processor, HitchKind::Disk] {
        let at_that_time = |hitch: &&Hitch| {
            hitch.what == what && hitch.from_s < until && hitch.from_s + hitch.took.as_secs_f64() > from
        };
        let longest = hitches.iter().filter(at_that_time).map(|hitch| hitch.took).max();
        if let Some(took) = longest.filter(|took| *took >= least) {
            let ms = Unit::Milliseconds.say(took.as_secs_f64() * 1e3);
            beside.push(match what {
                HitchKind::Processor => format!("a thread that slept woke up {ms} late"),
                HitchKind::Disk => format!("a flush of one page took {ms}"),
            });
        }
    }
    let is_near = |at: f64| at > from - MARKS_WITHIN_S && at < until + MARKS_WITHIN_S;
    for mark in marks {
        let is_during = mark.at_s < until + MARKS_WITHIN_S
            && mark.until_s.is_none_or(|ended| ended > from - MARKS_WITHIN_S);
        let counts = match mark.kind {
            MarkKind::Checkpoint => is_near(mark.at_s) || mark.until_s.is_some_and(is_near),
            MarkKind::Autovacuum | MarkKind::Unreachable => is_during,
            MarkKind::Repeat | MarkKind::Interrupted => false,
        };
        if counts {
            beside.push(mark.text.clone());
        }
    }
    beside
}

fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(at_s: u64, max_ms: f64) -> Second {
        Second { at_s, max_ms: Some(max_ms), ..Second::default() }
    }

    fn mark(kind: MarkKind, at_s: f64, until_s: f64) -> Mark {
        Mark { at_s, until_s: Some(until_s), kind, text: format!("{kind:?}") }
    }

    fn hitch(what: HitchKind, from_s: f64, ms: u64) -> Hitch {
        Hitch { from_s, took: Duration::from_millis(ms), what }
    }

    fn parts(p99s: &[u64]) -> Parts {
        let mut parts = Parts::of(Duration::from_secs(p99s.len() as u64));
        for ms in p99s {
            let mut latencies = Latencies::new();
            latencies.record(Duration::from_millis(*ms));
            parts.add(&latencies);
        }
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
    fn a_long_wait_has_a_reason_only_if_something_was_beside_it() {
        let beside =
            |marks: &[Mark], hitches: &[Hitch]| beside(&second(60, 300.0), 300.0, marks, hitches).len();
        assert_eq!(beside(&[], &[]), 0);
        // The middle of a long checkpoint is no reason, its ends are.
        assert_eq!(beside(&[mark(MarkKind::Checkpoint, 20.0, 90.0)], &[]), 0);
        assert_eq!(beside(&[mark(MarkKind::Checkpoint, 20.0, 60.0)], &[]), 1);
        assert_eq!(beside(&[mark(MarkKind::Checkpoint, 61.0, 90.0)], &[]), 1);
        assert_eq!(beside(&[mark(MarkKind::Autovacuum, 20.0, 90.0)], &[]), 1);
        assert_eq!(beside(&[mark(MarkKind::Autovacuum, 20.0, 57.0)], &[]), 0);
        assert_eq!(beside(&[mark(MarkKind::Repeat, 60.0, 60.0)], &[]), 0);
        // A hitch must be long enough, and of that time.
        let disk = |from_s, ms| hitch(HitchKind::Disk, from_s, ms);
        assert_eq!(beside(&[], &[disk(60.2, 99)]), 0);
        assert_eq!(beside(&[], &[disk(60.2, 101), disk(60.5, 120)]), 1);
        assert_eq!(beside(&[], &[disk(59.0, 101)]), 0);
        assert_eq!(beside(&[], &[disk(60.2, 101), hitch(HitchKind::Processor, 60.0, 200)]), 2);
    }

    #[test]
    fn seconds_in_a_row_are_one_stall() {
        let timeline = [second(3, 120.0), second(4, 90.0), second(7, 101.0), second(8, 150.0)];
        let stalls = stalls(&timeline, &[mark(MarkKind::Autovacuum, 8.9, 9.0)], &[]);
        let told: Vec<_> = stalls
            .iter()
            .map(|stall| (stall.at_s, stall.seconds, stall.max_ms, stall.beside.len()))
            .collect();
        assert_eq!(told, [(3, 1, 120.0, 0), (7, 2, 150.0, 1)]);
        assert_eq!(check_stalls(&stalls).measured.as_deref(), Some("1 of 2"));
        assert!(!check_stalls(&stalls).held && check_stalls(&stalls[1..]).held);
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
        report.environment.replicas = 0;
        assert!(find(&report, "lag").is_none());
        assert!(find(&report, "primary").is_some());
        report.requests.errors = 1;
        assert!(!find(&report, "errors").unwrap().held);
    }
}
