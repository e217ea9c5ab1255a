//! Which rate is tried next: pure, so that it can be tested without a server.
//!
//! ```text
//!       held: twice the rate            broken: half of it        most held, and what broke is not close: the middle
//!   ┌──────────────┐                ┌──────────────────┐                         ┌──────────────┐
//!   ▼              │                ▼                  │                         ▼              │
//! [doubling] ──────┴─ broken twice ─▶ [bisecting] ─────┴─ close enough ─▶ [confirming] ─────────┴─ most held, and close ─▶ done
//!                                                                          ▲     │
//!                                                                          └─────┘ half broke: down, or the middle
//! ```
//!
//! A rate counts as broken when it broke twice: on a shared machine something else may be going on once. Where confirmations fail, the
//! rate goes down, by small steps and then by larger ones; once one is confirmed, what is between it and what broke last is
//! bisected by confirmations.

/// How often a rate may break before it counts.
const STRIKES: u32 = 2;
/// Below this there is nothing to be found.
const LEAST: f64 = 1.0;
/// How often the rate goes down by one step, where confirmations fail, before steps double; and how often these double.
const SMALL_RETREATS: u32 = 8;
const MOST_DOUBLINGS: u32 = 10;
/// A step down by the precision and one up again do not come to the same number, by less than this share.
const ROUNDING: f64 = 1e-9;

/// A search for the highest rate that holds.
#[derive(Debug, Clone)]
pub(crate) struct Search {
    /// The highest rate that held.
    held: Option<f64>,
    /// The lowest that broke.
    broken: Option<f64>,
    rate: f64,
    most: f64,
    /// How far apart the two may be at the end, as a share.
    precision: f64,
    strikes: u32,
    confirmations: u32,
    confirming: Option<Confirming>,
    confirmed: Option<Confirmed>,
    retreats: u32,
    is_over: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct Confirming {
    held: u32,
    broke: u32,
}

/// The highest rate of which most confirmations held.
#[derive(Debug, Clone, Copy)]
struct Confirmed {
    rate: f64,
    times: u32,
}

/// What to try.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Trial {
    pub(crate) rate: f64,
    /// Longer than others, so that checkpoints fall into it.
    pub(crate) is_confirmation: bool,
}

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Found {
    /// Requests a second; nothing if none held.
    pub(crate) rate: Option<f64>,
    pub(crate) confirmed: u32,
    pub(crate) of: u32,
    /// Whether no higher rate was tried, as it was not allowed.
    pub(crate) is_ceiling: bool,
}

impl Search {
    /// Rates from `first` on, at most `most`.
    pub(crate) fn new(first: f64, most: f64, precision: f64, confirmations: u32) -> Self {
        Self {
            held: None,
            broken: None,
            rate: first.min(most),
            most,
            precision,
            strikes: 0,
            confirmations,
            confirming: None,
            confirmed: None,
            retreats: 0,
            is_over: false,
        }
    }

    /// What to try next; `None` at the end.
    pub(crate) fn next(&self) -> Option<Trial> {
        (!self.is_over).then_some(Trial { rate: self.rate, is_confirmation: self.confirming.is_some() })
    }

    /// What came of it.
    pub(crate) fn tried(&mut self, held: bool) {
        if let Some(confirming) = &mut self.confirming {
            if held {
                confirming.held += 1;
            } else {
                confirming.broke += 1;
            }
            let Confirming { held, broke } = *confirming;
            if broke * 2 >= self.confirmations {
                self.disprove();
            } else if held + broke == self.confirmations {
                self.believe(held);
            }
            return;
        }
        if !held {
            self.strikes += 1;
            if self.strikes < STRIKES {
                return;
            }
        }
        self.strikes = 0;
        if held {
            self.held = Some(self.rate);
        } else {
            self.broken = Some(self.rate);
        }
        self.choose();
    }

    /// The rate after one that is decided.
    fn choose(&mut self) {
        match (self.held, self.broken) {
            (Some(held), None) if held >= self.most => self.confirm(held),
            (Some(held), None) => self.rate = (held * 2.0).min(self.most),
            (None, Some(broken)) if broken <= LEAST => self.is_over = true,
            (None, Some(broken)) => self.rate = (broken / 2.0).max(LEAST),
            (Some(held), Some(broken)) if self.are_close(held, broken) => self.confirm(held),
            (Some(held), Some(broken)) => self.rate = middle(held, broken),
            (None, None) => {}
        }
    }

    fn confirm(&mut self, rate: f64) {
        self.rate = rate;
        self.confirming = Some(Confirming::default());
        self.is_over = self.confirmations == 0;
    }

    fn are_close(&self, held: f64, broken: f64) -> bool {
        broken / held <= (1.0 + self.precision) * (1.0 + ROUNDING)
    }

    /// Most confirmations of this rate held.
    fn believe(&mut self, times: u32) {
        self.held = Some(self.rate);
        self.confirmed = Some(Confirmed { rate: self.rate, times });
        self.narrow();
    }

    /// Half of them broke, or more: what was thought to hold does not.
    fn disprove(&mut self) {
        self.broken = Some(self.rate);
        match self.confirmed {
            Some(confirmed) => {
                self.held = Some(confirmed.rate);
                self.narrow();
            }
            None => self.retreat(),
        }
    }

    /// Between what is confirmed and what broke.
    fn narrow(&mut self) {
        match (self.held, self.broken) {
            (Some(held), Some(broken)) if !self.are_close(held, broken) => self.confirm(middle(held, broken)),
            _ => self.is_over = true,
        }
    }

    /// Down to what may hold. Nothing was confirmed yet.
    fn retreat(&mut self) {
        if self.rate <= LEAST {
            self.held = None;
            self.is_over = true;
            return;
        }
        // A few small steps, then larger and larger ones: what holds for a while may be far above what holds for long.
        let steps = 1 << self.retreats.saturating_sub(SMALL_RETREATS).min(MOST_DOUBLINGS);
        self.retreats += 1;
        let lower = (self.rate / (1.0 + self.precision).powi(steps)).max(LEAST);
        self.held = Some(lower);
        self.confirm(lower);
    }

    pub(crate) fn found(&self) -> Found {
        let confirmed = self.confirmed.map_or(0, |confirmed| confirmed.times);
        let is_ceiling = self.broken.is_none() && self.held.is_some();
        Found { rate: self.held, confirmed, of: self.confirmations, is_ceiling }
    }
}

/// Of what is a ratio.
fn middle(held: f64, broken: f64) -> f64 {
    (held * broken).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Searches where every rate up to `capacity` holds, but for the trials that `fails` names.
    fn search(capacity: f64, fails: impl Fn(u32) -> bool) -> (Found, u32) {
        let mut search = Search::new(100.0, 100_000.0, 0.05, 3);
        let mut trials = 0;
        while let Some(trial) = search.next() {
            search.tried(trial.rate <= capacity && !fails(trials));
            trials += 1;
            assert!(trials < 100, "it does not end");
        }
        (search.found(), trials)
    }

    #[test]
    fn the_highest_rate_that_holds_is_found() {
        for capacity in [1.5, 60.0, 100.0, 730.0, 6_000.0, 99_000.0] {
            let (found, trials) = search(capacity, |_| false);
            let rate = found.rate.unwrap();
            assert!(rate <= capacity && rate >= capacity / 1.06, "{capacity}: {rate}");
            assert_eq!((found.confirmed, found.of, found.is_ceiling), (3, 3, false));
            assert!(trials <= 33, "{trials}");
        }
    }

    #[test]
    fn one_bad_moment_does_not_count() {
        for bad in 0..20 {
            let found = search(6_000.0, |trial| trial == bad).0;
            assert!(found.rate.is_some_and(|rate| rate >= 6_000.0 / 1.06), "{bad}: {found:?}");
        }
    }

    #[test]
    fn half_of_the_confirmations_are_not_most_of_them() {
        for (confirmations, broken, expected) in
            [(1, 0, true), (1, 1, false), (2, 1, false), (3, 1, true), (4, 1, true), (4, 2, false)]
        {
            let mut search = Search::new(100.0, 100.0, 0.05, confirmations);
            search.tried(true);
            for nth in 0..confirmations {
                if search.next().is_some_and(|trial| trial.rate == 100.0) {
                    search.tried(nth >= broken);
                }
            }
            assert_eq!(search.found().rate == Some(100.0), expected, "{broken} of {confirmations}");
        }
    }

    #[test]
    fn what_is_not_confirmed_is_not_believed() {
        // Trials 13 and on are at most half as lucky as those before.
        let mut search = Search::new(100.0, 1e5, 0.05, 3);
        let mut confirmed_at = Vec::new();
        while let Some(trial) = search.next() {
            let capacity = if trial.is_confirmation { 4_000.0 } else { 6_000.0 };
            if trial.is_confirmation {
                confirmed_at.push(trial.rate);
            }
            search.tried(trial.rate <= capacity);
        }
        let rate = search.found().rate.unwrap();
        assert!(rate <= 4_000.0 && rate > 3_700.0, "{rate}");
        assert!(confirmed_at[0] > 5_500.0);
    }

    /// Where a rate holds up to `briefly`, and for long up to `capacity`.
    fn search_where_less_holds_for_long(capacity: f64, briefly: f64, precision: f64) -> (Found, Vec<Trial>) {
        let mut search = Search::new(100.0, 1e5, precision, 3);
        let mut trials = Vec::new();
        while let Some(trial) = search.next() {
            search.tried(trial.rate <= if trial.is_confirmation { capacity } else { briefly });
            trials.push(trial);
            assert!(trials.len() < 120, "it does not end: {trials:?}");
        }
        (search.found(), trials)
    }

    #[test]
    fn what_only_holds_for_a_while_leads_far_down_and_back_up_to_what_holds_for_long() {
        for capacity in [1_000.0, 1_300.0, 4_900.0, 9_000.0] {
            let (found, trials) = search_where_less_holds_for_long(capacity, 10_000.0, 0.01);
            let rate = found.rate.unwrap();
            assert!(
                rate <= capacity && rate >= capacity / 1.011,
                "{capacity}: {rate} after {}",
                trials.len()
            );
            assert_eq!((found.confirmed, found.is_ceiling), (3, false));
            // What is said to hold was confirmed, whatever was tried after it.
            let confirmations = trials.iter().filter(|trial| trial.is_confirmation && trial.rate == rate);
            assert_eq!(confirmations.count(), 3, "{trials:?}");
        }
    }

    #[test]
    fn the_last_step_down_ends_at_the_least_rate() {
        let (found, _) = search_where_less_holds_for_long(1.5, 10_000.0, 0.01);
        assert!(found.rate.is_some_and(|rate| (1.48..=1.5).contains(&rate)), "{found:?}");
        let (nothing, _) = search_where_less_holds_for_long(0.5, 10_000.0, 0.01);
        assert_eq!((nothing.rate, nothing.confirmed), (None, 0));
    }

    #[test]
    fn there_may_be_nothing_to_find_and_no_end_to_it() {
        let nothing = search(0.0, |_| false).0;
        assert_eq!((nothing.rate, nothing.is_ceiling), (None, false));
        let all = search(1e9, |_| false).0;
        assert_eq!((all.rate, all.is_ceiling), (Some(100_000.0), true));
    }
}
