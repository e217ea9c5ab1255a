//! What users were answered, and when.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::deliver::hot_stream::HotStreamPlan;
use crate::deliver::hot_stream::ramp::Ramp;
use crate::deliver::hot_stream::site::{Act, Answer, Failure, Kind};
use crate::histogram::Latencies;

/// Votes that take longer than this, in the 95th percentile of a window, are too slow for a person.
const BEARABLE: Duration = Duration::from_secs(1);

/// Takes notes of all users. A request counts to the phase and the window that it began in.
pub(super) struct Tally {
    began: Instant,
    ramp: Ramp,
    window: Duration,
    votes_before: i64,
    book: Mutex<Book>,
}

/// What was noted.
#[derive(Default)]
pub(super) struct Book {
    pub(super) phases: Vec<Requests>,
    windows: Vec<Window>,
    /// Votes that were acknowledged: who, and on which opinion.
    pub(super) voted: Vec<(i64, i64)>,
    /// Opinions that were acknowledged.
    pub(super) given: Vec<i64>,
    /// The most votes that were acknowledged already and not in the counters that somebody was shown.
    pub(super) most_votes_behind: i64,
    /// The first one that was no time-out.
    pub(super) first_failure: Option<String>,
}

/// Those of one phase. How long failures took is among the latencies.
#[derive(Clone)]
pub(super) struct Requests {
    pub(super) made: u64,
    pub(super) refused: u64,
    pub(super) errors: u64,
    pub(super) timeouts: u64,
    pub(super) votes: Latencies,
    pub(super) opinions: Latencies,
}

#[derive(Clone, Default)]
struct Window {
    votes: Vec<Duration>,
    failures: u64,
}

/// How many users there could be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stand {
    /// At the end of the last window before the first that was bad; 0 where there is none.
    pub(super) held: usize,
    /// At the end of the first window in which a request failed or votes took too long.
    pub(super) broke_at: Option<usize>,
}

impl Tally {
    pub(super) fn new(began: Instant, plan: &HotStreamPlan) -> Self {
        Self {
            began,
            ramp: plan.ramp.clone(),
            window: plan.window,
            votes_before: plan.before.votes.cast_signed(),
            book: Mutex::default(),
        }
    }

    pub(super) fn note(&self, act: &Act, asked: Instant, answer: Result<Answer, Failure>) {
        let (took, at) = (asked.elapsed(), asked.duration_since(self.began));
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        let book = &mut *book;
        let requests = nth(&mut book.phases, self.ramp.phase_at(at));
        let window = nth(&mut book.windows, (at.as_secs_f64() / self.window.as_secs_f64()) as usize);
        requests.made += 1;
        match act.kind {
            Kind::Opinion => requests.opinions.record(took),
            Kind::Vote => {
                requests.votes.record(took);
                window.votes.push(took);
            }
        }
        match answer {
            Ok(Answer::Done(shown)) => {
                let acknowledged = self.votes_before + i64::try_from(book.voted.len()).unwrap_or(i64::MAX);
                book.most_votes_behind = book.most_votes_behind.max(acknowledged - shown.votes);
                match act.kind {
                    Kind::Vote => book.voted.push((act.user, act.opinion)),
                    Kind::Opinion => book.given.push(act.opinion),
                }
            }
            Ok(Answer::Refused) => requests.refused += 1,
            Err(Failure::TimedOut) => {
                requests.timeouts += 1;
                window.failures += 1;
            }
            Err(Failure::Failed(reason)) => {
                requests.errors += 1;
                window.failures += 1;
                book.first_failure.get_or_insert(reason);
            }
        }
    }

    /// Everything so far, with an entry for each phase.
    pub(super) fn take(&self) -> Book {
        let mut book = std::mem::take(&mut *self.book.lock().unwrap_or_else(PoisonError::into_inner));
        book.phases.resize_with(self.ramp.names().len(), Requests::default);
        book
    }
}

/// The nth, which is made where it is not there yet.
fn nth<T: Default>(of: &mut Vec<T>, nth: usize) -> &mut T {
    if of.len() <= nth {
        of.resize_with(nth + 1, T::default);
    }
    &mut of[nth]
}

impl Book {
    pub(super) fn stand(&mut self, ramp: &Ramp, window: Duration) -> Stand {
        let (mut held, mut ends) = (0, Duration::ZERO);
        for seen in &mut self.windows {
            ends += window;
            let users = ramp.users_at(ends);
            if seen.is_bad() {
                return Stand { held, broke_at: Some(users) };
            } else if !seen.votes.is_empty() {
                held = users;
            }
        }
        Stand { held, broke_at: None }
    }

    /// Of all phases.
    pub(super) fn overall(&self) -> Requests {
        let mut all = Requests::default();
        for phase in &self.phases {
            all.made += phase.made;
            all.refused += phase.refused;
            all.errors += phase.errors;
            all.timeouts += phase.timeouts;
            all.votes.merge(&phase.votes);
            all.opinions.merge(&phase.opinions);
        }
        all
    }
}

impl Window {
    fn is_bad(&mut self) -> bool {
        self.votes.sort_unstable();
        let at = (self.votes.len() * 95).div_ceil(100).saturating_sub(1);
        self.failures > 0 || self.votes.get(at).is_some_and(|p95| *p95 >= BEARABLE)
    }
}

impl Default for Requests {
    fn default() -> Self {
        let (votes, opinions) = (Latencies::new(), Latencies::new());
        Self { made: 0, refused: 0, errors: 0, timeouts: 0, votes, opinions }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_held_is_what_came_before_the_first_bad_window() {
        let ramp: Ramp = "5=4s,7=2s".parse().unwrap();
        let window = |ms: u64, failures| Window { votes: vec![Duration::from_millis(ms); 20], failures };
        let stand = |windows: &[Window]| {
            let mut book = Book { windows: windows.to_vec(), ..Book::default() };
            let Stand { held, broke_at } = book.stand(&ramp, Duration::from_secs(2));
            (held, broke_at)
        };
        let (good, slow, failed) = (window(5, 0), window(1_000, 0), window(5, 1));
        assert_eq!(stand(&[good.clone(), good.clone(), good.clone()]), (7, None));
        assert_eq!(stand(&[good.clone(), slow, good.clone()]), (3, Some(5)));
        assert_eq!(stand(&[good.clone(), Window::default(), failed]), (3, Some(7)));
        assert_eq!(stand(&[window(1_000, 0), good]), (0, Some(3)));
    }
}
