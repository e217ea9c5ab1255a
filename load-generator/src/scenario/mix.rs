//! How often each operation comes.

use rand::Rng;

use crate::scenario::Operation;

/// Shares of queries are exact to so many parts of all requests.
const PARTS: u64 = 1_000_000;

/// Operations with their weights.
#[derive(Debug, Clone)]
pub(crate) struct Mix {
    weights: Vec<(Operation, u64)>,
    total: u64,
}

impl Mix {
    pub(crate) fn new(weights: &[(Operation, u64)]) -> Self {
        Self { weights: weights.to_vec(), total: weights.iter().map(|(_, weight)| weight).sum() }
    }

    /// The same operations, of which queries take this share, from 0 to 1. Queries, and commands, come among themselves as
    /// often as before; there must be both.
    pub(crate) fn with_queries(self, share: f64) -> Self {
        let sum = |of_commands: bool| -> u64 {
            let weights = self.weights.iter().filter(|(operation, _)| operation.is_command() == of_commands);
            weights.map(|(_, weight)| weight).sum()
        };
        let (commands, queries) = (sum(true), sum(false));
        let share = ((share * PARTS as f64).round() as u64).min(PARTS);
        // Each kind is weighed with the sum of the other: both then weigh the same before they are given their shares.
        let shared = self.weights.iter().map(|(operation, weight)| {
            let factor = if operation.is_command() { queries * (PARTS - share) } else { commands * share };
            (*operation, weight * factor)
        });
        Self::new(&shared.collect::<Vec<_>>())
    }

    /// Each operation with its share of all requests, from 0 to 1.
    pub(crate) fn shares(&self) -> impl Iterator<Item = (Operation, f64)> {
        self.weights.iter().map(|(operation, weight)| (*operation, *weight as f64 / self.total as f64))
    }

    pub(crate) fn draw(&self, random: &mut impl Rng) -> Operation {
        let mut ticket = random.random_range(0..self.total);
        for (operation, weight) in &self.weights {
            match ticket.checked_sub(*weight) {
                Some(rest) => ticket = rest,
                None => return *operation,
            }
        }
        unreachable!("a ticket is less than the sum of the weights")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rand::SeedableRng as _;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    const ALL: [(Operation, u64); 4] = [
        (Operation::LendBook, 3),
        (Operation::ReturnBook, 1),
        (Operation::ReaderLoans, 10),
        (Operation::BooksInCirculation, 1),
    ];

    fn drawn(mix: &Mix) -> BTreeMap<Operation, u32> {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let mut drawn = BTreeMap::new();
        for _ in 0..100_000 {
            *drawn.entry(mix.draw(&mut random)).or_default() += 1;
        }
        drawn
    }

    #[test]
    fn operations_come_as_often_as_their_weights_say() {
        let mix = Mix::new(&[(Operation::LendBook, 3), (Operation::ReaderLoans, 1)]);
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let lent = (0..10_000).filter(|_| mix.draw(&mut random) == Operation::LendBook).count();
        assert!((7_300..7_700).contains(&lent), "{lent}");
    }

    #[test]
    fn queries_take_their_share_and_the_others_keep_their_proportions() {
        let drawn = drawn(&Mix::new(&ALL).with_queries(0.2));
        for (operation, expected) in [
            (Operation::LendBook, 60_000),
            (Operation::ReturnBook, 20_000),
            (Operation::ReaderLoans, 18_180),
            (Operation::BooksInCirculation, 1_820),
        ] {
            let count = drawn[&operation];
            assert!((expected * 9 / 10..expected * 11 / 10).contains(&count), "{operation:?}: {count}");
        }
    }

    #[test]
    fn a_mix_may_have_no_queries_or_nothing_else() {
        let none = drawn(&Mix::new(&ALL).with_queries(0.0));
        assert!(none.keys().all(|operation| operation.is_command()), "{none:?}");
        let only = drawn(&Mix::new(&ALL).with_queries(1.0));
        assert!(!only.keys().any(|operation| operation.is_command()), "{only:?}");
        assert_eq!((none.len(), only.len()), (2, 2));
    }
}
