//! What is drawn: lines, bars and marks.

/// Told apart also by those who see few colours (Okabe and Ito, 2008). Those of `chart.css` in light.
pub(crate) const COLOURS: [&str; 7] =
    ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"];

/// A line.
#[derive(Debug, Clone)]
pub(crate) struct Series {
    pub(super) name: String,
    /// In the order of x; where there is no y, the line is broken.
    pub(super) points: Vec<(f64, Option<f64>)>,
    pub(super) is_dashed: bool,
    pub(super) has_dots: bool,
    /// What shows it; nothing where it is always shown.
    pub(super) switch: Option<String>,
}

impl Series {
    pub(crate) fn new(name: impl Into<String>, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        Self::with_gaps(name, points.into_iter().map(|(x, y)| (x, Some(y))))
    }

    /// A line that is broken where there is no y.
    pub(crate) fn with_gaps(
        name: impl Into<String>,
        points: impl IntoIterator<Item = (f64, Option<f64>)>,
    ) -> Self {
        let points = points.into_iter().filter(|(x, _)| x.is_finite());
        let points = points.map(|(x, y)| (x, y.filter(|y| y.is_finite()))).collect();
        Self { name: name.into(), points, is_dashed: false, has_dots: false, switch: None }
    }

    pub(crate) fn dashed(self) -> Self {
        Self { is_dashed: true, ..self }
    }

    /// A dot at each point, that says what it is.
    pub(crate) fn with_dots(self) -> Self {
        Self { has_dots: true, ..self }
    }

    /// Not shown until a page's script shows what has this as `data-operation`.
    pub(crate) fn switched_by(self, operation: impl Into<String>) -> Self {
        Self { switch: Some(operation.into()), ..self }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn points(&self) -> &[(f64, Option<f64>)] {
        &self.points
    }
}

/// A bar from one x to another.
#[derive(Debug, Clone)]
pub(crate) struct Bar {
    pub(crate) from: f64,
    pub(crate) until: f64,
    pub(crate) y: f64,
    /// Said when it is pointed at.
    pub(crate) text: String,
}

impl Bar {
    pub(super) fn is_finite(&self) -> bool {
        self.from.is_finite() && self.until.is_finite() && self.y.is_finite()
    }
}

/// A place on the x axis: a line, or a band if it has an end.
#[derive(Debug, Clone)]
pub(crate) struct Mark {
    pub(super) from: f64,
    pub(super) until: Option<f64>,
    pub(super) label: String,
    /// Said when it is pointed at.
    pub(super) text: String,
    pub(super) tone: Tone,
}

/// How much a mark is to be seen, from least to most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) enum Tone {
    /// What is usual.
    #[default]
    Quiet,
    /// Something ends or begins.
    Plain,
    Bad,
}

impl Mark {
    pub(crate) fn line(at: f64, label: impl Into<String>) -> Self {
        let label = label.into();
        Self { from: at, until: None, text: label.clone(), label, tone: Tone::default() }
    }

    pub(crate) fn band(from: f64, until: f64, label: impl Into<String>) -> Self {
        Self { until: Some(until), ..Self::line(from, label) }
    }

    pub(crate) fn toned(self, tone: Tone) -> Self {
        Self { tone, ..self }
    }

    /// What is said when it is pointed at, if that is more than its label.
    pub(crate) fn saying(self, text: impl Into<String>) -> Self {
        Self { text: text.into(), ..self }
    }

    pub(super) fn is_finite(&self) -> bool {
        self.from.is_finite() && self.until.is_none_or(f64::is_finite)
    }
}

impl Tone {
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Quiet => "quiet",
            Self::Plain => "plain",
            Self::Bad => "bad",
        }
    }
}
