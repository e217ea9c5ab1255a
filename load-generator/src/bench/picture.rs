//! A picture of rates against numbers of clients, as SVG.

use std::fmt::{self, Write as _};

use crate::chart::{escaped, step, thousands};

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 120.0;
const TOP: f64 = 46.0;
const BOTTOM: f64 = 52.0;
/// Told apart also by those who see few colours (Okabe and Ito, 2008), best first.
const COLOURS: [&str; 7] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"];
/// How close the names of two lines may come.
const LINE_HEIGHT: f64 = 15.0;

/// A line for each engine; across the numbers of clients, each twice as many as far, and upwards the rate.
#[derive(Debug)]
pub(super) struct Picture {
    pub(super) title: String,
    pub(super) conditions: String,
    pub(super) lines: Vec<Line>,
}

/// One engine: numbers of clients, each with what is done a second.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) name: String,
    pub(super) points: Vec<(usize, f64)>,
}

/// Where values lie.
struct Scale {
    least: f64,
    most: f64,
    highest: f64,
    step: f64,
}

impl Scale {
    fn of(lines: &[Line]) -> Self {
        let points = || lines.iter().flat_map(|line| &line.points);
        let clients = || points().map(|(clients, _)| (*clients as f64).log2());
        let highest = points().map(|(_, rate)| *rate).fold(1.0, f64::max);
        let step = step(highest);
        Self {
            least: clients().fold(f64::INFINITY, f64::min),
            most: clients().fold(0.0, f64::max),
            highest: (highest / step).ceil() * step,
            step,
        }
    }

    fn x(&self, clients: usize) -> f64 {
        let across = (self.most - self.least).max(1.0);
        LEFT + ((clients as f64).log2() - self.least) / across * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, rate: f64) -> f64 {
        HEIGHT - BOTTOM - rate / self.highest * (HEIGHT - TOP - BOTTOM)
    }
}

impl fmt::Display for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scale = Scale::of(&self.lines);
        writeln!(
            f,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
             font-family=\"sans-serif\" font-size=\"12\">"
        )?;
        writeln!(f, "<title>{}</title>", escaped(&self.title))?;
        writeln!(f, "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>")?;
        writeln!(f, "<text x=\"{LEFT}\" y=\"18\" font-size=\"14\">{}</text>", escaped(&self.title))?;
        writeln!(f, "<text x=\"{LEFT}\" y=\"34\" fill=\"#555\">{}</text>", escaped(&self.conditions))?;
        axes(f, &scale, &self.lines)?;
        let mut taken: Vec<f64> = Vec::new();
        for (line, colour) in self.lines.iter().zip(COLOURS.iter().cycle()) {
            let points = line.points.iter().map(|(clients, rate)| (scale.x(*clients), scale.y(*rate)));
            let path = points.clone().fold(String::new(), |mut path, (x, y)| {
                let _ = write!(path, "{x:.1},{y:.1} ");
                path
            });
            writeln!(
                f,
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
                path.trim()
            )?;
            for ((x, y), (clients, rate)) in points.clone().zip(&line.points) {
                writeln!(
                    f,
                    "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"{colour}\"><title>{}, {clients} clients: {rate:.0} /s</title></circle>",
                    escaped(&line.name)
                )?;
            }
            if let Some((clients, rate)) = line.points.last() {
                let (x, y) = (scale.x(*clients), free(&taken, scale.y(*rate)));
                taken.push(y);
                writeln!(
                    f,
                    "<text x=\"{:.1}\" y=\"{:.1}\" fill=\"{colour}\">{}</text>",
                    x + 9.0,
                    y + 4.0,
                    escaped(&line.name)
                )?;
            }
        }
        writeln!(f, "</svg>")
    }
}

fn axes(f: &mut fmt::Formatter<'_>, scale: &Scale, lines: &[Line]) -> fmt::Result {
    let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
    let mut rate = 0.0;
    while rate <= scale.highest {
        let y = scale.y(rate);
        writeln!(f, "<line x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{right}\" y2=\"{y:.1}\" stroke=\"#ddd\"/>")?;
        writeln!(
            f,
            "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 8.0,
            y + 4.0,
            thousands(rate)
        )?;
        rate += scale.step;
    }
    let mut numbers: Vec<usize> =
        lines.iter().flat_map(|line| &line.points).map(|(clients, _)| *clients).collect();
    numbers.sort_unstable();
    numbers.dedup();
    for clients in numbers {
        let x = scale.x(clients);
        writeln!(f, "<text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{clients}</text>", bottom + 18.0)?;
    }
    writeln!(
        f,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">clients</text>",
        f64::midpoint(LEFT, right),
        bottom + 38.0
    )?;
    writeln!(f, "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">a second</text>", LEFT - 8.0, TOP - 8.0)
}

/// The nearest place above that is not taken: below the lowest line are the numbers of clients.
fn free(taken: &[f64], y: f64) -> f64 {
    let is_taken = |y: f64| taken.iter().any(|other| (other - y).abs() < LINE_HEIGHT);
    (0..).map(|steps| y - f64::from(steps) * 3.0).find(|y| !is_taken(*y)).unwrap_or(y)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &str, points: &[(usize, f64)]) -> Line {
        Line { name: name.to_owned(), points: points.to_vec() }
    }

    #[test]
    fn twice_the_clients_are_as_far_and_twice_the_rate_is_twice_as_high() {
        let scale = Scale::of(&[line("a", &[(1, 1_000.0), (2, 8_000.0), (4, 27_000.0)])]);
        assert_eq!(scale.highest, 30_000.0);
        assert!((scale.x(2) - scale.x(1) - (scale.x(4) - scale.x(2))).abs() < 1e-9);
        let height = |rate| scale.y(0.0) - scale.y(rate);
        assert!((height(20_000.0) - 2.0 * height(10_000.0)).abs() < 1e-9);
        assert_eq!((scale.x(1), scale.x(4), scale.y(30_000.0)), (LEFT, WIDTH - RIGHT, TOP));
    }

    #[test]
    fn every_engine_has_its_line_and_its_name_and_no_name_lies_on_another() {
        let lines = vec![line("a<b", &[(1, 10.0), (50, 20.0)]), line("c", &[(1, 11.0), (50, 20.1)])];
        let picture = Picture { title: "x & y".to_owned(), conditions: String::new(), lines }.to_string();
        assert_eq!(picture.matches("<polyline").count(), 2);
        assert!(
            picture.contains(">a&lt;b</text>") && picture.contains("<title>x &amp; y</title>"),
            "{picture}"
        );
        assert!((free(&[100.0], 101.0) - 100.0).abs() >= LINE_HEIGHT);
    }
}
