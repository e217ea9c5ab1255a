//! Who and what is popular.

use std::collections::HashMap;

use rand::Rng;
use rand_distr::{Distribution as _, Zipf};
use uuid::Uuid;

/// Ids by their ranks, to be drawn evenly or by popularity. Everything takes constant time.
///
/// The rank of an id is when it came. The last one takes the rank of one that goes, so that every rank is somebody's.
#[derive(Debug, Default)]
pub(super) struct Ranking {
    ids: Vec<Uuid>,
    /// Never iterated: draws depend on the seed and on what was done before, and on nothing else.
    ranks: HashMap<Uuid, usize>,
}

impl Ranking {
    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    pub(super) fn contains(&self, id: &Uuid) -> bool {
        self.ranks.contains_key(id)
    }

    /// The most popular first.
    pub(super) fn iter(&self) -> impl Iterator<Item = Uuid> {
        self.ids.iter().copied()
    }

    /// Does nothing if it is there.
    pub(super) fn insert(&mut self, id: Uuid) {
        let next = self.ids.len();
        if *self.ranks.entry(id).or_insert(next) == next {
            self.ids.push(id);
        }
    }

    /// Tells whether it was there.
    pub(super) fn remove(&mut self, id: &Uuid) -> bool {
        let Some(rank) = self.ranks.remove(id) else { return false };
        self.ids.swap_remove(rank);
        if let Some(moved) = self.ids.get(rank) {
            self.ranks.insert(*moved, rank);
        }
        true
    }

    /// Each as likely as any other.
    pub(super) fn draw(&self, random: &mut impl Rng) -> Option<Uuid> {
        (!self.ids.is_empty()).then(|| self.ids[random.random_range(0..self.ids.len())])
    }

    /// The one of rank r is `r^-exponent` times as likely as the first.
    pub(super) fn draw_popular(&self, exponent: f64, random: &mut impl Rng) -> Option<Uuid> {
        let ranks = Zipf::new(self.ids.len() as f64, exponent).ok()?;
        // Ranks count from 1; one past the end may come of rounding.
        let rank = (ranks.sample(random) as usize).clamp(1, self.ids.len());
        Some(self.ids[rank - 1])
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn ranking(count: u128) -> Ranking {
        let mut ranking = Ranking::default();
        (0..count).for_each(|id| ranking.insert(Uuid::from_u128(id)));
        ranking
    }

    /// Of 10,000 draws, how many are of the first hundredth of a thousand.
    fn of_the_first(exponent: f64) -> usize {
        let (ranking, mut random) = (ranking(1_000), ChaCha8Rng::seed_from_u64(1));
        let is_first = |id: &Uuid| id.as_u128() < 10;
        (0..10_000).filter_map(|_| ranking.draw_popular(exponent, &mut random)).filter(is_first).count()
    }

    #[test]
    fn the_first_are_drawn_far_more_often_as_the_law_says() {
        // The first ten of a thousand have 2.93 of 7.49 parts.
        let at_one = of_the_first(1.0);
        assert!((3_600..4_200).contains(&at_one), "{at_one}");
        let at_two = of_the_first(2.0);
        assert!(at_two > 9_000, "{at_two}");
    }

    #[test]
    fn with_an_exponent_of_zero_all_are_alike() {
        let drawn = of_the_first(0.0);
        assert!((50..200).contains(&drawn), "{drawn}");
    }

    #[test]
    fn ranks_have_no_holes() {
        let mut ranking = ranking(4);
        assert!(ranking.remove(&Uuid::from_u128(1)) && !ranking.remove(&Uuid::from_u128(1)));
        ranking.insert(Uuid::from_u128(3));
        let left: Vec<u128> = ranking.iter().map(|id| id.as_u128()).collect();
        assert_eq!((left, ranking.len()), (vec![0, 3, 2], 3));
        assert!(ranking.remove(&Uuid::from_u128(3)) && ranking.remove(&Uuid::from_u128(2)));
        assert!(ranking.contains(&Uuid::from_u128(0)) && !ranking.contains(&Uuid::from_u128(2)));
    }

    #[test]
    fn there_is_nothing_to_draw_where_there_is_nothing() {
        let (ranking, mut random) = (ranking(0), ChaCha8Rng::seed_from_u64(1));
        assert_eq!((ranking.draw(&mut random), ranking.draw_popular(1.0, &mut random)), (None, None));
    }
}
