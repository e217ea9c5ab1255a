//! Variants side by side.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::environment::Environment;
use crate::median::median;
use crate::report::Report;
use crate::settings::SettingsPlan;

/// Of all rounds.
#[derive(Debug, Serialize)]
pub(crate) struct SettingsReport {
    rate: Option<f64>,
    clients: Option<usize>,
    duration_s: f64,
    warmup_s: f64,
    variants: Vec<VariantReport>,
    /// In which the log was written, with settings of its own.
    environment: Environment,
}

/// One variant, over all rounds.
#[derive(Debug, Serialize)]
struct VariantReport {
    name: String,
    /// Medians of the rounds, and each figure as a multiple of the first variant's: the median of what each round says.
    open: Option<Compared>,
    closed: Option<Compared>,
    rounds: Vec<Trial>,
}

#[derive(Debug, Serialize)]
struct Compared {
    median: Figures,
    times_the_first: Figures,
}

/// One variant in one round.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Trial {
    /// What the primary was set to, as it says.
    pub(crate) settings: BTreeMap<String, String>,
    pub(crate) open: Option<Figures>,
    pub(crate) closed: Option<Figures>,
}

/// Of one load.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Figures {
    /// Requests completed, a second.
    rate: f64,
    p50_ms: f64,
    p99_ms: f64,
    p999_ms: f64,
    max_ms: f64,
    /// Rejected, failed, or given up.
    lost: f64,
    wal_mib: f64,
    checkpoints: f64,
}

impl From<&Report> for Figures {
    fn from(report: &Report) -> Self {
        let latency = report.latency.summary();
        let requests = &report.requests;
        let primary = report.servers.first();
        Self {
            rate: report.achieved_rate,
            p50_ms: latency.p50_ms.unwrap_or_default(),
            p99_ms: latency.p99_ms.unwrap_or_default(),
            p999_ms: latency.p999_ms.unwrap_or_default(),
            max_ms: latency.max_ms.unwrap_or_default(),
            lost: (requests.rejected + requests.errors + requests.timeouts) as f64,
            wal_mib: primary
                .and_then(crate::observe::ServerReport::wal_bytes)
                .map_or(f64::NAN, |bytes| bytes as f64 / f64::from(1 << 20)),
            checkpoints: primary
                .and_then(crate::observe::ServerReport::checkpoints)
                .map_or(f64::NAN, |count| count as f64),
        }
    }
}

impl Figures {
    /// Each figure from the same figures of several.
    fn each(of: &[Vec<Self>], make: impl Fn(&[f64]) -> f64) -> Vec<Self> {
        let figure = |nth: usize, get: &dyn Fn(&Self) -> f64| {
            let values: Vec<f64> = of.iter().map(|figures| get(&figures[nth])).collect();
            make(&values)
        };
        let count = of.first().map_or(0, Vec::len);
        let one = |nth| Self {
            rate: figure(nth, &|it| it.rate),
            p50_ms: figure(nth, &|it| it.p50_ms),
            p99_ms: figure(nth, &|it| it.p99_ms),
            p999_ms: figure(nth, &|it| it.p999_ms),
            max_ms: figure(nth, &|it| it.max_ms),
            lost: figure(nth, &|it| it.lost),
            wal_mib: figure(nth, &|it| it.wal_mib),
            checkpoints: figure(nth, &|it| it.checkpoints),
        };
        (0..count).map(one).collect()
    }

    fn median(rounds: &[Self]) -> Self {
        let rounds: Vec<Vec<Self>> = rounds.iter().map(|figures| vec![*figures]).collect();
        let medians = Self::each(&rounds, |values| median(values.to_vec()).unwrap_or_default());
        medians.first().copied().unwrap_or_default()
    }

    /// Round by round.
    fn times(rounds: &[Self], first: &[Self]) -> Self {
        let ratios = Self::each(&[rounds.to_vec(), first.to_vec()], |pair| pair[0] / pair[1]);
        Self::median(&ratios)
    }
}

impl SettingsReport {
    /// Trials by round, each in the order of the variants.
    pub(super) fn new(plan: &SettingsPlan, rounds: Vec<Vec<Trial>>, environment: Environment) -> Self {
        let of = |nth: usize, load: &dyn Fn(&Trial) -> Option<Figures>| {
            rounds.iter().filter_map(|round| load(round.get(nth)?)).collect::<Vec<_>>()
        };
        let compared = |nth: usize, load: &dyn Fn(&Trial) -> Option<Figures>| {
            let (rounds, first) = (of(nth, load), of(0, load));
            (!rounds.is_empty()).then(|| Compared {
                median: Figures::median(&rounds),
                times_the_first: Figures::times(&rounds, &first),
            })
        };
        let variants = plan.variants.iter().enumerate().map(|(nth, variant)| VariantReport {
            name: variant.name(),
            open: compared(nth, &|trial| trial.open),
            closed: compared(nth, &|trial| trial.closed),
            rounds: rounds.iter().filter_map(|round| round.get(nth).cloned()).collect(),
        });
        Self {
            rate: plan.rate.map(|rate| rate.per_second()),
            clients: plan.clients,
            duration_s: plan.duration.as_secs_f64(),
            warmup_s: plan.load.warmup.as_secs_f64(),
            variants: variants.collect(),
            environment,
        }
    }

    fn table(
        &self,
        f: &mut fmt::Formatter<'_>,
        title: &str,
        load: impl Fn(&VariantReport) -> Option<&Compared>,
    ) -> fmt::Result {
        writeln!(f, "{title}")?;
        let heads = ["rate", "p50", "p99", "p99.9", "longest", "lost", "WAL, MiB", "checkpoints"];
        write!(f, "  {:<36}", "")?;
        heads.iter().try_for_each(|head| write!(f, "{head:>12}"))?;
        writeln!(f)?;
        for variant in &self.variants {
            let Some(Compared { median, times_the_first }) = load(variant) else { continue };
            write!(f, "  {:<36}", variant.name)?;
            for value in [median.rate, median.p50_ms, median.p99_ms, median.p999_ms, median.max_ms] {
                write!(f, "{value:>12.2}")?;
            }
            writeln!(f, "{:>12.0}{:>12.0}{:>12.0}", median.lost, median.wal_mib, median.checkpoints)?;
            write!(f, "  {:<36}", "  times the first")?;
            let times = times_the_first;
            for value in [times.rate, times.p50_ms, times.p99_ms, times.p999_ms, times.max_ms] {
                write!(f, "{value:>12.2}")?;
            }
            writeln!(f, "{:>12}{:>12.2}", "", times.wal_mib)?;
        }
        writeln!(f)
    }
}

impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, figures) in [("open", self.open), ("closed", self.closed)] {
            if let Some(figures) = figures {
                write!(
                    f,
                    "{name} {:>8.1} /s p50 {:>7.2} p99 {:>8.2} longest {:>8.2} ms   ",
                    figures.rate, figures.p50_ms, figures.p99_ms, figures.max_ms
                )?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for SettingsReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.environment.summary())?;
        let rounds = self.variants.first().map_or(0, |variant| variant.rounds.len());
        writeln!(
            f,
            "medians of {rounds} round(s), {} s each after {} s of warm-up and a checkpoint; milliseconds\n",
            self.duration_s, self.warmup_s
        )?;
        if let Some(rate) = self.rate {
            self.table(f, &format!("{rate} requests/s"), |variant| variant.open.as_ref())?;
        }
        if let Some(clients) = self.clients {
            self.table(f, &format!("{clients} clients in a closed loop"), |variant| variant.closed.as_ref())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_taken_round_by_round() {
        let figures = |rate: f64| Figures { rate, ..Figures::default() };
        let (first, other) = ([100.0, 10.0, 50.0].map(figures), [200.0, 30.0, 50.0].map(figures));
        assert!((Figures::median(&other).rate - 50.0).abs() < 1e-9);
        // 2, 3 and 1: the ratio of the medians would be 1.
        assert!((Figures::times(&other, &first).rate - 2.0).abs() < 1e-9);
    }
}
