//! Where everything is on the screen.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::symbols::line::{HORIZONTAL, THICK_HORIZONTAL};
use ratatui::text::Line;
use ratatui::widgets::LineGauge;

use super::history::History;
use super::palette::Palette;
use super::{About, Tick, chart, words};

/// A smaller screen has one line.
const LEAST: (u16, u16) = (50, 12);

/// From this width on there are two charts, and from this height on the environment is shown.
const BOTH_CHARTS: u16 = 76;
const WITH_ENVIRONMENT: u16 = 20;

/// From this height on there is room for all lines of the log that are given.
const WITH_LOG: u16 = 30;

/// What is drawn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Picture<'a> {
    pub(super) about: &'a About,
    pub(super) history: &'a History,
    pub(super) paused: bool,
    pub(super) ending: bool,
    /// Oldest first.
    pub(super) log: &'a [String],
    pub(super) palette: Palette,
}

pub(super) fn draw(frame: &mut Frame<'_>, picture: &Picture<'_>) {
    let area = frame.area();
    let Picture { about, history, palette, .. } = *picture;
    if area.width < LEAST.0 || area.height < LEAST.1 {
        frame.render_widget(words::shortest(picture), area);
        return;
    }
    let log = if area.height < WITH_LOG {
        &picture.log[picture.log.len().saturating_sub(1)..]
    } else {
        picture.log
    };
    let [title, environment, run, log_area, keys] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(u16::from(area.height >= WITH_ENVIRONMENT)),
        Constraint::Fill(1),
        Constraint::Length(u16::try_from(log.len()).unwrap_or(1)),
        Constraint::Length(1),
    ])
    .areas(area);
    frame.render_widget(Line::styled(about.title.as_str(), palette.strong()), title);
    frame.render_widget(Line::styled(about.environment.as_str(), palette.faint()), environment);
    match history.latest() {
        Some(tick) => draw_run(frame, run, picture, tick),
        None => frame.render_widget(Line::from("beginning"), run),
    }
    for (line, row) in log.iter().zip(log_area.rows()) {
        frame.render_widget(Line::styled(line.as_str(), palette.faint()), row);
    }
    frame.render_widget(words::keys(picture), keys);
}

fn draw_run(frame: &mut Frame<'_>, area: Rect, picture: &Picture<'_>, tick: &Tick) {
    let Picture { about, history, palette, .. } = *picture;
    let [progress, now, charts, gauges, counters, servers, percentiles] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Fill(1),
        Constraint::Length(1),
        Constraint::Length(2),
        Constraint::Length(1),
        Constraint::Length(1),
    ])
    .areas(area);
    let done = share(tick.running.as_secs_f64(), tick.length.as_secs_f64());
    frame.render_widget(gauge(words::progress(tick), done, palette.good()), progress);
    frame.render_widget(words::now(tick, now.width, palette), now);
    if charts.width >= BOTH_CHARTS {
        let [left, right] = halves(charts);
        chart::latency(frame, left, history, palette);
        chart::rate(frame, right, history, palette);
    } else {
        chart::latency(frame, charts, history, palette);
    }
    let [queue, workers] = halves(gauges);
    let [waiting, under_way] = [tick.second.queued, tick.second.in_flight];
    draw_use(frame, queue, Use { name: "queue", taken: waiting, of: about.queue }, palette);
    draw_use(frame, workers, Use { name: "workers", taken: under_way, of: about.workers }, palette);
    for (row, lines) in counters.rows().zip(words::counters(tick, history, palette)) {
        let cells: [Rect; 3] = Layout::horizontal([Constraint::Fill(1); 3]).spacing(1).areas(row);
        for (cell, line) in cells.into_iter().zip(lines) {
            frame.render_widget(line, cell);
        }
    }
    frame.render_widget(words::servers(&tick.second, palette), servers);
    frame.render_widget(words::percentiles(&tick.latency), percentiles);
}

/// How much of something is taken.
struct Use {
    name: &'static str,
    taken: u64,
    /// Nothing without a limit.
    of: Option<u64>,
}

fn draw_use(frame: &mut Frame<'_>, area: Rect, used: Use, palette: Palette) {
    let Use { name, taken, of } = used;
    let Some(of) = of else {
        frame.render_widget(Line::from(format!("{name} {taken}, without a limit")), area);
        return;
    };
    let share = share(taken as f64, of as f64);
    let style = if share >= 0.9 {
        palette.bad()
    } else if share >= 0.5 {
        palette.warning()
    } else {
        palette.good()
    };
    frame.render_widget(gauge(format!("{name} {taken} of {of}"), share, style), area);
}

fn gauge(label: String, share: f64, filled: Style) -> LineGauge<'static> {
    LineGauge::default()
        .label(label)
        .ratio(share)
        .filled_symbol(THICK_HORIZONTAL)
        .unfilled_symbol(HORIZONTAL)
        .filled_style(filled)
}

/// From 0 to 1, whatever is given.
fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { (part / whole).clamp(0.0, 1.0) } else { 0.0 }
}

fn halves(area: Rect) -> [Rect; 2] {
    Layout::horizontal([Constraint::Fill(1); 2]).spacing(2).areas(area)
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use ratatui::style::Color;

    use super::super::tests::tick;
    use super::*;

    struct Scene {
        about: About,
        history: History,
        log: Vec<String>,
    }

    impl Scene {
        fn new() -> Self {
            let mut history = History::default();
            for second in 1..=30 {
                history.push(tick(second));
            }
            let about = About {
                title: "library through eventstore: 300 requests/s".to_owned(),
                environment: "PostgreSQL 15.18 (embedded)".to_owned(),
                workers: Some(64),
                queue: Some(512),
            };
            Self { about, history, log: vec!["first".to_owned(), "closing the store".to_owned()] }
        }

        fn picture(&self) -> Picture<'_> {
            Picture {
                about: &self.about,
                history: &self.history,
                paused: false,
                ending: false,
                log: &self.log,
                palette: Palette::Colours,
            }
        }
    }

    fn drawn(picture: &Picture<'_>, width: u16, height: u16) -> TestBackend {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, picture)).unwrap();
        terminal.backend().clone()
    }

    fn assert_shows(screen: &TestBackend, expected: &[&str]) {
        let text = screen.to_string();
        for expected in expected {
            assert!(text.contains(expected), "{expected:?} is not in\n{text}");
        }
    }

    #[test]
    fn an_ordinary_terminal_shows_everything() {
        let scene = Scene::new();
        let screen = drawn(&scene.picture(), 80, 24);
        assert_shows(&screen, &["library through eventstore: 300 requests/s", "PostgreSQL 15.18 (embedded)"]);
        assert_shows(&screen, &["measuring: 30 s of 60 s", "offered 300/s of 300/s due", "completed 298/s"]);
        assert_shows(&screen, &["latency: p50", "10 ms", "requests/s: completed", "500", "30 s ago", "now"]);
        assert_shows(&screen, &["queue 12 of 512", "workers 7 of 64"]);
        assert_shows(&screen, &["rejected 17 +2", "errors 0", "time-outs 0"]);
        assert_shows(&screen, &["late 30 +1", "conflicts 5", "retries 0"]);
        assert_shows(&screen, &["the primary answers", "replica lag 35 ms", "own cores 0.8"]);
        assert_shows(&screen, &["so far p50 1.50", "max 40.0 ms", "closing the store", "p: pause this view"]);
        assert!(!screen.to_string().contains("first"), "one line of the log is enough here");
        assert_shows(&drawn(&scene.picture(), 120, 40), &["first", "closing the store"]);
    }

    #[test]
    fn a_small_terminal_leaves_out_the_least() {
        let screen = drawn(&Scene::new().picture(), 60, 15);
        assert_shows(&screen, &["measuring: 30 s of 60 s", "latency: p50", "rejected 17 +2"]);
        assert_shows(&screen, &["offered 300/s  completed 298/s  p50 1.50 p99 40.0 ms"]);
        assert_shows(&screen, &["queue 12 of 512", "the primary answers", "so far p50 1.50", "q, Ctrl-C"]);
    }

    #[test]
    fn a_tiny_terminal_has_one_line() {
        let screen = drawn(&Scene::new().picture(), 20, 5);
        assert_shows(&screen, &["298/s p99 40.0 ms"]);
        assert!(!screen.to_string().contains("rejected"));
        for (width, height) in [(1, 1), (50, 12), (51, 11), (300, 100)] {
            drawn(&Scene::new().picture(), width, height);
        }
    }

    #[test]
    fn a_pause_and_the_end_are_shown() {
        let scene = Scene::new();
        let paused = Picture { paused: true, ..scene.picture() };
        assert_shows(&drawn(&paused, 80, 24), &["PAUSED, the run goes on", "p: follow"]);
        assert_shows(&drawn(&paused, 60, 15), &["PAUSED, the run goes on", "p: follow", "q: end and report"]);
        let ending = Picture { ending: true, ..scene.picture() };
        assert_shows(&drawn(&ending, 60, 15), &["ending; Ctrl-C again"]);
    }

    #[test]
    fn a_primary_that_is_gone_is_red() {
        let mut scene = Scene::new();
        let mut silent = tick(31);
        silent.second.primary_answers = false;
        scene.history.push(silent);
        let screen = drawn(&scene.picture(), 80, 24);
        assert_shows(&screen, &["the primary does not answer"]);
        assert!(screen.buffer().content().iter().any(|cell| cell.symbol() == "y" && cell.fg == Color::Red));
    }

    #[test]
    fn without_colours_there_are_none() {
        let scene = Scene::new();
        let plain = Picture { palette: Palette::Plain, ..scene.picture() };
        let screen = drawn(&plain, 80, 24);
        let mut cells = screen.buffer().content().iter();
        assert!(cells.all(|cell| (cell.fg, cell.bg) == (Color::Reset, Color::Reset)));
    }

    #[test]
    fn before_the_first_second_there_is_a_title() {
        let scene = Scene { history: History::default(), ..Scene::new() };
        assert_shows(&drawn(&scene.picture(), 80, 24), &["library through", "beginning"]);
        drawn(&scene.picture(), 20, 5);
    }
}
