//! The workers: one task that claims keys that are due, has each recomputed in a task of its own, and makes their leases last. States and
//! failures: see the [module](super).
//!
//! Its inbox is the database. At most a claim and a heartbeat are under way, and as many keys as may be at once. It ends when it is told to
//! and the last of them is done; when it is dropped its tasks are aborted, and when it dies their leases run out.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::task::{Id, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, info_span, warn};
use uuid::Uuid;

use crate::deadline;
use crate::error::Error;
use crate::recompute::calls::{Calls, Claims};
use crate::recompute::definition::Recomputed;
use crate::recompute::hand::Hand;
use crate::recompute::held::{Claim, Held};
use crate::recompute::recomputer::Recomputer;

const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// How soon a key is looked for that another one is just changing.
const SHORTEST_DRY: Duration = Duration::from_millis(5);
/// The same, where a claim got none: nobody asks the primary all the time.
const NOTHING_DUE: Duration = Duration::from_millis(100);

pub(super) struct Workers<R> {
    hand: Arc<Hand<R>>,
    held: Held,
    hands: JoinSet<()>,
    /// Which key each task of these is at.
    tasks: HashMap<Id, String>,
    /// Claimed, while the task of an earlier claim of the same key has not ended yet; with when.
    next: Vec<(Claim, Instant)>,
    statements: FuturesUnordered<BoxFuture<'static, Ended>>,
    is_claiming: bool,
    is_beating: bool,
    /// Nothing is due until then, as far as is known.
    dry_until: Option<Instant>,
    /// Something has changed while keys were being claimed.
    has_reason: bool,
    pause: Duration,
}

/// A statement that has ended.
enum Ended {
    Claim { wanted: usize, began: Instant, result: Result<Claims, Error> },
    Beat { asked: (Vec<String>, Vec<Uuid>), began: Instant, result: Result<HashMap<String, bool>, Error> },
    HandBack(Result<(), Error>),
}

impl<R: Recomputed> Workers<R> {
    pub(super) fn new(recomputer: Recomputer<R>, calls: Arc<Calls>) -> Self {
        let counters = recomputer.store.metrics().consumers.recompute(&calls.name);
        Self {
            hand: Arc::new(Hand { recomputer, calls, counters }),
            held: Held::default(),
            hands: JoinSet::new(),
            tasks: HashMap::new(),
            next: Vec::new(),
            statements: FuturesUnordered::new(),
            is_claiming: false,
            is_beating: false,
            dry_until: None,
            has_reason: false,
            pause: FIRST_PAUSE,
        }
    }

    /// Until told to stop: what is being recomputed is finished then.
    pub(super) async fn run(mut self, stop: CancellationToken) -> Result<(), Error> {
        let lease = self.hand.recomputer.lease;
        let mut news = self.hand.recomputer.news.subscribe();
        let mut beats = interval_at(deadline::after(lease / 3), lease / 3);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let is_stopping = stop.is_cancelled();
            if !is_stopping {
                self.claim();
            } else if self.held.is_empty() && self.statements.is_empty() {
                return Ok(());
            }
            let wake_at = self.dry_until.into_iter().chain(self.held.expires_at(lease)).min();
            tokio::select! {
                Some(ended) = self.statements.next() => self.has_ended(ended, is_stopping)?,
                Some(done) = self.hands.join_next_with_id() => {
                    self.is_done(done.map_or_else(|error| error.id(), |(id, ())| id));
                }
                Ok(()) = news.changed() => self.may_claim(),
                _ = beats.tick() => self.beat(),
                () = stop.cancelled(), if !is_stopping => {}
                () = sleep_until(wake_at.unwrap_or_else(Instant::now)), if wake_at.is_some() => self.look_at_clock(),
            }
        }
    }

    /// As many as there are free hands for: nothing waits here that others could do.
    fn claim(&mut self) {
        let recomputer = &self.hand.recomputer;
        let wanted = recomputer.at_once.saturating_sub(self.held.len());
        if self.is_claiming || self.dry_until.is_some() || wanted == 0 {
            return;
        }
        (self.is_claiming, self.has_reason) = (true, false);
        let terms = (recomputer.lease, recomputer.every);
        let (calls, began) = (Arc::clone(&self.hand.calls), Instant::now());
        self.statements.push(Box::pin(async move {
            Ended::Claim { wanted, began, result: calls.claim(wanted, terms).await }
        }));
    }

    fn beat(&mut self) {
        let asked = self.held.leases();
        if self.is_beating || asked.0.is_empty() {
            return;
        }
        self.is_beating = true;
        let (calls, lease) = (Arc::clone(&self.hand.calls), self.hand.recomputer.lease);
        let began = Instant::now();
        self.statements.push(Box::pin(async move {
            let result = calls.beat((&asked.0, &asked.1), lease).await;
            Ended::Beat { asked, began, result }
        }));
    }

    fn has_ended(&mut self, ended: Ended, is_stopping: bool) -> Result<(), Error> {
        match ended {
            Ended::Claim { wanted, began, result } => {
                self.is_claiming = false;
                self.has_claimed((wanted, began), result, is_stopping)
            }
            Ended::Beat { asked, began, result } => {
                self.is_beating = false;
                self.has_beaten(&asked, began, result)
            }
            Ended::HandBack(Ok(())) => Ok(()),
            Ended::HandBack(Err(error)) => {
                warn!(%error, "a key could not be handed back; its lease runs out");
                Ok(())
            }
        }
    }

    fn has_claimed(
        &mut self,
        (wanted, began): (usize, Instant),
        result: Result<Claims, Error>,
        is_stopping: bool,
    ) -> Result<(), Error> {
        let claims = match result {
            Ok(claims) => claims,
            Err(error) if error.is_passing() => {
                warn!(%error, projection = self.hand.calls.name, "waiting for the primary");
                self.dry_until = Some(Instant::now() + self.pause);
                self.pause = (self.pause * 2).min(LONGEST_PAUSE);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        self.pause = FIRST_PAUSE;
        if claims.keys.len() < wanted && !self.has_reason {
            let poll_every = self.hand.recomputer.store.poll_every();
            let least = match claims.next {
                // Until migration 11 this is said where nothing is to come, too.
                Some(Duration::ZERO) if claims.keys.is_empty() => NOTHING_DUE,
                _ => SHORTEST_DRY,
            };
            let next = claims.next.unwrap_or(poll_every).max(least).min(poll_every);
            self.dry_until = Some(Instant::now() + next);
        }
        for claim in claims.keys {
            if is_stopping {
                self.hand_back(claim);
            } else if self.held.has(&claim.key) {
                // Its lease had run out. Not two at a time, here least of all.
                self.held.give_up(&claim.key);
                self.next.push((claim, began));
            } else {
                self.begin(claim, began);
            }
        }
        Ok(())
    }

    fn begin(&mut self, claim: Claim, leased: Instant) {
        let (key, lease, hand) = (claim.key.clone(), claim.lease, Arc::clone(&self.hand));
        let span = info_span!("recompute", projection = hand.calls.name, key);
        let task = self.hands.spawn(async move { hand.recompute(&claim).await }.instrument(span));
        self.tasks.insert(task.id(), key.clone());
        self.held.add(key, (lease, leased), task);
    }

    fn hand_back(&mut self, claim: Claim) {
        let calls = Arc::clone(&self.hand.calls);
        self.statements.push(Box::pin(async move { Ended::HandBack(calls.hand_back(&claim).await) }));
    }

    fn has_beaten(
        &mut self,
        (keys, leases): &(Vec<String>, Vec<Uuid>),
        began: Instant,
        result: Result<HashMap<String, bool>, Error>,
    ) -> Result<(), Error> {
        let still = match result {
            Ok(still) => still,
            Err(error) if error.is_passing() => {
                warn!(%error, "leases can not be made to last longer now");
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        for (key, lease) in keys.iter().zip(leases) {
            if let Some(is_extended) = still.get(key) {
                // Or it is locked, while it is saved, say.
                if *is_extended {
                    self.held.is_leased_since(key, *lease, began);
                }
            } else if self.held.is_under(key, *lease) {
                // Or it was saved while this was asked: then there is nothing left to give up.
                warn!(key, "the lease of a key was lost while it was recomputed");
                self.held.give_up(key);
            }
        }
        Ok(())
    }

    /// The task of a key has ended, one way or the other. What is to be said of it was said there.
    fn is_done(&mut self, task: Id) {
        let Some(key) = self.tasks.remove(&task) else { return };
        self.held.remove(&key);
        if let Some(nth) = self.next.iter().position(|(claim, _)| claim.key == key) {
            let (claim, leased) = self.next.swap_remove(nth);
            self.begin(claim, leased);
        } else {
            // There may be more: hands are free, and when this key is due next was not known here.
            self.may_claim();
        }
    }

    fn may_claim(&mut self) {
        (self.dry_until, self.has_reason) = (None, true);
    }

    fn look_at_clock(&mut self) {
        self.dry_until.take_if(|until| *until <= Instant::now());
        for key in self.held.expired(self.hand.recomputer.lease) {
            warn!(key, "the lease of a key has run out, and could not be made to last longer");
            self.held.give_up(&key);
        }
    }
}
