//! The lines of text on the screen.

use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::draw::Picture;
use super::history::History;
use super::palette::Palette;
use super::{Phase, Tick};
use crate::histogram::LatencySummary;
use crate::report::Second;

/// Fewer completed than this share of what was offered is worth a look.
const KEEPING_UP: f64 = 0.95;

/// What is due is left out of narrower lines.
const WITH_DUE: u16 = 76;

/// `measuring 2 of 3: 12 s of 60 s`
pub(super) fn progress(tick: &Tick) -> String {
    let phase = match tick.phase {
        Phase::WarmUp => "warming up".to_owned(),
        Phase::Measuring { of: 1, .. } => "measuring".to_owned(),
        Phase::Measuring { repeat, of } => format!("measuring {repeat} of {of}"),
    };
    format!("{phase}: {:.0} s of {:.0} s", tick.running.as_secs_f64(), tick.length.as_secs_f64())
}

/// The last second, in a line of such a width.
pub(super) fn now(tick: &Tick, width: u16, palette: Palette) -> Line<'static> {
    let second = &tick.second;
    let keeps_up = second.completed as f64 >= KEEPING_UP * second.scheduled as f64;
    let target = tick.target.filter(|_| width >= WITH_DUE);
    let due = target.map_or_else(String::new, |target| format!(" of {target:.0}/s due"));
    Line::from(vec![
        Span::raw(format!("offered {}/s{due}  ", second.scheduled)),
        Span::styled(
            format!("completed {}/s", second.completed),
            if keeps_up { palette.good() } else { palette.warning() },
        ),
        Span::raw(format!("  p50 {} p99 {} ms", short(second.p50_ms), short(second.p99_ms))),
    ])
}

/// Everything that went otherwise than it should, in two rows of three. A count that rises has a colour.
pub(super) fn counters(tick: &Tick, history: &History, palette: Palette) -> [[Line<'static>; 3]; 2] {
    let (second, total) = (&tick.second, &tick.total);
    [
        [
            counter("rejected", total.rejected, second.rejected, palette.bad()),
            counter("errors", total.errors, second.errors, palette.bad()),
            counter("time-outs", total.timeouts, second.timeouts, palette.bad()),
        ],
        [
            counter("late", history.late(), second.late, palette.warning()),
            counter("conflicts", total.conflicts, second.conflicts, palette.warning()),
            counter("retries", total.retries, second.retries, palette.warning()),
        ],
    ]
}

fn counter(name: &str, total: u64, rise: u64, rising: Style) -> Line<'static> {
    match rise {
        0 => Line::from(format!("{name} {total}")),
        rise => Line::styled(format!("{name} {total} +{rise}"), rising),
    }
}

pub(super) fn servers(second: &Second, palette: Palette) -> Line<'static> {
    let primary = if second.primary_answers {
        Span::styled("the primary answers", palette.good())
    } else {
        Span::styled("the primary does not answer", palette.bad())
    };
    let lag = second.lag_ms.map_or_else(|| "-".to_owned(), |lag| format!("{lag:.0} ms"));
    Line::from(vec![primary, Span::raw(format!("  replica lag {lag}  own cores {:.1}", second.own_cores))])
}

/// Of everything measured so far.
pub(super) fn percentiles(latency: &LatencySummary) -> Line<'static> {
    let figures = [
        ("p50", latency.p50_ms),
        ("p90", latency.p90_ms),
        ("p99", latency.p99_ms),
        ("p99.9", latency.p999_ms),
        ("max", latency.max_ms),
    ];
    let figures = figures.map(|(name, ms)| format!("{name} {}", short(ms)));
    Line::from(format!("so far {} ms", figures.join(" ")))
}

/// What can be pressed, after what was.
pub(super) fn keys(picture: &Picture<'_>) -> Line<'static> {
    let Picture { paused, ending, palette, .. } = *picture;
    let mut spans = Vec::new();
    if paused {
        spans.push(Span::styled("PAUSED, the run goes on", palette.warning()));
        spans.push(Span::raw("  "));
    }
    spans.push(match (ending, paused) {
        (true, _) => Span::styled("ending; Ctrl-C again: end without a report", palette.warning()),
        (false, true) => Span::styled("p: follow  q: end and report", palette.faint()),
        (false, false) => {
            Span::styled("q, Ctrl-C: end the run and report  p: pause this view", palette.faint())
        }
    });
    Line::from(spans)
}

/// All that there is room for on a very small screen.
pub(super) fn shortest(picture: &Picture<'_>) -> Line<'static> {
    let Picture { history, paused, palette, .. } = *picture;
    let Some(tick) = history.latest() else {
        return Line::from("beginning");
    };
    let second = &tick.second;
    let mut spans = Vec::new();
    if paused {
        spans.push(Span::styled("PAUSED ", palette.warning()));
    }
    if !second.primary_answers {
        spans.push(Span::styled("no primary ", palette.bad()));
    }
    spans.push(Span::raw(format!("{}/s p99 {} ms", second.completed, short(second.p99_ms))));
    Line::from(spans)
}

/// Milliseconds to about three digits.
fn short(ms: Option<f64>) -> String {
    match ms {
        None => "-".to_owned(),
        Some(ms) if ms < 10.0 => format!("{ms:.2}"),
        Some(ms) if ms < 100.0 => format!("{ms:.1}"),
        Some(ms) => format!("{ms:.0}"),
    }
}
