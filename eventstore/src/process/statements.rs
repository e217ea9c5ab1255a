//! The statements of a dispatcher that are under way: a claim a lane, a settling of what comes and one of what somebody locks, and a heartbeat.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::time::{Instant, sleep};
use tracing::warn;
use uuid::Uuid;

use crate::error::Error;
use crate::process::calls::{Calls, Claims};
use crate::process::outcomes::Rows;
use crate::process::saying::{Said, say};
use crate::process::work::{Answer, Lane};

const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A statement that has ended.
pub(super) enum Ended {
    Claim {
        lane: Lane,
        wanted: usize,
        began: Instant,
        result: Result<Claims, Error>,
    },
    Settle {
        rows: Rows,
        said: Said,
    },
    Beat {
        asked: (Vec<Uuid>, Vec<Uuid>),
        began: Instant,
        result: Result<HashMap<Uuid, bool>, Error>,
    },
    /// A pause after a failure has passed.
    Rest(Failed),
}

/// Which statement has failed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Failed {
    Claim(Lane),
    Settle(Rows),
    Beat,
}

/// What is asked of the primary, and how it answers.
pub(super) struct Statements {
    calls: Arc<Calls>,
    under_way: FuturesUnordered<BoxFuture<'static, Ended>>,
    is_beating: bool,
    pause: Duration,
    /// Since when the primary does not answer.
    silent_since: Option<Instant>,
}

impl Statements {
    pub(super) fn new(calls: Arc<Calls>) -> Self {
        let under_way = FuturesUnordered::new();
        Self { calls, under_way, is_beating: false, pause: FIRST_PAUSE, silent_since: None }
    }

    /// The next one that ends; `None` if there is none under way.
    pub(super) async fn next(&mut self) -> Option<Ended> {
        self.under_way.next().await
    }

    pub(super) fn claim(&self, lane: Lane, wanted: usize, terms: (Duration, u32)) {
        let (calls, began) = (Arc::clone(&self.calls), Instant::now());
        self.under_way.push(Box::pin(async move {
            Ended::Claim { lane, wanted, began, result: calls.claim(lane, wanted, terms).await }
        }));
    }

    pub(super) fn settle(&self, rows: Rows, answers: Vec<Answer>, lease: Duration) {
        let calls = Arc::clone(&self.calls);
        self.under_way.push(Box::pin(async move {
            let said = say(&calls, answers, lease).await;
            Ended::Settle { rows, said }
        }));
    }

    /// Unless one is under way, or rests.
    pub(super) fn beat(&mut self, asked: (Vec<Uuid>, Vec<Uuid>), lease: Duration) {
        if self.is_beating || asked.0.is_empty() {
            return;
        }
        self.is_beating = true;
        let (calls, began) = (Arc::clone(&self.calls), Instant::now());
        self.under_way.push(Box::pin(async move {
            let result = calls.beat(asked.clone(), lease).await;
            Ended::Beat { asked, began, result }
        }));
    }

    pub(super) fn may_beat(&mut self) {
        self.is_beating = false;
    }

    pub(super) fn has_answered(&mut self) {
        (self.pause, self.silent_since) = (FIRST_PAUSE, None);
    }

    /// One has failed: the next one follows after a pause, unless that would fail, too. At the end nobody is waited for longer than a lease who
    /// may never answer.
    pub(super) fn rest(
        &mut self,
        failed: Failed,
        error: Error,
        (stopped_at, lease): (Option<Instant>, Duration),
    ) -> Result<(), Error> {
        let silent_since = *self.silent_since.get_or_insert_with(Instant::now);
        let has_waited = |stopped: Instant| stopped.max(silent_since).elapsed() > lease;
        if !error.is_passing() || stopped_at.is_some_and(has_waited) {
            return Err(error);
        }
        warn!(%error, "waiting for the primary");
        self.rest_for(self.pause, failed);
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        Ok(())
    }

    /// A heartbeat has found leases that somebody locks: whoever does may take a while, and the others are to last.
    pub(super) fn beat_later(&mut self, lease: Duration) {
        self.is_beating = true;
        self.rest_for(LONGEST_PAUSE.min(lease / 3), Failed::Beat);
    }

    /// The same of what was to be said.
    pub(super) fn settle_later(&self) {
        self.rest_for(LONGEST_PAUSE, Failed::Settle(Rows::Locked));
    }

    fn rest_for(&self, pause: Duration, failed: Failed) {
        self.under_way.push(Box::pin(async move {
            sleep(pause).await;
            Ended::Rest(failed)
        }));
    }
}
