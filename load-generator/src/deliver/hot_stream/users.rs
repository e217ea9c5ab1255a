//! Users who give opinions and vote, with pauses: each asks again when they have been answered.
//!
//! One task for each place of the ramp, begun at its time. Who has done all begins again as another user. All of them end with the
//! ramp, when their last requests have been answered or have timed out; they are joined then.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use rand::seq::SliceRandom as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::deliver::hot_stream::site::{Act, Kind, Site};
use crate::deliver::hot_stream::tally::{Book, Tally};
use crate::deliver::hot_stream::{Before, HotStreamPlan};
use crate::error::RunError;

/// The shortest pause, as a share of the longest one: 0.5 of 2 seconds.
const SHORTEST: f64 = 0.25;

/// What all users share.
struct Crowd {
    site: Arc<dyn Site>,
    tally: Tally,
    before: Before,
    longest_pause: Duration,
    /// The next user's number, and the next opinion's.
    users: AtomicI64,
    opinions: AtomicI64,
    end: Instant,
}

/// Has users act until the ramp ends, and says what was noted of it.
pub(super) async fn load(site: Arc<dyn Site>, plan: &HotStreamPlan) -> Result<Book, RunError> {
    let (began, before) = (Instant::now(), plan.before);
    let crowd = Arc::new(Crowd {
        site,
        tally: Tally::new(began, plan),
        before,
        longest_pause: plan.longest_pause,
        users: AtomicI64::new(before.participants().cast_signed()),
        opinions: AtomicI64::new(before.opinions.cast_signed() + 1),
        end: began + plan.ramp.length(),
    });
    let mut places = JoinSet::new();
    for (seed, start) in (0..).zip(plan.ramp.starts()) {
        places.spawn(take_place(Arc::clone(&crowd), seed, began + *start));
    }
    while let Some(ended) = places.join_next().await {
        ended.map_err(RunError::task)?;
    }
    Ok(crowd.tally.take())
}

/// One user after the other.
async fn take_place(crowd: Arc<Crowd>, seed: u64, start: Instant) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    sleep_until(start).await;
    loop {
        let user = crowd.users.fetch_add(1, Ordering::Relaxed);
        for kind in intentions(&mut random) {
            if Instant::now() >= crowd.end {
                return;
            }
            let opinion = match kind {
                Kind::Opinion => crowd.opinions.fetch_add(1, Ordering::Relaxed),
                Kind::Vote => random.random_range(1..=crowd.before.opinions.cast_signed()),
            };
            crowd.act(&Act { kind, user, opinion }).await;
            let pause = crowd.longest_pause.mul_f64(random.random_range(SHORTEST..=1.0));
            sleep_until(crowd.end.min(Instant::now() + pause)).await;
        }
    }
}

/// What one user is going to do: 5 to 10 opinions and 5 to 15 votes, in any order.
fn intentions(random: &mut ChaCha8Rng) -> Vec<Kind> {
    let mut kinds = vec![Kind::Opinion; random.random_range(5..=10_usize)];
    kinds.resize(kinds.len() + random.random_range(5..=15_usize), Kind::Vote);
    kinds.shuffle(random);
    kinds
}

impl Crowd {
    async fn act(&self, act: &Act) {
        let asked = Instant::now();
        let answer = self.site.act(act).await;
        self.tally.note(act, asked, answer);
    }
}
