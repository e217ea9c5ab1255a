//! Which request is due when: fixed by the plan alone, so that the same seed gives the same requests.

use std::time::Duration;

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rand_distr::Exp1;

use crate::plan::{Arrivals, Node, Plan, Timing};
use crate::recorded::RecordedRequest;
use crate::scenario::{Mix, Operation};
use crate::shape::{Shape, ShapeClock};

/// A request, before it is due.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Planned {
    /// After the start.
    pub(crate) due: Duration,
    /// Whether it counts: not in the warm-up.
    pub(crate) measured: bool,
    pub(crate) operation: Operation,
    /// What its random choices are made from.
    pub(crate) choice: u64,
}

/// The operations of a run and what they are about, one after the other.
#[derive(Debug, Clone)]
pub(crate) struct Requests {
    mix: Mix,
    random: ChaCha8Rng,
}

impl Requests {
    pub(crate) fn new(mix: Mix, seed: u64) -> Self {
        Self { mix, random: ChaCha8Rng::seed_from_u64(seed) }
    }

    pub(crate) fn draw(&mut self) -> (Operation, u64) {
        (self.mix.draw(&mut self.random), self.random.random())
    }
}

/// All requests of a run that are due at their times, first those of the warm-up.
#[derive(Debug, Clone)]
pub(crate) struct Schedule {
    warmup: Times,
    measured: Times,
    starts_after: Duration,
    requests: Requests,
    node: Node,
    number: u64,
}

impl Schedule {
    /// Nothing in a closed loop, where requests are due when the ones before are answered.
    pub(crate) fn new(plan: &Plan, mix: Mix) -> Option<Self> {
        let arrivals = plan.arrivals;
        // Draws of their own: other arrivals do not change what is asked for.
        let random = |stream| {
            let mut random = ChaCha8Rng::seed_from_u64(plan.seed);
            random.set_stream(stream);
            random
        };
        let (first_rate, measured) = match &plan.timing {
            Timing::Shape(shape) => (shape.rate_at(Duration::ZERO), Times::of(shape, arrivals, random(2))),
            Timing::Recorded(requests) => {
                let length = plan.timing.length().as_secs_f64().max(1.0);
                (requests.len() as f64 / length, Times::Recorded { requests: requests.clone(), next: 0 })
            }
            Timing::ClosedLoop { .. } => return None,
        };
        let warmup = Shape::level(first_rate, plan.warmup);
        Some(Self {
            warmup: Times::of(&warmup, arrivals, random(1)),
            measured,
            starts_after: plan.warmup,
            requests: Requests::new(mix, plan.seed),
            node: plan.node,
            number: 0,
        })
    }

    /// When measuring begins.
    pub(crate) fn starts_after(&self) -> Duration {
        self.starts_after
    }

    /// The next one of all nodes.
    fn next_of_all(&mut self) -> Option<Planned> {
        let (at, measured) = match self.warmup.next() {
            Some(at) => (at, false),
            None => (self.measured.next()?, true),
        };
        let (operation, choice) = self.requests.draw();
        let due = if measured { self.starts_after + at.at } else { at.at };
        self.number += 1;
        Some(Planned {
            due,
            measured,
            operation: at.operation.unwrap_or(operation),
            choice: at.choice.unwrap_or(choice),
        })
    }
}

impl Iterator for Schedule {
    type Item = Planned;

    fn next(&mut self) -> Option<Planned> {
        loop {
            let number = self.number;
            let planned = self.next_of_all()?;
            if self.node.takes(number) {
                return Some(planned);
            }
        }
    }
}

/// When requests are due.
#[derive(Debug, Clone)]
enum Times {
    Shape { clock: ShapeClock, reached: f64, arrivals: Arrivals, random: Box<ChaCha8Rng> },
    Recorded { requests: std::sync::Arc<[RecordedRequest]>, next: usize },
}

impl Times {
    fn of(shape: &Shape, arrivals: Arrivals, mut random: ChaCha8Rng) -> Self {
        let reached = match arrivals {
            Arrivals::Even => 0.0,
            Arrivals::Poisson => random.sample(Exp1),
        };
        Self::Shape { clock: shape.clock(), reached, arrivals, random: Box::new(random) }
    }

    fn next(&mut self) -> Option<RecordedRequest> {
        match self {
            Self::Shape { clock, reached, arrivals, random } => {
                let at = clock.due(*reached)?;
                *reached += match arrivals {
                    Arrivals::Even => 1.0,
                    Arrivals::Poisson => random.sample::<f64, _>(Exp1),
                };
                Some(RecordedRequest { at, operation: None, choice: None })
            }
            Self::Recorded { requests, next } => {
                *next += 1;
                requests.get(*next - 1).copied()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(change: impl FnOnce(&mut Plan)) -> Vec<Planned> {
        let mut plan = Plan::for_tests();
        change(&mut plan);
        let mix = Mix::new(&[(Operation::LendBook, 2), (Operation::ReturnBook, 1)]);
        Schedule::new(&plan, mix).unwrap().collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_requests() {
        assert_eq!(planned(|plan| plan.seed = 7), planned(|plan| plan.seed = 7));
        let choices = |planned: Vec<Planned>| planned.iter().map(|it| it.choice).collect::<Vec<_>>();
        assert_ne!(choices(planned(|plan| plan.seed = 7)), choices(planned(|plan| plan.seed = 8)));
    }

    #[test]
    fn warm_up_is_apart_and_every_request_has_its_time() {
        let planned = planned(|_| {});
        assert_eq!(planned.len(), 300, "one second of warm-up and two of measuring, at 100 a second");
        assert_eq!(planned.iter().filter(|it| it.measured).count(), 200);
        assert_eq!(planned[100].due, Duration::from_secs(1));
        assert!(planned.is_sorted_by_key(|it| it.due));
    }

    #[test]
    fn poisson_arrivals_are_as_many_but_not_even() {
        let poisson = planned(|plan| {
            plan.arrivals = Arrivals::Poisson;
            plan.timing = Timing::Shape(Shape::constant("1000".parse().unwrap(), Duration::from_secs(20)));
            plan.warmup = Duration::ZERO;
        });
        assert!((19_300..20_700).contains(&poisson.len()), "{}", poisson.len());
        let gaps: Vec<f64> =
            poisson.windows(2).map(|pair| (pair[1].due - pair[0].due).as_secs_f64() * 1e3).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        // Of an exponential distribution both are 1.
        assert!((mean - 1.0).abs() < 0.05 && (variance - 1.0).abs() < 0.15, "{mean} {variance}");
    }

    #[test]
    fn nodes_share_the_requests_of_one_plan() {
        let node = |text: &str| planned(|plan| plan.node = text.parse().unwrap());
        let mut together: Vec<Planned> = ["1/3", "2/3", "3/3"].into_iter().flat_map(node).collect();
        together.sort_by_key(|it| it.due);
        assert_eq!(together, planned(|_| {}));
        assert_eq!(node("1/3").len(), 100);
    }

    #[test]
    fn a_recorded_schedule_is_kept_to() {
        let at =
            |ms, operation| RecordedRequest { at: Duration::from_millis(ms), operation, choice: Some(ms) };
        let recorded = [at(0, None), at(700, Some(Operation::RegisterReader)), at(701, None)];
        let planned = planned(|plan| {
            plan.timing = Timing::Recorded(recorded.to_vec().into());
            plan.warmup = Duration::ZERO;
        });
        assert_eq!(planned.iter().map(|it| it.choice).collect::<Vec<_>>(), [0, 700, 701]);
        assert_eq!((planned[1].operation, planned[1].due), (Operation::RegisterReader, recorded[1].at));
    }
}
