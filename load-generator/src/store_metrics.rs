//! What the store's own metrics say of a while.

use std::collections::BTreeMap;

use prometheus::Registry;
use prometheus::proto::{Histogram, Metric};

use crate::report::{Observed, StoreReport};

const POOL_WAIT: &str = "eventstore_pool_wait_seconds";
const BATCH: &str = "eventstore_append_batch_events";
const APPEND: &str = "eventstore_append_duration_seconds";
const QUERY: &str = "eventstore_query_duration_seconds";

/// Its histograms at one moment, by name and label.
#[derive(Debug, Clone, Default)]
pub(crate) struct StoreMetrics(BTreeMap<(String, String), Buckets>);

#[derive(Debug, Clone, Default, PartialEq)]
struct Buckets {
    count: u64,
    sum: f64,
    /// Up to each bound, how many.
    up_to: Vec<(f64, u64)>,
}

impl StoreMetrics {
    pub(crate) fn read(registry: &Registry) -> Self {
        let mut read = BTreeMap::new();
        for family in registry.gather() {
            let name = family.name();
            if ![POOL_WAIT, BATCH, APPEND, QUERY].contains(&name) {
                continue;
            }
            for metric in family.get_metric() {
                read.insert((name.to_owned(), label(metric)), Buckets::of(metric.get_histogram()));
            }
        }
        Self(read)
    }

    /// Nothing of an engine that has no such metrics.
    pub(crate) fn since(&self, earlier: &Self, server_ms_per_request: Option<f64>) -> Option<StoreReport> {
        let observed = |name: &str, unit: f64| -> BTreeMap<String, Observed> {
            let of_name = self.0.iter().filter(|((of, _), _)| of == name);
            of_name
                .map(|(key, now)| {
                    let before = earlier.0.get(key).cloned().unwrap_or_default();
                    (key.1.clone(), now.since(&before, unit))
                })
                .collect()
        };
        let only = |name, unit| observed(name, unit).into_values().next().unwrap_or_default();
        (!self.0.is_empty()).then(|| StoreReport {
            pool_wait: observed(POOL_WAIT, 1e3),
            batch_events: only(BATCH, 1.0),
            append_ms: only(APPEND, 1e3),
            query_ms: observed(QUERY, 1e3),
            server_ms_per_request,
        })
    }
}

/// The value of its label that is not the schema.
fn label(metric: &Metric) -> String {
    let labels = metric.get_label().iter().filter(|label| label.name() != "schema");
    labels.map(|label| label.value().to_owned()).collect::<Vec<_>>().join(" ")
}

impl Buckets {
    fn of(histogram: &Histogram) -> Self {
        let up_to = histogram.get_bucket().iter();
        Self {
            count: histogram.get_sample_count(),
            sum: histogram.get_sample_sum(),
            up_to: up_to.map(|bucket| (bucket.upper_bound(), bucket.cumulative_count())).collect(),
        }
    }

    fn since(&self, earlier: &Self, unit: f64) -> Observed {
        let count = self.count.saturating_sub(earlier.count);
        let before = |bound: f64| {
            earlier.up_to.iter().find(|(other, _)| *other == bound).map_or(0, |(_, count)| *count)
        };
        let most = count as f64 * 0.99;
        let p99 = self.up_to.iter().find(|(bound, up_to)| (up_to - before(*bound)) as f64 >= most);
        Observed {
            count,
            mean: (count > 0).then(|| (self.sum - earlier.sum) / count as f64 * unit),
            p99_below: p99.filter(|_| count > 0).map(|(bound, _)| bound * unit),
        }
    }
}

#[cfg(test)]
mod tests {
    use prometheus::{HistogramOpts, HistogramVec};

    use super::*;

    #[test]
    fn only_what_came_since_counts() {
        let registry = Registry::new();
        let options = HistogramOpts::new(POOL_WAIT, "x").buckets(vec![0.001, 0.01, 0.1]);
        let waits = HistogramVec::new(options, &["pool"]).unwrap();
        registry.register(Box::new(waits.clone())).unwrap();
        let wait = |seconds, count| {
            for _ in 0..count {
                waits.with_label_values(&["primary"]).observe(seconds);
            }
        };
        wait(0.05, 1_000);
        let earlier = StoreMetrics::read(&registry);
        wait(0.0005, 985);
        wait(0.005, 15);
        let report = StoreMetrics::read(&registry).since(&earlier, None).unwrap();
        let observed = &report.pool_wait["primary"];
        assert_eq!((observed.count, observed.p99_below), (1_000, Some(10.0)));
        assert!((observed.mean.unwrap() - 0.5675).abs() < 1e-9, "{observed:?}");
        assert!(StoreMetrics::default().since(&StoreMetrics::default(), None).is_none());
    }
}
