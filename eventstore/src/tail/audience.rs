//! Who waits for what at the live end of the log.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tracing::debug;

use crate::error::Error;
use crate::event::RecordedEvent;
use crate::filter::{CheckedFilter, FilterFingerprint};
use crate::tail::{Chunk, Join};
use crate::token::Token;

/// How many chunks may wait for one of the audience, which reads on by itself when there are more.
const CHUNKS: usize = 16;
/// How many probes one read may make for all filters together; beyond that reading all events is no dearer.
const MOST_PROBES: usize = 64;

/// All who wait, by filter.
#[derive(Debug, Default)]
pub(super) struct Audience(Vec<Circle>);

/// Those who wait for the same.
#[derive(Debug)]
struct Circle {
    fingerprint: FilterFingerprint,
    filter: Arc<CheckedFilter>,
    members: Vec<Member>,
}

#[derive(Debug)]
struct Member {
    chunks: mpsc::Sender<Result<Chunk, Error>>,
    progress: watch::Sender<Token>,
}

/// A place in the audience: dropping it leaves.
#[derive(Debug)]
pub(super) struct Seat {
    /// Where the task stood. What comes begins there.
    pub(super) at: Token,
    pub(super) chunks: mpsc::Receiver<Result<Chunk, Error>>,
    /// Up to where all chunks have been sent, now and then.
    pub(super) progress: watch::Receiver<Token>,
}

impl Audience {
    /// Gives a place to whoever joins, unless they have left already.
    pub(super) fn admit(&mut self, join: Join, at: Token) {
        let (sender, chunks) = mpsc::channel(CHUNKS);
        let (told, progress) = watch::channel(at);
        if join.reply.send(Seat { at, chunks, progress }).is_err() {
            return;
        }
        let member = Member { chunks: sender, progress: told };
        match self.0.iter_mut().find(|circle| circle.fingerprint == join.fingerprint) {
            Some(circle) => circle.members.push(member),
            None => self.0.push(Circle {
                fingerprint: join.fingerprint,
                filter: join.filter,
                members: vec![member],
            }),
        }
    }

    /// Forgets who has left.
    pub(super) fn look_around(&mut self) {
        for circle in &mut self.0 {
            circle.members.retain(|member| !member.chunks.is_closed());
        }
        self.0.retain(|circle| !circle.members.is_empty());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What to read for all of them.
    pub(super) fn filter(&self) -> CheckedFilter {
        let filters = self.0.iter().map(|circle| &*circle.filter);
        CheckedFilter::any_of(filters)
            .filter(|any| any.probes() <= MOST_PROBES)
            .unwrap_or_else(CheckedFilter::all)
    }

    /// Hands each what its filter matches. Those who have not taken what they were given before are dropped: they read on by
    /// themselves.
    pub(super) fn hand_out(&mut self, page: &Arc<[RecordedEvent]>, complete: Token) {
        for circle in &mut self.0 {
            let matches = |event: &RecordedEvent| {
                circle.filter.matched_item(event.event_type.as_str(), &event.payload).is_some()
            };
            let chunk = Chunk::of(page, complete, matches);
            if !chunk.is_empty() {
                circle.members.retain(|member| match member.chunks.try_send(Ok(chunk.clone())) {
                    Ok(()) => true,
                    Err(why) => {
                        debug!(%why, "somebody leaves the live end of the log");
                        false
                    }
                });
            }
        }
    }

    /// Tells everybody up to where they have been handed everything.
    pub(super) fn tell_progress(&self, complete: Token) {
        for member in self.0.iter().flat_map(|circle| &circle.members) {
            member.progress.send_replace(complete);
        }
    }

    /// Sends everybody away.
    pub(super) fn fail(&mut self, error: &Error) {
        for member in self.0.drain(..).flat_map(|circle| circle.members) {
            // Full: it reads on by itself, and finds the same.
            let _ = member.chunks.try_send(Err(error.clone()));
        }
    }
}
