//! The claims of a member, and whether it is worth while to claim.
//!
//! A claim that got less than was wanted makes the member *dry*: it claims again when something has changed that a claim may see (an
//! answer was settled, events were fed, somebody told of work), or when something is due. What changed while a claim was under way
//! it can not have seen, so that such a claim makes nobody dry.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::time::Instant;
use tracing::warn;

use crate::error::{Error, ErrorKind};
use crate::group::calls::Claims;
use crate::group::membership::Membership;
use crate::group::size::Size;
use crate::sqlstate::QUERY_CANCELED;

/// How many claims may be under way: one for a single taker does not keep the others waiting.
const MOST: usize = 2;
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

pub(super) struct Claiming {
    under_way: FuturesUnordered<BoxFuture<'static, Claim>>,
    /// For how many takers those are.
    wanted: usize,
    /// Nothing could be claimed last time; until this instant, if nothing else happens.
    dry_until: Option<Instant>,
    /// When something could be claimed last.
    dry_since: Instant,
    /// How often something has changed that claims may see.
    changes: u64,
    pause: Duration,
    size: Size,
}

/// What a member needs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Demand {
    /// Who asks.
    pub(super) takers: usize,
    /// How many events are there for them.
    pub(super) ready: usize,
    /// How many more there should be.
    pub(super) ahead: usize,
}

/// A claim that has ended.
pub(super) struct Claim {
    wanted: usize,
    took: Duration,
    /// How much had changed when it was begun.
    after: u64,
    pub(super) result: Result<Claims, Error>,
}

impl Claiming {
    pub(super) fn new() -> Self {
        Self {
            under_way: FuturesUnordered::new(),
            wanted: 0,
            dry_until: None,
            dry_since: Instant::now(),
            changes: 0,
            pause: FIRST_PAUSE,
            size: Size::default(),
        }
    }

    /// Since when nothing could be claimed, if that is so.
    pub(super) fn dry_since(&self) -> Option<Instant> {
        self.dry_until.map(|_| self.dry_since)
    }

    pub(super) fn dry_until(&self) -> Option<Instant> {
        self.dry_until
    }

    /// Something has changed: what could not be claimed may be there now.
    pub(super) fn has_reason(&mut self) {
        (self.dry_until, self.changes) = (None, self.changes + 1);
    }

    /// Time has passed.
    pub(super) fn look_at_clock(&mut self) {
        self.dry_until.take_if(|until| *until <= Instant::now());
    }

    /// Claims for takers for whom nothing is there and nothing is being claimed yet; and ahead of others, once half of that is gone.
    pub(super) fn begin(&mut self, membership: &Membership, demand: Demand) {
        let there = self.wanted + demand.ready;
        let is_short = demand.takers > there || (there - demand.takers) * 2 < demand.ahead;
        if !is_short || self.dry_until.is_some() || self.under_way.len() >= MOST {
            return;
        }
        let (size, terms) = (self.size, membership.terms);
        let (wanted, run) = (size.limit(demand.takers + demand.ahead - there), size.run(terms.run));
        let (calls, after) = (Arc::clone(&membership.calls), self.changes);
        self.wanted += wanted;
        self.under_way.push(Box::pin(async move {
            let began = Instant::now();
            let result = calls.claim((wanted, run), terms).await;
            Claim { wanted, took: began.elapsed(), after, result }
        }));
    }

    /// The next claim that ends; `None` if there is none under way.
    pub(super) async fn next(&mut self) -> Option<Claim> {
        self.under_way.next().await
    }

    /// Whether a claim has seen everything that is known here. An error that does not pass is given back.
    pub(super) fn has_ended(&mut self, claim: &Claim, membership: &Membership) -> Result<bool, Error> {
        self.wanted -= claim.wanted;
        let is_up_to_date = self.changes == claim.after;
        match &claim.result {
            Ok(claims) => {
                self.pause = FIRST_PAUSE;
                self.size.was_right(claim.took, membership.calls.timeout);
                if !claims.claimed.is_empty() {
                    self.dry_since = Instant::now();
                }
                if claims.heads() < claim.wanted && is_up_to_date {
                    let longest = membership.store.poll_every();
                    let dry_for = claims.next.unwrap_or(longest).clamp(SHORTEST_PAUSE.min(longest), longest);
                    self.dry_until = Some(Instant::now() + dry_for);
                }
                Ok(is_up_to_date)
            }
            Err(error) if error.kind() == ErrorKind::Unavailable => {
                if error.is_timeout() || error.sqlstate() == Some(QUERY_CANCELED) {
                    self.size.was_too_large();
                }
                if self.pause == FIRST_PAUSE {
                    warn!(%error, group = membership.name, "nothing can be claimed now");
                }
                self.dry_until = Some(Instant::now() + self.pause);
                self.pause = (self.pause * 2).min(LONGEST_PAUSE);
                Ok(false)
            }
            Err(error) => Err(error.clone()),
        }
    }
}
