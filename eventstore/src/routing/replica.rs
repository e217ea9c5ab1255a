//! A replica, and whether reads go to it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, watch};
use tracing::{info, warn};

use crate::pool::Pool;
use crate::telemetry::ReplicaGauges;
use crate::token::Token;

/// Whether reads go to a replica.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Standing {
    InRotation,
    /// A read was not answered in time.
    Suspect,
    /// And why.
    Out(Arc<str>),
}

/// A standby, or what was given as one.
#[derive(Debug)]
pub(crate) struct Replica {
    pool: Arc<dyn Pool>,
    standing: watch::Sender<Standing>,
    doubted: Notify,
    reads_under_way: AtomicUsize,
    /// An event that the primary has and that it did not have, although it had come as far.
    lacks: Mutex<Option<Token>>,
    pub(crate) lag: ReplicaGauges,
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
            Standing::Suspect => Some("a read was not answered in time".to_owned()),
            Standing::Out(why) => Some(why.to_string()),
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

    /// Returns when it is out: nobody should wait for it any more.
    pub(crate) async fn is_out(&self) {
        let mut standing = self.standing.subscribe();
        // It has the sender.
        let _ = standing.wait_for(|standing| matches!(standing, Standing::Out(_))).await;
    }

    /// Takes it out of rotation. The reason is logged if it was not out yet.
    pub(crate) fn leaves(&self, why: &str) {
        self.turn(Standing::Out(why.into()));
    }

    /// Keeps reads from it until the watch has looked, which it does at once.
    pub(crate) fn is_suspect(&self) {
        if self.is_in_rotation() {
            self.turn(Standing::Suspect);
            self.doubted.notify_one();
        }
    }

    /// Returns when it is suspect.
    pub(super) async fn is_doubted(&self) {
        self.doubted.notified().await;
    }

    /// Takes it back into rotation: for the watch alone.
    pub(super) fn is_sound(&self) {
        self.turn(Standing::InRotation);
    }

    /// Notes an event that it must have before it comes back.
    pub(crate) fn must_have(&self, token: Token) {
        *self.lacks() = Some(token);
    }

    pub(super) fn lacked(&self) -> Option<Token> {
        *self.lacks()
    }

    /// It has the event now, or nobody has.
    pub(super) fn lacks_nothing(&self) {
        *self.lacks() = None;
    }

    fn turn(&self, to: Standing) {
        let server = self.pool.server();
        self.standing.send_if_modified(move |standing| {
            let (was, is) = (standing.clone(), to);
            match (&was, &is) {
                // Another reason to stay out is no news.
                (Standing::Out(_), Standing::Out(_)) => {}
                (_, Standing::Out(why)) => warn!(server, "replica is out of rotation: {why}"),
                (Standing::Out(_), Standing::InRotation) => info!(server, "replica is back in rotation"),
                _ => {}
            }
            self.lag.in_rotation.set((is == Standing::InRotation).into());
            *standing = is;
            was != *standing
        });
    }

    fn lacks(&self) -> std::sync::MutexGuard<'_, Option<Token>> {
        self.lacks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
