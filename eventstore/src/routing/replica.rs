//! A replica, and whether reads go to it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, watch};
use tracing::{info, warn};

use crate::pool::Pool;
use crate::telemetry::ReplicaGauges;
use crate::token::Token;

/// Why a server that is named as a replica is no fault.
pub(crate) const IS_PRIMARY: &str = "it is a primary at the moment";

/// Whether reads go to a replica.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Standing {
    InRotation,
    /// A read failed there.
    Suspect,
    /// It answers, but not for this log as it is now; and why.
    Unfit(Arc<str>),
    /// It can not be reached, or does not answer; and why.
    Silent(Arc<str>),
}

/// A standby, or what was given as one.
#[derive(Debug)]
pub(crate) struct Replica {
    pool: Arc<dyn Pool>,
    standing: watch::Sender<Standing>,
    doubted: Notify,
    reads_under_way: AtomicUsize,
    lacks: Mutex<Option<Lack>>,
    pub(crate) lag: ReplicaGauges,
}

/// An event that a replica did not have although it had come as far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lack {
    pub(super) token: Token,
    /// Whether the primary has it. Until then it may as well be what a failover lost.
    pub(super) is_confirmed: bool,
}

/// A read that is under way.
pub(crate) struct Reading<'a>(&'a Replica);

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        self.0.reads_under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Replica {
    /// In rotation, until somebody finds why not.
    pub(crate) fn new(pool: Arc<dyn Pool>, lag: ReplicaGauges) -> Self {
        lag.in_rotation.set(1);
        Self {
            pool,
            standing: watch::Sender::new(Standing::InRotation),
            doubted: Notify::new(),
            reads_under_way: AtomicUsize::new(0),
            lacks: Mutex::default(),
            lag,
        }
    }

    pub(crate) fn pool(&self) -> &Arc<dyn Pool> {
        &self.pool
    }

    pub(crate) fn is_in_rotation(&self) -> bool {
        *self.standing.borrow() == Standing::InRotation
    }

    /// Why reads do not go there; `None` if they do.
    pub(crate) fn out_because(&self) -> Option<String> {
        match &*self.standing.borrow() {
            Standing::InRotation => None,
            Standing::Suspect => Some("a read failed there".to_owned()),
            Standing::Unfit(why) | Standing::Silent(why) => Some(why.to_string()),
        }
    }

    pub(crate) fn reads_under_way(&self) -> usize {
        self.reads_under_way.load(Ordering::Relaxed)
    }

    /// Counts a read, until what is returned is dropped.
    pub(crate) fn reading(&self) -> Reading<'_> {
        self.reads_under_way.fetch_add(1, Ordering::Relaxed);
        Reading(self)
    }

    /// Returns when it is silent: nobody should wait for it any more.
    pub(crate) async fn falls_silent(&self) {
        let mut standing = self.standing.subscribe();
        // It has the sender.
        let _ = standing.wait_for(|standing| matches!(standing, Standing::Silent(_))).await;
    }

    /// Keeps reads from it until the watch has looked, which it does at once. All that a read may do: what it met may be its own
    /// connection's fault, or its own.
    pub(crate) fn is_suspect(&self) {
        if self.turn(Standing::Suspect, |standing| *standing == Standing::InRotation) {
            self.doubted.notify_one();
        }
    }

    /// Returns when it is suspect.
    pub(super) async fn is_doubted(&self) {
        self.doubted.notified().await;
    }

    /// Takes it out of rotation: for the watch alone, and for who connects the store.
    pub(crate) fn is_unfit(&self, why: &str) {
        self.turn(Standing::Unfit(why.into()), |_| true);
    }

    /// The same, and has nobody wait for it.
    pub(crate) fn is_silent(&self, why: &str) {
        self.turn(Standing::Silent(why.into()), |_| true);
    }

    /// Takes it back into rotation: for the watch alone.
    pub(super) fn is_sound(&self) {
        self.turn(Standing::InRotation, |_| true);
    }

    /// A look failed that says nothing of it: what it was before it was suspect it is again.
    pub(super) fn is_not_suspect(&self) {
        self.turn(Standing::InRotation, |standing| *standing == Standing::Suspect);
    }

    /// Notes an event that the primary has, and that it lacks: it must have it before it comes back.
    pub(crate) fn must_have(&self, token: Token) {
        *self.lock() = Some(Lack { token, is_confirmed: true });
    }

    /// Notes an event that it lacks, for the watch of the primary to look up.
    pub(crate) fn seems_to_lack(&self, token: Token) {
        self.lock().get_or_insert(Lack { token, is_confirmed: false });
    }

    pub(super) fn lack(&self) -> Option<Lack> {
        *self.lock()
    }

    /// The primary has what it lacks.
    pub(super) fn confirm(&self, token: Token) {
        if let Some(lack) = self.lock().as_mut().filter(|lack| lack.token == token) {
            lack.is_confirmed = true;
        }
    }

    /// It has the event now, or nobody has.
    pub(super) fn does_not_lack(&self, token: Token) {
        self.lock().take_if(|lack| lack.token == token);
    }

    /// Whether it turned.
    fn turn(&self, to: Standing, if_it_is: impl FnOnce(&Standing) -> bool) -> bool {
        let (mut was, is) = (None, to.clone());
        let turned = self.standing.send_if_modified(|standing| {
            let turns = *standing != to && if_it_is(standing);
            if turns {
                was = Some(std::mem::replace(standing, to));
            }
            turns
        });
        // Not under the lock: whoever writes logs may take long.
        if let Some(was) = was {
            self.lag.in_rotation.set(self.is_in_rotation().into());
            self.tell(&was, &is);
        }
        turned
    }

    fn tell(&self, was: &Standing, is: &Standing) {
        let server = self.pool.server();
        match (was, is) {
            // In other words.
            (Standing::Silent(_), Standing::Silent(_)) => {}
            // Wherever all servers are named, one of them is.
            (_, Standing::Unfit(why)) if **why == *IS_PRIMARY => {
                info!(server, "replica is out of rotation: {why}");
            }
            (_, Standing::Silent(why) | Standing::Unfit(why)) => {
                warn!(server, "replica is out of rotation: {why}");
            }
            (Standing::Silent(_) | Standing::Unfit(_), Standing::InRotation) => {
                info!(server, "replica is back in rotation");
            }
            _ => {}
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Lack>> {
        self.lacks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
