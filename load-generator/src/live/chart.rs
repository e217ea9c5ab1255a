//! Charts of the last two minutes.

use ratatui::Frame;
use ratatui::layout::{Alignment, Rect};
use ratatui::style::Style;
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Axis, Block, Borders, Chart, Dataset, GraphType};

use super::history::History;
use super::palette::Palette;

/// The least height that has room for what the time axis is.
const WITH_TIME: u16 = 9;

/// The shortest latency told apart, in milliseconds.
const SHORTEST_MS: f64 = 0.001;

/// p50 and p99 of each second; the scale is logarithmic.
pub(super) fn latency(frame: &mut Frame<'_>, area: Rect, history: &History, palette: Palette) {
    let logarithm = |ms: Option<f64>| ms.map(|ms| ms.max(SHORTEST_MS).log10());
    let p50 = history.points(|second| logarithm(second.p50_ms));
    let p99 = history.points(|second| logarithm(second.p99_ms));
    let (low, high) = decades(p50.iter().chain(&p99).map(|point| point.1));
    // Each decade, where there is room.
    let labels: Vec<String> = if high - low < i32::from(area.height) / 2 {
        (low..=high).map(decade).collect()
    } else {
        vec![decade(low), decade(high)]
    };
    Plot {
        names: ["latency: p50", "p99"],
        curves: [&p50, &p99],
        bounds: [f64::from(low), f64::from(high)],
        labels,
    }
    .render(frame, area, history.span(), palette);
}

/// Completed and offered requests of each second, from 0.
pub(super) fn rate(frame: &mut Frame<'_>, area: Rect, history: &History, palette: Palette) {
    let completed = history.points(|second| Some(second.completed as f64));
    let offered = history.points(|second| Some(second.scheduled as f64));
    let top = round_up(completed.iter().chain(&offered).map(|point| point.1).fold(0.0, f64::max));
    Plot {
        names: ["requests/s: completed", "offered"],
        curves: [&completed, &offered],
        bounds: [0.0, top],
        labels: [0.0, top / 2.0, top].map(short).to_vec(),
    }
    .render(frame, area, history.span(), palette);
}

struct Plot<'a> {
    names: [&'a str; 2],
    curves: [&'a [(f64, f64)]; 2],
    bounds: [f64; 2],
    labels: Vec<String>,
}

impl Plot<'_> {
    fn render(self, frame: &mut Frame<'_>, area: Rect, span: f64, palette: Palette) {
        let [first, second] = [palette.first_curve(), palette.second_curve()];
        let [name, other_name] = self.names;
        let title = Line::from(vec![
            Span::styled(format!(" {name} "), first.0),
            Span::styled(format!("{other_name} "), second.0),
        ]);
        let [curve, other_curve] = self.curves;
        // The first one is drawn over the other.
        let datasets = vec![dataset(other_curve, second), dataset(curve, first)];
        let mut time = Axis::default().bounds([1.0 - span, 0.0]).style(palette.faint());
        if area.height >= WITH_TIME {
            time = time
                .labels([format!("{span:.0} s ago"), "now".to_owned()])
                .labels_alignment(Alignment::Right);
        }
        let values = Axis::default()
            .bounds(self.bounds)
            .labels(self.labels)
            .labels_alignment(Alignment::Right)
            .style(palette.faint());
        let block = Block::new().borders(Borders::TOP).border_style(palette.faint()).title(title);
        let chart = Chart::new(datasets).block(block).x_axis(time).y_axis(values).legend_position(None);
        frame.render_widget(chart, area);
    }
}

fn dataset(points: &[(f64, f64)], (style, marker): (Style, Marker)) -> Dataset<'_> {
    Dataset::default().data(points).graph_type(GraphType::Line).marker(marker).style(style)
}

/// The powers of ten around all of these logarithms; never the same one twice.
fn decades(logarithms: impl Iterator<Item = f64>) -> (i32, i32) {
    let (low, high) = logarithms
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (value.min(low), value.max(high)));
    if low > high {
        return (0, 2);
    }
    let low = low.floor() as i32;
    (low, (high.ceil() as i32).max(low + 1))
}

/// So many times ten milliseconds.
fn decade(exponent: i32) -> String {
    match exponent {
        ..0 => format!("{:.*} ms", exponent.unsigned_abs() as usize, 10f64.powi(exponent)),
        0..3 => format!("{:.0} ms", 10f64.powi(exponent)),
        3.. => format!("{:.0} s", 10f64.powi(exponent - 3)),
    }
}

/// 1, 2 or 5 and zeros; 10 at least.
fn round_up(value: f64) -> f64 {
    if value <= 10.0 {
        return 10.0;
    }
    let magnitude = 10f64.powf(value.log10().floor());
    [1.0, 2.0, 5.0]
        .into_iter()
        .map(|step| step * magnitude)
        .find(|top| *top >= value)
        .unwrap_or(10.0 * magnitude)
}

fn short(value: f64) -> String {
    if value >= 10_000.0 { format!("{}k", value / 1e3) } else { value.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_hold_what_they_have_to() {
        assert_eq!(decades([0.2, 1.6].into_iter()), (0, 2));
        assert_eq!(decades([-0.7].into_iter()), (-1, 0));
        assert_eq!(decades([1.0].into_iter()), (1, 2));
        assert_eq!(decades(std::iter::empty()), (0, 2));
        assert_eq!([-2, 0, 2, 4].map(decade), ["0.01 ms", "1 ms", "100 ms", "10 s"]);
        assert_eq!([0.0, 11.0, 300.0, 900.0].map(round_up), [10.0, 20.0, 500.0, 1000.0]);
        assert_eq!([2.5, 500.0, 25_000.0].map(short), ["2.5", "500", "25k"]);
    }
}
