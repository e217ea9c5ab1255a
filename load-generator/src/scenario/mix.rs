//! How often each operation comes.

use rand::Rng;

use crate::scenario::Operation;

/// Operations with their weights.
#[derive(Debug, Clone)]
pub(crate) struct Mix {
    weights: Vec<(Operation, u32)>,
    total: u32,
}

impl Mix {
    pub(crate) fn new(weights: &[(Operation, u32)]) -> Self {
        Self { weights: weights.to_vec(), total: weights.iter().map(|(_, weight)| weight).sum() }
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
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn operations_come_as_often_as_their_weights_say() {
        let mix = Mix::new(&[(Operation::LendBook, 3), (Operation::ReaderLoans, 1)]);
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let lent = (0..10_000).filter(|_| mix.draw(&mut random) == Operation::LendBook).count();
        assert!((7_300..7_700).contains(&lent), "{lent}");
    }
}
