//! From values to places, with round numbers at the axes.

use crate::chart::label::short;

/// Beyond so many powers of ten, only they have numbers.
const FEW_DECADES: f64 = 3.0;
/// Quotients of decimal fractions are not quite whole.
const NEARLY: f64 = 1e-9;

/// Across or upwards.
#[derive(Debug, Clone, Default)]
pub(crate) struct Axis {
    pub(super) label: String,
    kind: Kind,
    /// Instead of round numbers.
    ticks: Option<Vec<(f64, String)>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Kind {
    #[default]
    Linear,
    Log,
}

impl Axis {
    /// From 0.
    pub(crate) fn linear(label: impl Into<String>) -> Self {
        Self { label: label.into(), ..Self::default() }
    }

    /// Ten times as much is everywhere as far. What is not above 0 lies at the beginning.
    pub(crate) fn log(label: impl Into<String>) -> Self {
        Self { label: label.into(), kind: Kind::Log, ticks: None }
    }

    /// Names at these values, instead of round numbers.
    pub(crate) fn with_ticks(self, ticks: Vec<(f64, String)>) -> Self {
        Self { ticks: Some(ticks), ..self }
    }
}

/// An axis over certain values.
#[derive(Debug)]
pub(super) struct Scale {
    kind: Kind,
    pub(super) least: f64,
    pub(super) most: f64,
    pub(super) ticks: Vec<(f64, String)>,
}

impl Scale {
    /// To the last value and no further.
    pub(super) fn tight(axis: &Axis, values: impl Iterator<Item = f64>) -> Self {
        let (least, most) = range(axis.kind, values);
        Self::over(axis, least, most)
    }

    /// To the next round number.
    pub(super) fn round(axis: &Axis, values: impl Iterator<Item = f64>) -> Self {
        let (least, most) = range(axis.kind, values);
        match axis.kind {
            Kind::Linear => {
                let step = step(most);
                Self::over(axis, least, (most / step - NEARLY).ceil() * step)
            }
            Kind::Log => {
                let (least, most) = (round_at_most(least), round_at_least(most));
                Self::over(axis, least, if most > least { most } else { least * 10.0 })
            }
        }
    }

    fn over(axis: &Axis, least: f64, most: f64) -> Self {
        let ticks = match &axis.ticks {
            Some(ticks) => ticks.clone(),
            None => ticks(axis.kind, least, most).into_iter().map(|value| (value, short(value))).collect(),
        };
        let is_within = |value: f64| value >= least * (1.0 - NEARLY) && value <= most * (1.0 + NEARLY);
        let ticks = ticks.into_iter().filter(|(value, _)| is_within(*value)).collect();
        Self { kind: axis.kind, least, most, ticks }
    }

    /// From 0 at the beginning to 1 at the end; what lies beyond is there too.
    pub(super) fn share(&self, value: f64) -> f64 {
        let share = match self.kind {
            Kind::Linear => (value - self.least) / (self.most - self.least),
            Kind::Log => (value.max(self.least) / self.least).ln() / (self.most / self.least).ln(),
        };
        share.clamp(0.0, 1.0)
    }
}

/// The least and the most; the most is above the least, and that is above 0 on a logarithmic axis.
fn range(kind: Kind, values: impl Iterator<Item = f64>) -> (f64, f64) {
    let values = values.filter(|value| value.is_finite() && *value > 0.0);
    let (least, most) =
        values.fold((f64::INFINITY, 0.0_f64), |(least, most), value| (least.min(value), most.max(value)));
    match kind {
        Kind::Linear => (0.0, if most > 0.0 { most } else { 1.0 }),
        Kind::Log if most == 0.0 => (1.0, 10.0),
        Kind::Log => (least, if most > least { most } else { least * 10.0 }),
    }
}

/// Some five steps to the highest, of 1, 2 or 5 and zeros.
pub(crate) fn step(highest: f64) -> f64 {
    let ten = 10_f64.powf((highest / 5.0).log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|step| step * ten).find(|step| highest / step <= 6.0).unwrap_or(ten)
}

/// The highest of 1, 2 or 5 and zeros that is no higher.
fn round_at_most(value: f64) -> f64 {
    let ten = decade(value.log10().floor());
    let fits = |round: &f64| *round <= value * (1.0 + NEARLY);
    [10.0, 5.0, 2.0, 1.0].into_iter().map(|times| times * ten).find(fits).unwrap_or(ten)
}

/// The least of 1, 2 or 5 and zeros that is no less.
fn round_at_least(value: f64) -> f64 {
    let ten = decade(value.log10().floor());
    let fits = |round: &f64| *round >= value * (1.0 - NEARLY);
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|times| times * ten).find(fits).unwrap_or(ten * 10.0)
}

/// A power of ten; exact from 1 up.
fn decade(power: f64) -> f64 {
    let power = power as i32;
    if power < 0 { 1.0 / 10_f64.powi(-power) } else { 10_f64.powi(power) }
}

fn ticks(kind: Kind, least: f64, most: f64) -> Vec<f64> {
    match kind {
        Kind::Linear => {
            let step = step(most);
            let steps = (most / step + NEARLY).floor() as u32;
            (0..=steps).map(|nth| f64::from(nth) * step).collect()
        }
        Kind::Log => {
            let times: &[f64] = if (most / least).log10() <= FEW_DECADES { &[1.0, 2.0, 5.0] } else { &[1.0] };
            let (first, last) = (least.log10().floor() as i32, most.log10().ceil() as i32);
            let decades = (first..=last).map(|power| decade(f64::from(power)));
            decades.flat_map(|ten| times.iter().map(move |times| times * ten)).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(scale: &Scale) -> Vec<&str> {
        scale.ticks.iter().map(|(_, label)| label.as_str()).collect()
    }

    #[test]
    fn steps_are_round() {
        assert_eq!([1.0, 9.0, 4_800.0, 27_000.0, 31_000.0].map(step), [0.2, 2.0, 1_000.0, 5_000.0, 10_000.0]);
        let scale = Scale::round(&Axis::linear("y"), [3.0, 0.55].into_iter());
        assert_eq!((scale.least, scale.most), (0.0, 3.0));
        assert_eq!(labels(&scale), ["0", "0.5", "1", "1.5", "2", "2.5", "3"]);
        let scale = Scale::round(&Axis::linear("y"), [0.7].into_iter());
        assert_eq!(labels(&scale).last(), Some(&"0.8"));
    }

    #[test]
    fn a_tight_axis_ends_at_its_last_value() {
        let scale = Scale::tight(&Axis::linear("s"), [0.0, 29.0].into_iter());
        assert_eq!(
            (scale.most, scale.share(29.0), scale.share(99.0), scale.share(0.0)),
            (29.0, 1.0, 1.0, 0.0)
        );
        assert_eq!(labels(&scale), ["0", "5", "10", "15", "20", "25"]);
    }

    #[test]
    fn ten_times_as_much_is_as_far_on_a_logarithmic_axis() {
        let scale = Scale::round(&Axis::log("ms"), [0.9, 72.0, 0.0, f64::NAN].into_iter());
        assert!((scale.least - 0.5).abs() < 1e-9 && (scale.most - 100.0).abs() < 1e-9, "{scale:?}");
        assert_eq!(labels(&scale), ["0.5", "1", "2", "5", "10", "20", "50", "100"]);
        let (near, far) = (scale.share(10.0) - scale.share(1.0), scale.share(100.0) - scale.share(10.0));
        assert!((near - far).abs() < 1e-9, "{near} {far}");
        assert_eq!((scale.share(0.0), scale.share(-5.0)), (0.0, 0.0));
        let wide = Scale::round(&Axis::log("ms"), [0.001, 200.0].into_iter());
        assert_eq!(labels(&wide), ["0.001", "0.01", "0.1", "1", "10", "100"]);
    }

    #[test]
    fn round_numbers_end_at_themselves() {
        for value in [0.002, 0.5, 1.0, 2.0, 50.0, 1_000.0] {
            let scale = Scale::round(&Axis::log("ms"), [value / 10.0, value].into_iter());
            assert!((scale.most / value - 1.0).abs() < 1e-6, "{value} {scale:?}");
            assert!((scale.least * 10.0 / value - 1.0).abs() < 1e-6, "{value} {scale:?}");
        }
    }

    #[test]
    fn nothing_and_one_value_have_an_axis_too() {
        for axis in [Axis::linear("x"), Axis::log("x")] {
            for values in [vec![], vec![0.0], vec![7.0], vec![f64::NAN, f64::INFINITY]] {
                for scale in
                    [Scale::tight(&axis, values.iter().copied()), Scale::round(&axis, values.into_iter())]
                {
                    assert!(scale.most > scale.least && scale.share(7.0).is_finite(), "{scale:?}");
                    assert!(scale.ticks.len() >= 2, "{scale:?}");
                }
            }
        }
    }
}
