//! What a page's script shows of a moment that is pointed at.

use serde_json::json;

use crate::chart::{Chart, rounded};

/// Times and the values of each line at them, as JSON. All lines of the chart have the same times.
pub(super) fn values(chart: &Chart, unit: &str) -> String {
    let times = chart.series.first().map(|series| series.points()).unwrap_or_default();
    let at: Vec<f64> = times.iter().map(|(at_s, _)| *at_s).collect();
    let lines = chart.series.iter().map(|series| {
        let values: Vec<Option<f64>> = series.points().iter().map(|(_, value)| value.map(rounded)).collect();
        json!({"name": series.name(), "values": values})
    });
    json!({"unit": unit, "at": at, "lines": lines.collect::<Vec<_>>()}).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::Series;

    #[test]
    fn gaps_stay_gaps() {
        let series = vec![Series::with_gaps("p99", [(0.0, Some(1.234_56)), (1.0, None)])];
        let values = values(&Chart { series, ..Chart::default() }, "ms");
        let parsed: serde_json::Value = serde_json::from_str(&values).unwrap();
        let expected =
            json!({"unit": "ms", "at": [0.0, 1.0], "lines": [{"name": "p99", "values": [1.235, null]}]});
        assert_eq!(parsed, expected);
    }
}
