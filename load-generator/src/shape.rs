//! How many requests a second are due, over time.
//!
//! A shape is a line of pieces: slopes from one rate to another (a constant rate is one that is level), and bursts of requests that
//! are due all at once. Request number x, counted from 0, is due when the area under the line reaches x. It is computed anew
//! for each request, so that no error adds up.

use std::fmt;
use std::time::Duration;

use crate::plan::Rate;

/// Rates over time, and what a person calls them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Shape {
    pieces: Vec<Piece>,
    name: String,
}

/// A part of a shape.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Piece {
    /// In requests a second.
    Slope {
        length: Duration,
        from: f64,
        to: f64,
    },
    Burst {
        requests: u32,
    },
}

/// Requests that are due at once, again and again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Burst {
    pub(crate) requests: u32,
    pub(crate) every: Duration,
}

/// Another rate for a while.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spike {
    pub(crate) rate: Rate,
    pub(crate) after: Duration,
    pub(crate) length: Duration,
}

/// From one rate to another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Ramp {
    /// May be 0.
    pub(crate) from: f64,
    pub(crate) to: Rate,
    pub(crate) over: Duration,
}

/// Rates one after the other.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Steps {
    pub(crate) rates: Vec<Rate>,
    pub(crate) each: Duration,
}

impl Shape {
    pub(crate) fn constant(rate: Rate, length: Duration) -> Self {
        Self { pieces: vec![level(rate.per_second(), length)], name: format!("{rate} requests/s") }
    }

    /// Any rate, also none.
    pub(crate) fn level(rate: f64, length: Duration) -> Self {
        Self { pieces: vec![level(rate, length)], name: String::new() }
    }

    /// A constant rate, and bursts beside it: the first after one interval.
    pub(crate) fn bursts(rate: Rate, burst: Burst, length: Duration) -> Self {
        let mut pieces = Vec::new();
        let mut left = length;
        while left > burst.every {
            pieces.push(level(rate.per_second(), burst.every));
            pieces.push(Piece::Burst { requests: burst.requests });
            left -= burst.every;
        }
        pieces.push(level(rate.per_second(), left));
        Self { pieces, name: format!("{rate} requests/s with bursts of {burst}") }
    }

    /// A constant rate but for a while.
    pub(crate) fn spike(rate: Rate, spike: Spike, length: Duration) -> Self {
        let after = length.saturating_sub(spike.after + spike.length);
        let pieces = vec![
            level(rate.per_second(), spike.after),
            level(spike.rate.per_second(), spike.length),
            level(rate.per_second(), after),
        ];
        Self { pieces, name: format!("{rate} requests/s with a spike of {spike}") }
    }

    /// Holds the last rate until the end, if that is longer.
    pub(crate) fn ramp(ramp: Ramp, length: Duration) -> Self {
        let slope = Piece::Slope { length: ramp.over, from: ramp.from, to: ramp.to.per_second() };
        let rest = level(ramp.to.per_second(), length.saturating_sub(ramp.over));
        Self { pieces: vec![slope, rest], name: format!("ramp {ramp}") }
    }

    pub(crate) fn steps(steps: &Steps) -> Self {
        let pieces = steps.rates.iter().map(|rate| level(rate.per_second(), steps.each)).collect();
        Self { pieces, name: format!("steps {steps}") }
    }

    pub(crate) fn length(&self) -> Duration {
        self.pieces.iter().map(Piece::length).sum()
    }

    /// Requests of the whole of it.
    pub(crate) fn requests(&self) -> f64 {
        self.pieces.iter().map(Piece::requests).sum()
    }

    /// Requests a second, over the whole of it.
    pub(crate) fn mean_rate(&self) -> f64 {
        let length = self.length().as_secs_f64();
        if length > 0.0 { self.requests() / length } else { 0.0 }
    }

    /// The highest rate that holds for a while; bursts apart.
    pub(crate) fn peak_rate(&self) -> f64 {
        let highest = |piece: &Piece| match *piece {
            Piece::Slope { length, from, to } if !length.is_zero() => from.max(to),
            Piece::Slope { .. } | Piece::Burst { .. } => 0.0,
        };
        self.pieces.iter().map(highest).fold(0.0, f64::max)
    }

    /// The rate at a time after the beginning.
    pub(crate) fn rate_at(&self, at: Duration) -> f64 {
        let mut began = Duration::ZERO;
        let mut rate = 0.0;
        for piece in &self.pieces {
            if let Piece::Slope { length, from, to } = *piece {
                let into = at.saturating_sub(began);
                if into < length {
                    return from + (to - from) * into.as_secs_f64() / length.as_secs_f64();
                }
                rate = to;
                began += length;
            }
        }
        rate
    }

    /// When requests are due. They must be asked for in rising order.
    pub(crate) fn clock(&self) -> ShapeClock {
        ShapeClock { pieces: self.pieces.clone(), nth: 0, before: 0.0, began: Duration::ZERO }
    }
}

fn level(rate: f64, length: Duration) -> Piece {
    Piece::Slope { length, from: rate, to: rate }
}

impl Piece {
    fn length(&self) -> Duration {
        match *self {
            Self::Slope { length, .. } => length,
            Self::Burst { .. } => Duration::ZERO,
        }
    }

    fn requests(&self) -> f64 {
        match *self {
            Self::Slope { length, from, to } => f64::midpoint(from, to) * length.as_secs_f64(),
            Self::Burst { requests } => f64::from(requests),
        }
    }

    /// How long after its beginning the area under it is so large. It must be less than all of it.
    fn reaches(&self, area: f64) -> Duration {
        match *self {
            Self::Slope { .. } if area <= 0.0 => Duration::ZERO,
            Self::Slope { length, from, to } => {
                let rise = (to - from) / length.as_secs_f64();
                // The root of rise/2 t² + from t = area that also holds where the slope is level.
                let root = (from * from + 2.0 * rise * area).max(0.0).sqrt();
                Duration::try_from_secs_f64(2.0 * area / (from + root)).map_or(length, |at| at.min(length))
            }
            Self::Burst { .. } => Duration::ZERO,
        }
    }
}

/// Where in a shape requests are due.
#[derive(Debug, Clone)]
pub(crate) struct ShapeClock {
    pieces: Vec<Piece>,
    nth: usize,
    /// Requests of the pieces before.
    before: f64,
    began: Duration,
}

impl ShapeClock {
    /// When the area reaches `number`, after the beginning; `None` after the end.
    pub(crate) fn due(&mut self, number: f64) -> Option<Duration> {
        loop {
            let piece = self.pieces.get(self.nth)?;
            let requests = piece.requests();
            if number < self.before + requests {
                return Some(self.began + piece.reaches(number - self.before));
            }
            self.before += requests;
            self.began += piece.length();
            self.nth += 1;
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(rate: f64) -> Rate {
        rate.to_string().parse().unwrap()
    }

    fn dues(shape: &Shape) -> Vec<Duration> {
        let mut clock = shape.clock();
        (0..).map_while(|number| clock.due(f64::from(number))).collect()
    }

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn due_times_do_not_drift() {
        let shape = Shape::constant(rate(300.0), Duration::from_secs(7_200));
        let mut clock = shape.clock();
        assert_eq!(clock.due(1.0).unwrap().as_nanos(), 3_333_333);
        assert_eq!(clock.due(300.0 * 3_600.0), Some(Duration::from_secs(3_600)));
        assert_eq!(clock.due(300.0 * 7_200.0), None);
    }

    #[test]
    fn a_ramp_gathers_speed() {
        let ramp = Ramp { from: 0.0, to: rate(100.0), over: MINUTE };
        let dues = dues(&Shape::ramp(ramp, 2 * MINUTE));
        assert_eq!(dues.len(), 3_000 + 6_000);
        assert!(dues.is_sorted());
        // A quarter of what the ramp offers is due in its first half.
        let in_half = dues.iter().filter(|due| **due < MINUTE / 2).count();
        assert!((749..=751).contains(&in_half), "{in_half}");
        let down = Shape::ramp(Ramp { from: 100.0, to: rate(50.0), over: MINUTE }, MINUTE);
        assert_eq!(down.rate_at(MINUTE / 2), 75.0);
        assert_eq!(down.requests(), 4_500.0);
    }

    #[test]
    fn steps_spikes_and_bursts_are_where_they_should_be() {
        let within = |shape: &Shape, from: u64, to: u64| {
            dues(shape).iter().filter(|due| (from..to).contains(&due.as_secs())).count()
        };
        let steps = Shape::steps(&Steps { rates: vec![rate(10.0), rate(50.0)], each: MINUTE });
        assert_eq!((within(&steps, 0, 60), within(&steps, 60, 120)), (600, 3_000));
        let (after, length) = (Duration::from_secs(20), Duration::from_secs(5));
        let spike = Shape::spike(rate(10.0), Spike { rate: rate(100.0), after, length }, MINUTE);
        assert_eq!((within(&spike, 0, 20), within(&spike, 20, 25), within(&spike, 25, 60)), (200, 500, 350));
        assert_eq!((spike.peak_rate(), spike.length()), (100.0, MINUTE));
        let bursts = Shape::bursts(rate(1.0), Burst { requests: 40, every: Duration::from_secs(20) }, MINUTE);
        let at_20 = dues(&bursts).iter().filter(|due| **due == Duration::from_secs(20)).count();
        // Two bursts, at 20 and 40 s; and at 20 s one of the even ones.
        assert_eq!((dues(&bursts).len(), at_20), (60 + 80, 41));
    }
}
