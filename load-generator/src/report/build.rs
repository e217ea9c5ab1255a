//! How a result is put together from what was measured.

use std::time::Duration;

use crate::counts::Counts;
use crate::environment::Environment;
use crate::load::Measured;
use crate::observe::{Mark, MarkKind, ServerReport};
use crate::own::OwnCost;
use crate::plan::Plan;
use crate::report::{FORMAT, Repeat, Report, Staleness, StoreReport};
use crate::soak::{Judged, Steadiness};
use crate::tally::{LATE, Offers};

/// From which share of all processors on this process is what limits the load.
const MOST_OWN_SHARE: f64 = 0.8;
/// And of how many seconds, as a share.
const MANY_SECONDS: f64 = 0.1;
/// From which share of failed requests on latencies are mostly of something else than answers.
const MANY_FAILED: f64 = 0.01;
/// Below this share of commands that write what they were asked for, figures are mostly of refusals.
const FEW_EFFECTIVE: f64 = 0.5;

/// What is known of a run besides what its loads came to.
pub(crate) struct Circumstances {
    pub(crate) environment: Environment,
    pub(crate) servers: Vec<ServerReport>,
    pub(crate) store: Option<StoreReport>,
}

impl Circumstances {
    /// Of a load whose latencies and counts are all that is looked at.
    pub(crate) fn of_probe(environment: Environment) -> Self {
        Self { environment, servers: Vec::new(), store: None }
    }
}

impl Report {
    /// Of at least one load; several are repeats of the same.
    pub(crate) fn new(plan: &Plan, loads: &[Measured], of: Circumstances) -> Self {
        let mut counts = Counts::default();
        let mut offers = Offers::default();
        let (mut offered_for, mut lasted) = (Duration::ZERO, Duration::ZERO);
        let (mut timeline, mut marks) = (Vec::new(), Vec::new());
        for (load, nth) in loads.iter().zip(1_usize..) {
            let began = timeline.len() as f64;
            if loads.len() > 1 {
                let text = format!("repeat {nth}");
                marks.push(Mark { at_s: began, until_s: None, kind: MarkKind::Repeat, text });
            }
            timeline.extend(load.timeline.iter().cloned());
            let ended = timeline.len() as f64;
            // A warm-up between two repeats is not on the line of time, and nothing is open beyond its repeat.
            let seen = load.marks.iter().filter(|mark| nth == 1 || mark.is_seen()).map(|mark| Mark {
                at_s: if nth == 1 { mark.at_s } else { mark.at_s.max(0.0) },
                until_s: mark.until_s.or((nth < loads.len()).then_some(ended - began)),
                ..mark.clone()
            });
            marks.extend(seen.map(|mark| mark.later(began)));
            counts.merge(&load.counts);
            offers.merge(&load.offers);
            offered_for += load.offered_for;
            lasted += load.lasted;
        }
        if loads.iter().any(|load| load.is_interrupted) {
            let at_s = timeline.len() as f64;
            let text = "interrupted".to_owned();
            marks.push(Mark { at_s, until_s: None, kind: MarkKind::Interrupted, text });
        }
        let repeats = if loads.len() > 1 { loads.iter().map(Repeat::of).collect() } else { Vec::new() };
        let mut report = Self {
            format: FORMAT.to_owned(),
            started_at: loads
                .first()
                .map_or_else(String::new, |load| humantime::format_rfc3339_millis(load.started).to_string()),
            scenario: "library".to_owned(),
            engine: plan.engine.as_str().to_owned(),
            load: plan.load(),
            offered_rate: a_second(offers.measured.scheduled, offered_for),
            achieved_rate: a_second(counts.completed, lasted),
            duration_s: lasted.as_secs_f64(),
            requests: crate::collector::requests(offers.measured, &counts),
            effective_share: counts.effective_share(),
            latency: counts.latency,
            service: counts.service,
            queue_wait: counts.queue_wait,
            schedule_error: offers.schedule_error,
            operations: counts
                .operations
                .into_iter()
                .map(|(operation, counts)| (operation.as_str().to_owned(), counts))
                .collect(),
            late_starts: offers.measured.late,
            errors: counts.error_kinds.into_values().collect(),
            // Without replicas the primary answers, which is not old.
            staleness: if of.environment.replicas > 0 { counts.staleness } else { Staleness::default() },
            store: of.store,
            servers: of.servers,
            own: OwnCost::sum(loads.iter().map(|load| &load.own)),
            timeline,
            marks,
            repeats,
            slo: None,
            steadiness: None,
            warnings: Vec::new(),
            environment: of.environment,
            audit: None,
        };
        report.warnings = report.doubts();
        report.slo = plan.slo.as_ref().map(|slo| slo.check(&report));
        // A soak is one load.
        report.steadiness = loads.first().and_then(|load| {
            let judged = Judged { parts: load.parts.as_ref()?, hitches: &load.hitches };
            Some(Steadiness::of(&report, &judged))
        });
        report
    }

    /// What makes the figures worth less.
    fn doubts(&self) -> Vec<String> {
        let mut doubts = Vec::new();
        let late_ms = LATE.as_secs_f64() * 1e3;
        let error = self.schedule_error.summary().p99_ms.unwrap_or_default();
        if error > late_ms {
            doubts.push(format!(
                "the schedule was not kept: 1 % of the requests were offered {error:.1} ms late or more, as this machine has too \
                 little time for it; latencies have that in them"
            ));
        }
        let most_cores = MOST_OWN_SHARE * self.environment.cpus as f64;
        let busy = self.timeline.iter().filter(|second| second.own_cores >= most_cores).count();
        if self.own.cpu_share > MOST_OWN_SHARE || busy as f64 > self.timeline.len() as f64 * MANY_SECONDS {
            doubts.push(format!(
                "the load generator itself used {:.0} % of all processors, and {:.0} % or more in {busy} second(s): it limits what \
                 was measured",
                self.own.cpu_share * 100.0,
                MOST_OWN_SHARE * 100.0
            ));
        }
        let failed = self.share(self.requests.errors + self.requests.timeouts);
        if failed >= MANY_FAILED {
            doubts.push(format!(
                "{:.1} % of the requests failed: latencies have how long these took in them, so limit errors and timeouts too",
                failed * 100.0
            ));
        }
        if self.effective_share.is_some_and(|share| share < FEW_EFFECTIVE) {
            doubts.push(
                "less than half of the commands wrote what they were asked for: the figures are mostly of refusals"
                    .to_owned(),
            );
        }
        let silent: Vec<String> =
            self.marks.iter().filter(|mark| mark.kind == MarkKind::Unreachable).map(said).collect();
        if !silent.is_empty() {
            doubts.push(silent.join(", "));
        }
        if self.requests.scheduled > 0 && self.requests.completed == 0 {
            doubts.push("no request was completed".to_owned());
        }
        doubts
    }
}

impl Repeat {
    fn of(load: &Measured) -> Self {
        Self {
            offered_rate: a_second(load.offers.measured.scheduled, load.offered_for),
            achieved_rate: a_second(load.counts.completed, load.lasted),
            requests: crate::collector::requests(load.offers.measured, &load.counts),
            latency: load.counts.latency.clone(),
            service: load.counts.service.clone(),
        }
    }
}

impl Offers {
    fn merge(&mut self, other: &Self) {
        self.warmup = self.warmup.plus(other.warmup);
        self.measured = self.measured.plus(other.measured);
        self.schedule_error.merge(&other.schedule_error);
    }
}

/// What happened, and when.
fn said(mark: &Mark) -> String {
    let until = mark.until_s.map_or_else(|| "the end".to_owned(), |until| format!("{until:.0} s"));
    format!("{} from {:.0} s to {until}", mark.text, mark.at_s)
}

fn a_second(count: u64, during: Duration) -> f64 {
    let seconds = during.as_secs_f64();
    if seconds > 0.0 { count as f64 / seconds } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use crate::report::sample::sample;

    #[test]
    fn refusals_that_write_events_are_not_said_to_write_nothing() {
        let mut report = sample();
        report.effective_share = Some(0.4);
        let doubts = report.doubts();
        let expected = "less than half of the commands wrote what they were asked for: the figures are mostly of refusals";
        assert!(doubts.iter().any(|doubt| doubt == expected), "{doubts:?}");
        report.effective_share = Some(0.5);
        assert!(!report.doubts().iter().any(|doubt| doubt == expected));
    }
}
