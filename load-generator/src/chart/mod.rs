//! Charts of lines and bars as SVG: a part of a page, or a file of its own.
//!
//! Colours are variables of `chart.css`, so that light and dark are chosen where a chart is shown. What knows no CSS takes the
//! light ones, which are attributes too.

mod draw;
mod label;
mod scale;
mod series;

use std::fmt;

pub(crate) use label::{escaped, rounded, short, thousands};
pub(crate) use scale::{Axis, step};
pub(crate) use series::{Bar, COLOURS, Mark, Series, Tone};

use draw::{HEIGHT, LEFT, WIDTH};

/// Colours and lines, for a page that has charts in it.
pub(crate) const STYLE: &str = include_str!("chart.css");

/// How high a line of the legend is.
const ROW: f64 = 20.0;
/// Where the legend of a chart without one would be.
const BELOW_TITLE: f64 = 28.0;
/// How wide a letter is, about.
const LETTER: f64 = 7.0;

/// `Display` is for a page: without title and legend, which a page has as text of its own.
#[derive(Debug, Clone, Default)]
pub(crate) struct Chart {
    pub(crate) title: String,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    pub(crate) series: Vec<Series>,
    pub(crate) bars: Vec<Bar>,
    pub(crate) marks: Vec<Mark>,
}

/// A line of the legend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key<'a> {
    /// Of the colours of `chart.css`: class `c0` and so on.
    pub(crate) colour: usize,
    pub(crate) name: &'a str,
    pub(crate) is_dashed: bool,
    /// What shows this line; nothing where it is always shown.
    pub(crate) switch: Option<&'a str>,
}

impl Chart {
    /// Every line with its colour, also those that are not shown at first.
    pub(crate) fn legend(&self) -> Vec<Key<'_>> {
        let keys = self.series.iter().enumerate().map(|(nth, series)| Key {
            colour: nth % COLOURS.len(),
            name: &series.name,
            is_dashed: series.is_dashed,
            switch: series.switch.as_deref(),
        });
        keys.collect()
    }

    /// A file: with its title, its legend and its colours.
    pub(crate) fn standalone(&self) -> String {
        Standalone(self).to_string()
    }
}

impl fmt::Display for Chart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let area = draw::Area::of(self);
        write!(f, "<svg class=\"chart\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" ")?;
        writeln!(f, "font-family=\"sans-serif\" font-size=\"13\" {}>", area.attributes())?;
        writeln!(f, "<title>{}</title>", escaped(&self.title))?;
        draw::body(f, self, &area)?;
        writeln!(f, "</svg>")
    }
}

struct Standalone<'a>(&'a Chart);

impl fmt::Display for Standalone<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let chart = self.0;
        let legend = chart.legend();
        let shown: Vec<&Key<'_>> = legend.iter().filter(|key| key.switch.is_none()).collect();
        let places = places(&shown);
        let top = BELOW_TITLE + places.last().map_or(0.0, |(_, y)| y + ROW);
        write!(f, "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"chart\" ")?;
        write!(f, "viewBox=\"0 0 {WIDTH} {}\" role=\"img\" ", HEIGHT + top)?;
        writeln!(f, "font-family=\"sans-serif\" font-size=\"13\">")?;
        writeln!(f, "<title>{}</title>", escaped(&chart.title))?;
        writeln!(f, "<style>{STYLE}</style>")?;
        writeln!(f, "<rect class=\"paper\" width=\"100%\" height=\"100%\" fill=\"#fff\"/>")?;
        writeln!(f, "<text x=\"{LEFT}\" y=\"20\" font-size=\"15\">{}</text>", escaped(&chart.title))?;
        for (key, (x, y)) in shown.iter().zip(places) {
            let (y, colour, stroke) = (BELOW_TITLE + y + ROW / 2.0, key.colour, COLOURS[key.colour]);
            let dashed = if key.is_dashed { " dashed" } else { "" };
            write!(f, "<path class=\"line c{colour}{dashed}\" d=\"M{x:.1} {y:.1}h20\" stroke=\"{stroke}\" ")?;
            writeln!(f, "stroke-width=\"2\"/>")?;
            writeln!(f, "<text x=\"{:.1}\" y=\"{:.1}\">{}</text>", x + 26.0, y + 4.0, escaped(key.name))?;
        }
        writeln!(f, "<g transform=\"translate(0 {top})\">")?;
        draw::body(f, chart, &draw::Area::of(chart))?;
        writeln!(f, "</g>\n</svg>")
    }
}

/// Where each name of a legend begins: as many in a row as there is room for.
fn places(keys: &[&Key<'_>]) -> Vec<(f64, f64)> {
    let (mut x, mut y) = (LEFT, 0.0);
    let place = |key: &&Key<'_>| {
        let width = 44.0 + key.name.chars().count() as f64 * LETTER;
        if x > LEFT && x + width > WIDTH {
            (x, y) = (LEFT, y + ROW);
        }
        let place = (x, y);
        x += width;
        place
    };
    keys.iter().map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart() -> Chart {
        let series = vec![
            Series::new("p99 <all>", [(100.0, 2.0), (200.0, 3.0), (400.0, 90.0)]).with_dots(),
            Series::with_gaps("other", [(100.0, Some(1.0)), (200.0, None), (400.0, Some(f64::NAN))]).dashed(),
            Series::new("one", [(100.0, 5.0)]).switched_by("lend & return"),
        ];
        let marks = vec![Mark::line(100.0, "knee"), Mark::band(310.0, 390.0, "beyond").toned(Tone::Bad)];
        let title = "Latency & rate".to_owned();
        let (x, y) = (Axis::linear("requests/s"), Axis::log("ms"));
        Chart { title, x, y, series, marks, ..Chart::default() }
    }

    #[test]
    fn a_picture_has_every_line_and_mark_and_nothing_is_not_a_number() {
        let picture = chart().standalone();
        assert_eq!(picture.matches("data-series=").count(), 3);
        assert_eq!(picture.matches("<circle").count(), 3);
        assert!(picture.contains(">knee</text>") && picture.contains("<title>beyond</title>"), "{picture}");
        assert!(
            picture.contains("p99 &lt;all&gt;") && picture.contains("data-operation=\"lend &amp; return\"")
        );
        assert!(picture.contains("<style>") && picture.contains("xmlns="), "{picture}");
        for wrong in ["NaN", "inf"] {
            assert!(!picture.contains(wrong), "{picture}");
        }
    }

    #[test]
    fn nothing_makes_an_empty_chart() {
        let empty = Chart::default();
        let log = Chart { x: Axis::log("x"), y: Axis::log("y"), ..Chart::default() };
        for picture in [empty.to_string(), empty.standalone(), log.to_string()] {
            assert!(
                picture.contains("</svg>") && !picture.contains("NaN") && !picture.contains("inf"),
                "{picture}"
            );
        }
    }

    #[test]
    fn a_legend_takes_as_many_rows_as_it_needs() {
        let name = "x".repeat(40);
        let key = Key { colour: 0, name: &name, is_dashed: false, switch: None };
        let places = places(&[&key, &key, &key]);
        assert_eq!(places, [(LEFT, 0.0), (LEFT, ROW), (LEFT, 2.0 * ROW)]);
    }
}
