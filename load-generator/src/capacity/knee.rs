//! Where latency begins to rise steeply with the rate.
//!
//! The point of the curve that is furthest below the straight line from its first to its last point, both axes from 0 to 1 and latency
//! as its logarithm (V. Satopaa et al., "Finding a 'Kneedle' in a Haystack", ICDCSW 2011, without its smoothing).

/// A rate and the latency at it, in milliseconds.
pub(crate) type Point = (f64, f64);

/// How far below that line a knee must be, of its height: less is a bend.
const LEAST_BELOW: f64 = 0.1;

/// The knee; `None` of fewer than three points, where latency does not rise, and where it does so without a bend.
pub(crate) fn knee(points: &[Point]) -> Option<Point> {
    let mut points: Vec<Point> = points.iter().copied().filter(|(_, latency)| *latency > 0.0).collect();
    points.sort_by(|one, other| one.0.total_cmp(&other.0));
    let (first, last) = (*points.first()?, *points.last()?);
    let (width, height) = (last.0 - first.0, last.1.ln() - first.1.ln());
    if points.len() < 3 || width <= 0.0 || height <= 0.0 {
        return None;
    }
    let below = |point: &Point| (point.0 - first.0) / width - (point.1.ln() - first.1.ln()) / height;
    let knee = points.iter().copied().max_by(|one, other| below(one).total_cmp(&below(other)));
    knee.filter(|knee| below(knee) >= LEAST_BELOW)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_where_the_curve_turns_up() {
        let curve = [
            (800.0, 1.1),
            (100.0, 1.0),
            (200.0, 1.0),
            (400.0, 1.0),
            (1_000.0, 9.0),
            (1_200.0, 80.0),
            (1_100.0, 30.0),
        ];
        assert_eq!(knee(&curve), Some((800.0, 1.1)));
    }

    #[test]
    fn what_is_flat_or_short_has_none() {
        assert_eq!(knee(&[(1.0, 5.0), (2.0, 5.0), (3.0, 5.0)]), None);
        assert_eq!(knee(&[(1.0, 5.0), (2.0, 9.0)]), None);
        // Steep at once, and flat where a queue is full.
        assert_eq!(knee(&[(100.0, 2.0), (200.0, 60.0), (300.0, 80.0), (400.0, 81.0)]), None);
    }
}
