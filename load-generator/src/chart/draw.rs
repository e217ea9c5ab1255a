//! The inside of a chart, in the SVG's own units.

use std::cmp::Reverse;
use std::fmt;

use crate::chart::label::{escaped, short};
use crate::chart::scale::Scale;
use crate::chart::series::{COLOURS, Mark, Series};
use crate::chart::{Chart, LETTER};

pub(super) const WIDTH: f64 = 640.0;
pub(super) const HEIGHT: f64 = 290.0;
pub(super) const LEFT: f64 = 60.0;
const RIGHT: f64 = 20.0;
/// Room for the y axis's name, and below it for the names of marks.
const TOP: f64 = 44.0;
const BOTTOM: f64 = 48.0;
/// What a mark's name needs at least, so that the next one's does not touch it. On phones letters are wider.
const WIDE_LETTER: f64 = LETTER * 1.7;

/// Where values lie.
pub(super) struct Area {
    across: Scale,
    upwards: Scale,
}

impl Area {
    pub(super) fn of(chart: &Chart) -> Self {
        let points = || chart.series.iter().flat_map(|series| &series.points);
        let bars = || chart.bars.iter().filter(|bar| bar.is_finite());
        let xs = points().map(|(x, _)| *x).chain(bars().flat_map(|bar| [bar.from, bar.until]));
        let ys = points().filter_map(|(_, y)| *y).chain(bars().map(|bar| bar.y));
        Self { across: Scale::tight(&chart.x, xs), upwards: Scale::round(&chart.y, ys) }
    }

    /// What a script has to know to find values.
    pub(super) fn attributes(&self) -> String {
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        let (least, most) = (self.across.least, self.across.most);
        format!("data-plot=\"{LEFT} {right} {TOP} {bottom}\" data-x=\"{least} {most}\"")
    }

    fn x(&self, value: f64) -> f64 {
        LEFT + self.across.share(value) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - self.upwards.share(value) * (HEIGHT - TOP - BOTTOM)
    }
}

/// Everything but the frame. What is drawn later lies above.
pub(super) fn body(f: &mut fmt::Formatter<'_>, chart: &Chart, area: &Area) -> fmt::Result {
    axes(f, chart, area)?;
    bars(f, chart, area)?;
    marks(f, chart, area)?;
    for (series, colour) in chart.series.iter().zip(COLOURS.iter().copied().enumerate().cycle()) {
        line(f, series, area, colour)?;
    }
    Ok(())
}

fn axes(f: &mut fmt::Formatter<'_>, chart: &Chart, area: &Area) -> fmt::Result {
    let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
    for (value, label) in &area.upwards.ticks {
        let y = area.y(*value);
        write!(
            f,
            "<line class=\"grid\" x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{right}\" y2=\"{y:.1}\" stroke=\"#ddd\"/>"
        )?;
        let (x, y) = (LEFT - 8.0, y + 4.5);
        writeln!(f, "<text x=\"{x}\" y=\"{y:.1}\" text-anchor=\"end\">{}</text>", escaped(label))?;
    }
    for (value, label) in &area.across.ticks {
        let x = area.x(*value);
        let end = bottom + 5.0;
        write!(
            f,
            "<line class=\"grid\" x1=\"{x:.1}\" y1=\"{TOP}\" x2=\"{x:.1}\" y2=\"{end}\" stroke=\"#ddd\"/>"
        )?;
        let y = bottom + 20.0;
        // The last one would not fit if it stood in the middle.
        let (x, anchor) = if x > right - RIGHT { (WIDTH - 2.0, "end") } else { (x, "middle") };
        writeln!(f, "<text x=\"{x:.1}\" y=\"{y}\" text-anchor=\"{anchor}\">{}</text>", escaped(label))?;
    }
    let (x, y) = (f64::midpoint(LEFT, right), HEIGHT - 7.0);
    let (across, upwards) = (escaped(&chart.x.label), escaped(&chart.y.label));
    writeln!(
        f,
        "<text class=\"axis\" x=\"{x}\" y=\"{y}\" text-anchor=\"middle\" fill=\"#555\">{across}</text>"
    )?;
    writeln!(f, "<text class=\"axis\" x=\"4\" y=\"17\" fill=\"#555\">{upwards}</text>")
}

fn bars(f: &mut fmt::Formatter<'_>, chart: &Chart, area: &Area) -> fmt::Result {
    for bar in chart.bars.iter().filter(|bar| bar.is_finite()) {
        let (left, right) = (area.x(bar.from), area.x(bar.until));
        let (top, bottom) = (area.y(bar.y), HEIGHT - BOTTOM);
        // A gap between neighbours; what is little is seen all the same.
        let (width, height) = ((right - left - 1.0).max(1.0), (bottom - top).max(1.0));
        let top = bottom - height;
        write!(
            f,
            "<rect class=\"bar\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" "
        )?;
        writeln!(f, "fill=\"{}\"><title>{}</title></rect>", COLOURS[0], escaped(&bar.text))?;
    }
    Ok(())
}

/// A name is left out where it would lie on that of a mark that matters as much, or more.
fn marks(f: &mut fmt::Formatter<'_>, chart: &Chart, area: &Area) -> fmt::Result {
    let mut marks: Vec<&Mark> = chart.marks.iter().filter(|mark| mark.is_finite()).collect();
    for mark in &marks {
        writeln!(f, "<g class=\"mark {}\"><title>{}</title>", mark.tone.class(), escaped(&mark.text))?;
        mark_itself(f, mark, area)?;
        writeln!(f, "</g>")?;
    }
    marks.sort_by_key(|mark| Reverse(mark.tone));
    let mut taken: Vec<(f64, f64)> = Vec::new();
    for mark in marks.into_iter().filter(|mark| !mark.label.is_empty()) {
        let (x, width) = (area.x(mark.from), mark.label.chars().count() as f64 * WIDE_LETTER);
        // At the right edge, names end where they would begin.
        let (anchor, begin) = if x + width > WIDTH { ("end", x - width) } else { ("start", x) };
        let end = begin + width;
        if taken.iter().all(|(other_begin, other_end)| end <= *other_begin || begin >= *other_end) {
            taken.push((begin, end));
            let (y, label) = (TOP - 7.0, escaped(&mark.label));
            write!(f, "<text class=\"axis\" x=\"{x:.1}\" y=\"{y}\" ")?;
            writeln!(f, "text-anchor=\"{anchor}\" fill=\"#555\">{label}</text>")?;
        }
    }
    Ok(())
}

fn mark_itself(f: &mut fmt::Formatter<'_>, mark: &Mark, area: &Area) -> fmt::Result {
    let (left, bottom) = (area.x(mark.from), HEIGHT - BOTTOM);
    if let Some(until) = mark.until {
        let (width, height) = ((area.x(until) - left).max(2.0), bottom - TOP);
        write!(f, "<rect x=\"{left:.1}\" y=\"{TOP}\" width=\"{width:.1}\" height=\"{height}\" ")?;
        writeln!(f, "fill=\"#888\" fill-opacity=\"0.2\"/>")
    } else {
        write!(f, "<line x1=\"{left:.1}\" y1=\"{TOP}\" x2=\"{left:.1}\" y2=\"{bottom}\" ")?;
        writeln!(f, "stroke=\"#888\" stroke-dasharray=\"3 3\"/>")
    }
}

fn line(
    f: &mut fmt::Formatter<'_>,
    series: &Series,
    area: &Area,
    (nth, colour): (usize, &str),
) -> fmt::Result {
    let (dashed, dashes) = if series.is_dashed { (" dashed", " stroke-dasharray=\"6 4\"") } else { ("", "") };
    let off = if series.switch.is_some() { " off" } else { "" };
    let name = escaped(&series.name);
    write!(f, "<g class=\"series c{nth}{off}\" data-series=\"{name}\"")?;
    if let Some(operation) = &series.switch {
        write!(f, " data-operation=\"{}\"", escaped(operation))?;
    }
    write!(f, "><path class=\"line c{nth}{dashed}\" d=\"{}\" fill=\"none\" ", path(series, area))?;
    writeln!(
        f,
        "stroke=\"{colour}\" stroke-width=\"2\" stroke-linejoin=\"round\" stroke-linecap=\"round\"{dashes}/>"
    )?;
    if series.has_dots {
        for (x, y) in series.points.iter().filter_map(|(x, y)| y.map(|y| (*x, y))) {
            let (cx, cy) = (area.x(x), area.y(y));
            write!(
                f,
                "<circle class=\"dot c{nth}\" cx=\"{cx:.1}\" cy=\"{cy:.1}\" r=\"3.5\" fill=\"{colour}\">"
            )?;
            writeln!(f, "<title>{name}: {}, {}</title></circle>", short(x), short(y))?;
        }
    }
    writeln!(f, "</g>")
}

/// From point to point, anew after a gap. A point with gaps on both sides is a line to itself, which is seen as a dot.
fn path(series: &Series, area: &Area) -> String {
    let mut path = String::new();
    let mut is_under_way = false;
    for (x, y) in &series.points {
        let Some(y) = y else {
            is_under_way = false;
            continue;
        };
        let (x, y) = (area.x(*x), area.y(*y));
        let step = if is_under_way { format!("L{x:.1} {y:.1}") } else { format!("M{x:.1} {y:.1}h0") };
        path.push_str(&step);
        is_under_way = true;
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::Tone;

    #[test]
    fn a_line_begins_anew_after_a_gap() {
        let points = [(0.0, Some(1.0)), (1.0, None), (2.0, Some(1.0)), (3.0, Some(0.0))];
        let chart = Chart { series: vec![Series::with_gaps("a", points)], ..Chart::default() };
        let area = Area::of(&chart);
        assert_eq!(path(&chart.series[0], &area), "M60.0 44.0h0M433.3 44.0h0L620.0 242.0");
        assert_eq!(area.attributes(), "data-plot=\"60 620 44 242\" data-x=\"0 3\"");
    }

    #[test]
    fn names_of_marks_do_not_lie_on_each_other() {
        let series = vec![Series::new("a", [(0.0, 1.0), (100.0, 1.0)])];
        let marks = [10.0, 11.0, 50.0, 100.0].map(|at| Mark::line(at, "checkpoint")).to_vec();
        let picture = Chart { series, marks, ..Chart::default() }.to_string();
        assert_eq!(picture.matches("<title>checkpoint</title>").count(), 4);
        assert_eq!(picture.matches(">checkpoint</text>").count(), 3);
        assert!(picture.contains("text-anchor=\"end\" fill=\"#555\">checkpoint"), "{picture}");
    }

    #[test]
    fn what_is_bad_is_named_first() {
        let series = vec![Series::new("a", [(0.0, 1.0), (100.0, 1.0)])];
        let marks =
            vec![Mark::line(10.0, "checkpoint"), Mark::band(11.0, 12.0, "unreachable").toned(Tone::Bad)];
        let picture = Chart { series, marks, ..Chart::default() }.to_string();
        assert!(
            picture.contains(">unreachable</text>") && !picture.contains(">checkpoint</text>"),
            "{picture}"
        );
    }
}
