//! What a search for the capacity found.

use std::fmt;

use serde::Serialize;

use crate::capacity::CapacityPlan;
use crate::capacity::knee::knee;
use crate::capacity::search::{Found, Trial};
use crate::chart::{Axis, Chart, Mark, Series, Tone};
use crate::environment::Environment;
use crate::histogram::milliseconds;
use crate::median::median;
use crate::report::Report;
use crate::slo::{Check, Slo};

/// Where less than this share of what is due is completed, it is too much.
const SATURATED: f64 = 0.95;

/// Of all engines.
#[derive(Debug, Serialize)]
pub(crate) struct CapacityReport {
    slo: String,
    workers: u64,
    queue: u64,
    probe_s: f64,
    confirm_s: f64,
    engines: Vec<EngineReport>,
    environment: Environment,
}

/// Of one engine.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct EngineReport {
    engine: String,
    /// The highest rate that held; nothing if none did.
    capacity: Option<f64>,
    /// How many of the confirmation runs held.
    confirmed: u32,
    confirmations: u32,
    /// Whether it could be more: no higher rate was tried.
    is_ceiling: bool,
    /// Where latency begins to rise steeply.
    knee: Option<Knee>,
    /// In the order in which they were tried.
    probes: Vec<Probe>,
}

#[derive(Debug, Clone, Copy, Serialize)]
struct Knee {
    rate: f64,
    p99_ms: f64,
}

/// One rate that was tried.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Probe {
    pub(crate) rate: f64,
    pub(crate) achieved_rate: f64,
    pub(crate) p50_ms: Option<f64>,
    pub(crate) p99_ms: Option<f64>,
    pub(crate) p999_ms: Option<f64>,
    /// Shares of what was scheduled.
    pub(crate) rejected: f64,
    pub(crate) errors: f64,
    pub(crate) timeouts: f64,
    /// What makes it worth less.
    pub(crate) warnings: Vec<String>,
    pub(crate) is_confirmation: bool,
    pub(crate) held: bool,
    /// Those limits that broke.
    pub(crate) broken: Vec<String>,
}

impl Probe {
    pub(crate) fn of(report: &Report, slo: &Slo, trial: Trial) -> Self {
        let checked = slo.check(report);
        let say = |check: &Check| {
            format!("{} was {}", check.limit, check.measured.as_deref().unwrap_or("not measured"))
        };
        let latency = report.latency.summary();
        Self {
            rate: trial.rate,
            achieved_rate: report.achieved_rate,
            p50_ms: latency.p50_ms,
            p99_ms: latency.p99_ms,
            p999_ms: latency.p999_ms,
            rejected: report.share(report.requests.rejected),
            errors: report.share(report.requests.errors),
            timeouts: report.share(report.requests.timeouts),
            warnings: report.warnings.clone(),
            is_confirmation: trial.is_confirmation,
            held: checked.held,
            broken: checked.checks.iter().filter(|check| !check.held).map(say).collect(),
        }
    }

    /// As a share of what was scheduled.
    fn completed(&self) -> f64 {
        1.0 - self.rejected - self.errors - self.timeouts
    }
}

impl EngineReport {
    pub(crate) fn new(engine: &str, found: Found, probes: Vec<Probe>) -> Self {
        let mut report = Self {
            engine: engine.to_owned(),
            capacity: found.rate,
            confirmed: found.confirmed,
            confirmations: found.of,
            is_ceiling: found.is_ceiling,
            knee: None,
            probes,
        };
        report.knee = knee(&report.unsaturated()).map(|(rate, p99_ms)| Knee { rate, p99_ms });
        report
    }

    /// p99 at each rate up to the first that is too much. Beyond it a bounded queue keeps latency where it is, however much more is
    /// offered.
    fn unsaturated(&self) -> Vec<(f64, f64)> {
        let completed = self.curve(|probe| Some(probe.completed()));
        let first = completed.iter().find(|(_, share)| *share < SATURATED).map(|(rate, _)| *rate);
        let mut points = self.curve(|probe| probe.p99_ms);
        points.retain(|(rate, _)| first.is_none_or(|first| *rate <= first));
        points
    }

    /// Each rate with the median of a figure at it, in the order of rates.
    fn curve(&self, of: impl Fn(&Probe) -> Option<f64>) -> Vec<(f64, f64)> {
        let counted = self.probes.iter().enumerate().filter(|(nth, _)| !self.is_refuted(*nth));
        let mut points: Vec<(f64, f64)> =
            counted.filter_map(|(_, probe)| Some((probe.rate, of(probe)?))).collect();
        points.sort_by(|one, other| one.0.total_cmp(&other.0));
        let at_one_rate = points.chunk_by(|one, other| one.0 == other.0);
        let medians = at_one_rate.filter_map(|points| {
            Some((points.first()?.0, median(points.iter().map(|(_, figure)| *figure).collect())?))
        });
        medians.collect()
    }

    /// Whether it broke and the same rate held when it was tried again: something else was going on.
    fn is_refuted(&self, nth: usize) -> bool {
        let (probe, next) = (&self.probes[nth], self.probes.get(nth + 1));
        let is_strike = !probe.held && !probe.is_confirmation;
        is_strike && next.is_some_and(|next| next.held && !next.is_confirmation && next.rate == probe.rate)
    }
}

impl CapacityReport {
    pub(super) fn new(plan: &CapacityPlan, engines: Vec<EngineReport>, environment: Environment) -> Self {
        let load = plan.load.load();
        Self {
            slo: plan.slo.to_string(),
            workers: load.workers.unwrap_or_default(),
            queue: load.queue.unwrap_or_default(),
            probe_s: plan.probe.as_secs_f64(),
            confirm_s: plan.confirm_for.as_secs_f64(),
            engines,
            environment,
        }
    }

    /// Whether each engine holds the limits at some rate.
    pub(crate) fn found_all(&self) -> bool {
        self.engines.iter().all(|engine| engine.capacity.is_some())
    }

    /// Of the first engine, in requests a second.
    pub(crate) fn capacity(&self) -> Option<f64> {
        self.engines.first()?.capacity
    }

    /// Latency against rate.
    pub(crate) fn chart(&self) -> Chart {
        let series = self.engines.iter().flat_map(|engine| {
            let name = |percentile: &str| format!("{} {percentile}", engine.engine);
            [
                Series::new(name("p99"), engine.curve(|probe| probe.p99_ms)).with_dots(),
                Series::new(name("p50"), engine.curve(|probe| probe.p50_ms)).dashed(),
            ]
        });
        let marks = self.engines.iter().filter_map(|engine| {
            let rate = engine.capacity?;
            Some(Mark::line(rate, format!("{} {rate:.0} /s", engine.engine)).toned(Tone::Plain))
        });
        let knees = self
            .engines
            .iter()
            .filter_map(|engine| Some(Mark::line(engine.knee?.rate, format!("{} knee", engine.engine))));
        Chart {
            title: format!("Latency against rate; {}", self.slo),
            x: Axis::log("requests a second"),
            y: Axis::log("ms"),
            series: series.collect(),
            bars: Vec::new(),
            marks: marks.chain(knees).collect(),
        }
    }
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict =
            if self.held { "held".to_owned() } else { format!("broke: {}", self.broken.join(", ")) };
        let late = if self.warnings.is_empty() { "" } else { " (!)" };
        write!(
            f,
            "{:>8.0} /s {} p50 {} p99 {} ms  rejected {:>6.2} %  errors {:>6.2} %  {verdict}{late}",
            self.rate,
            if self.is_confirmation { "again" } else { "     " },
            milliseconds(self.p50_ms, 7),
            milliseconds(self.p99_ms, 8),
            self.rejected * 100.0,
            (self.errors + self.timeouts) * 100.0
        )
    }
}

impl fmt::Display for CapacityReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.environment.summary())?;
        writeln!(f, "limits {}; {} workers, queue {}\n", self.slo, self.workers, self.queue)?;
        for engine in &self.engines {
            writeln!(f, "{}:", engine.engine)?;
            let mut probes: Vec<&Probe> = engine.probes.iter().collect();
            probes.sort_by(|one, other| one.rate.total_cmp(&other.rate));
            for probe in &probes {
                writeln!(f, "  {probe}")?;
            }
            writeln!(f)?;
            for (rate, p99) in engine.curve(|probe| probe.p99_ms) {
                // A bar of p99: a character for each tenth of a power of ten above a tenth of a millisecond.
                let length = ((p99 / 0.1).log10() * 10.0).clamp(1.0, 60.0) as usize;
                writeln!(f, "  {rate:>8.0} /s {} {p99:.1} ms", "▇".repeat(length))?;
            }
            if let Some(knee) = engine.knee {
                writeln!(
                    f,
                    "\n  knee      {:>10.0} requests/s, where p99 is {:.2} ms",
                    knee.rate, knee.p99_ms
                )?;
            }
            match engine.capacity {
                Some(rate) => {
                    let more = if engine.is_ceiling { " or more: no higher rate was allowed" } else { "" };
                    let confirmed =
                        format!("held in {} of {} confirmations", engine.confirmed, engine.confirmations);
                    writeln!(f, "  CAPACITY  {rate:>10.0} requests/s{more} ({confirmed})\n")?;
                }
                None => writeln!(f, "  CAPACITY  none: the limits broke at every rate\n")?,
            }
            let last = engine.probes.iter().rfind(|probe| Some(probe.rate) == engine.capacity);
            for warning in last.iter().flat_map(|probe| &probe.warnings) {
                writeln!(f, "  WARNING   {warning}")?;
            }
        }
        if let [first, others @ ..] = self.engines.as_slice() {
            for other in others {
                if let (Some(one), Some(two)) = (first.capacity, other.capacity) {
                    writeln!(f, "  {} : {} = {:.2}", first.engine, other.engine, one / two)?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(rate: f64, p99_ms: f64, rejected: f64) -> Probe {
        Probe {
            rate,
            achieved_rate: rate,
            p50_ms: Some(1.0),
            p99_ms: Some(p99_ms),
            p999_ms: None,
            rejected,
            errors: 0.0,
            timeouts: 0.0,
            warnings: Vec::new(),
            is_confirmation: false,
            held: rejected < 0.01,
            broken: Vec::new(),
        }
    }

    fn found() -> Found {
        Found { rate: Some(800.0), confirmed: 0, of: 0, is_ceiling: false }
    }

    fn knee_of(probes: &[Probe]) -> Option<f64> {
        EngineReport::new("null", found(), probes.to_vec()).knee.map(|knee| knee.rate)
    }

    /// It turns up at 800 a second; beyond 1,000 a second a queue is full.
    fn curve() -> Vec<Probe> {
        let held = [(100.0, 1.0), (200.0, 1.0), (400.0, 1.0), (800.0, 1.1), (900.0, 9.0)];
        let mut probes: Vec<Probe> = held.iter().map(|(rate, p99_ms)| probe(*rate, *p99_ms, 0.0)).collect();
        probes.extend([(1_000.0, 0.2), (1_600.0, 0.5)].map(|(rate, share)| probe(rate, 90.0, share)));
        probes
    }

    #[test]
    fn rates_beyond_the_first_that_is_too_much_have_no_part_in_the_knee() {
        let points = EngineReport::new("null", found(), curve()).unsaturated();
        assert_eq!(points.last(), Some(&(1_000.0, 90.0)));
        assert_eq!(knee_of(&curve()), Some(800.0));
        // The last answers came late: a rate that is taken to the last of them is low, though nothing was lost.
        let mut late = curve();
        late[1].achieved_rate = 100.0;
        assert_eq!(knee_of(&late), Some(800.0));
        // What failed was not completed either.
        for lost in [|probe: &mut Probe| probe.errors = 0.06, |probe: &mut Probe| probe.timeouts = 0.06] {
            let mut failed = curve();
            lost(&mut failed[3]);
            let points = EngineReport::new("null", found(), failed).unsaturated();
            assert_eq!(points.last(), Some(&(800.0, 1.1)));
        }
    }

    #[test]
    fn one_strike_does_not_move_the_knee() {
        for nth in 0..5 {
            let mut struck = curve();
            struck.insert(nth, probe(struck[nth].rate, 500.0, 0.6));
            assert_eq!(knee_of(&struck), Some(800.0), "{nth}");
            // Also where confirmations of the same rate follow.
            let again =
                |held: bool, p99_ms| Probe { is_confirmation: true, held, ..probe(800.0, p99_ms, 0.0) };
            struck.extend([again(true, 1.1), again(false, 300.0), again(true, 1.1)]);
            assert_eq!(knee_of(&struck), Some(800.0), "{nth}");
        }
    }

    #[test]
    fn a_rate_that_broke_twice_counts_with_the_mean_of_both() {
        let (one, two) = (probe(100.0, 50.0, 0.5), probe(100.0, 70.0, 0.5));
        let report = EngineReport::new("null", found(), vec![one, two]);
        assert_eq!(report.curve(|probe| probe.p99_ms), [(100.0, 60.0)]);
    }
}
