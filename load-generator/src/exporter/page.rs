//! What a scrape is answered with.

use std::collections::BTreeMap;

use prometheus::core::Collector as _;
use prometheus::{CounterVec, Encoder as _, Error, GaugeVec, Opts, TextEncoder};

/// Metrics by name. One whose name ends in `_total` is a counter.
#[derive(Debug, Default)]
pub(super) struct Page(BTreeMap<String, Family>);

#[derive(Debug)]
enum Family {
    Counter(CounterVec),
    Gauge(GaugeVec),
}

impl Page {
    /// Adds a value. What can not be is left out, and logged: a page without it is better than none.
    pub(super) fn set(&mut self, name: &str, help: &str, labels: &[(&str, &str)], value: f64) {
        if let Err(error) = self.try_set(name, help, labels, value) {
            tracing::warn!(%error, name, "a figure can not be shown");
        }
    }

    fn try_set(&mut self, name: &str, help: &str, labels: &[(&str, &str)], value: f64) -> Result<(), Error> {
        let (names, values): (Vec<&str>, Vec<&str>) = labels.iter().copied().unzip();
        if !self.0.contains_key(name) {
            let opts = Opts::new(name, help);
            let family = if name.ends_with("_total") {
                Family::Counter(CounterVec::new(opts, &names)?)
            } else {
                Family::Gauge(GaugeVec::new(opts, &names)?)
            };
            self.0.insert(name.to_owned(), family);
        }
        match self.0.get(name) {
            Some(Family::Counter(counter)) => {
                let counter = counter.get_metric_with_label_values(&values)?;
                counter.reset();
                // A server's counters count up; the library refuses others.
                counter.inc_by(value.max(0.0));
            }
            Some(Family::Gauge(gauge)) => gauge.get_metric_with_label_values(&values)?.set(value),
            None => {}
        }
        Ok(())
    }

    /// In the format of Prometheus, by name.
    pub(super) fn into_text(self) -> Vec<u8> {
        let families: Vec<_> = self
            .0
            .values()
            .flat_map(|family| match family {
                Family::Counter(counter) => counter.collect(),
                Family::Gauge(gauge) => gauge.collect(),
            })
            .collect();
        let mut text = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&families, &mut text) {
            tracing::warn!(%error, "metrics can not be encoded");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_is_a_counter_and_odd_labels_are_escaped() {
        let mut page = Page::default();
        page.set("b_bytes_total", "Bytes.", &[("server", "primary")], 3.0);
        page.set("a_rows", "Rows.", &[("table", "a\"b\n")], 1.5);
        page.set("a_rows", "Rows.", &[("table", "c")], 2.0);
        let text = String::from_utf8(page.into_text()).unwrap();
        let expected = "# HELP a_rows Rows.\n# TYPE a_rows gauge\na_rows{table=\"a\\\"b\\n\"} 1.5\na_rows{table=\"c\"} 2\n\
                        # HELP b_bytes_total Bytes.\n# TYPE b_bytes_total counter\nb_bytes_total{server=\"primary\"} 3\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_figure_with_other_labels_is_left_out() {
        let mut page = Page::default();
        page.set("a", "A.", &[("x", "1")], 1.0);
        page.set("a", "A.", &[("x", "1"), ("y", "2")], 2.0);
        assert!(String::from_utf8(page.into_text()).unwrap().ends_with("a{x=\"1\"} 1\n"));
    }
}
