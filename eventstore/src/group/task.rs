//! What the task of a member does. States and failures: see the [module](super).
//!
//! Few statements may be under way: two [claims](Claiming), a [settling](Settling), a [feeding](Feeding), and a heartbeat. What comes
//! while they are makes up the next, so that many takers cost little more than one.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::yield_now;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout};
use tracing::{debug, warn};
use uuid::Uuid;

use crate::deadline;
use crate::error::Error;
use crate::group::book::{Book, Claimed, Outcome};
use crate::group::calls::Pulse;
use crate::group::claiming::{Claim, Claiming, Demand};
use crate::group::command::Command;
use crate::group::delivery::{Delivery, lease_lost};
use crate::group::feeding::{Effect, Feeding};
use crate::group::membership::Membership;
use crate::group::ops::Underway;
use crate::group::pace::{self, Pace};
use crate::group::settling::{Reply, Settled, Settling};
use crate::group::telling::Telling;
use crate::position::Position;
use crate::tail::Feed;
use crate::telemetry::GroupGauges;
use crate::token::Token;

/// How often others are let go first before a statement is begun.
const GATHERINGS: usize = 4;
/// How long handing back may take when a member ends: its leases run out anyway.
const END_WITHIN: Duration = Duration::from_secs(3);

/// Everything that only the task touches.
pub(super) struct Task {
    membership: Membership,
    commands: mpsc::UnboundedReceiver<Command>,
    /// For deliveries to answer with.
    answers_to: mpsc::WeakUnboundedSender<Command>,
    takers: VecDeque<oneshot::Sender<Result<Delivery, Error>>>,
    book: Book,
    pace: Pace,
    gauges: GroupGauges,
    claiming: Claiming,
    settling: Settling,
    feeding: Feeding,
    beating: Underway<Result<Pulse, Error>>,
    telling: Telling,
}

impl Task {
    pub(super) fn new(
        membership: Membership,
        (feed, fed): (Feed, Token),
        commands: mpsc::UnboundedReceiver<Command>,
        answers_to: mpsc::WeakUnboundedSender<Command>,
    ) -> Self {
        let gauges = membership.store.metrics().consumers.group(&membership.name);
        Self {
            membership,
            commands,
            answers_to,
            takers: VecDeque::new(),
            book: Book::default(),
            pace: Pace::new(Instant::now()),
            gauges,
            claiming: Claiming::new(),
            settling: Settling::default(),
            feeding: Feeding::new(feed, fed),
            beating: Underway::default(),
            telling: Telling::default(),
        }
    }

    pub(super) async fn run(mut self) {
        let closing = self.membership.store.inner().tails.closing().clone();
        let every = self.membership.terms.lease / 3;
        let mut beats = interval_at(deadline::after(every), every);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut news = self.membership.store.inner().tip.watch_work();
        let ended = loop {
            if let Some(done) = self.gather().await {
                break Some(done);
            }
            let wake_at = self.begin();
            tokio::select! {
                biased;
                () = closing.cancelled() => break None,
                command = self.commands.recv() => match command.map(|command| self.is_told(command)) {
                    Some(None) => {}
                    Some(done) => break done,
                    None => break None,
                },
                Some(claim) = self.claiming.next() => self.has_claimed(claim),
                settled = &mut self.settling.under_way => self.has_settled(settled),
                call = &mut self.feeding.under_way => {
                    let is_dry = self.claiming.dry_since().is_some();
                    let effect = self.feeding.has_ended(call, is_dry, &self.membership);
                    self.follows(effect);
                }
                reading = &mut self.feeding.reading => {
                    let effect = self.feeding.has_read(reading, &self.membership);
                    self.follows(effect);
                }
                pulse = &mut self.beating => self.has_beaten(pulse),
                () = &mut self.telling.under_way => {}
                // Of one group or another: the last one is known, and there may have been more.
                Ok(()) = news.changed() => {
                    news.mark_unchanged();
                    self.claiming.has_reason();
                }
                _ = beats.tick() => self.beat(),
                () = sleep_until(wake_at.unwrap_or_else(Instant::now)), if wake_at.is_some() => {
                    self.claiming.look_at_clock();
                }
            }
        };
        if timeout(END_WITHIN, self.end()).await.is_err() {
            debug!("a member has left without handing everything back");
        }
        drop(ended);
    }

    /// Takes what has come, and gives what is there. Whoever was answered just now is about to ask again, so that all of them share a
    /// statement: they are given a moment.
    async fn gather(&mut self) -> Option<oneshot::Sender<()>> {
        for _ in 0..GATHERINGS {
            while let Ok(command) = self.commands.try_recv() {
                if let Some(done) = self.is_told(command) {
                    return Some(done);
                }
            }
            self.hand_over();
            yield_now().await;
        }
        None
    }

    /// With who waits for the end, if it is to end.
    fn is_told(&mut self, command: Command) -> Option<oneshot::Sender<()>> {
        match command {
            Command::Take(taker) => self.takers.push_back(taker),
            Command::Answer { position, lease, outcome, reply } => {
                self.is_answered(position, lease, outcome, reply);
            }
            Command::End(done) => return Some(done),
        }
        None
    }

    /// Begins whatever can be; with when to look again, if nothing else happens.
    fn begin(&mut self) -> Option<Instant> {
        self.hand_over();
        let (mut kept_until, mut ahead) = (None, 0);
        // Where order is kept, what follows under a key is claimed with its first event, and kept.
        if !self.membership.terms.keeps_order() {
            kept_until = self.hand_back();
            ahead = self.pace.ahead(Instant::now());
        }
        let (takers, ready) = (self.takers.len(), self.book.ready());
        self.claiming.begin(&self.membership, Demand { takers, ready, ahead });
        self.settling.begin(&self.membership);
        let dry_since = self.claiming.dry_since();
        self.feeding.begin(&self.membership);
        self.feeding.begin_reading(dry_since);
        self.telling.begin(&self.membership);
        [self.claiming.dry_until(), self.feeding.wakes_at(dry_since), kept_until].into_iter().flatten().min()
    }

    /// Hands back what was claimed ahead too long ago, with when to look again.
    fn hand_back(&mut self) -> Option<Instant> {
        let since = Instant::now().checked_sub(pace::KEPT)?;
        let answers = self.book.release_ready(since);
        if !answers.is_empty() {
            self.settling.add_all(answers);
            self.pace.was_too_fast(Instant::now());
            // Whoever has come since the last heartbeat may have found nothing.
            self.telling.is_alone = false;
        }
        self.book.ready_since().map(|since| since + pace::KEPT)
    }

    /// Gives takers what is ready.
    fn hand_over(&mut self) {
        self.takers.retain(|taker| !taker.is_closed());
        while !self.takers.is_empty() {
            let Some((claimed, lost)) = self.book.hand_over() else { return };
            // It lives as long as the worker, and takers go with that.
            let (Some(taker), Some(answers_to)) = (self.takers.pop_front(), self.answers_to.upgrade()) else {
                self.book.take_back(claimed);
                return;
            };
            self.gauges.hands_over(claimed.attempt > 1);
            let Membership { calls, backoff, terms, .. } = &self.membership;
            let calls = Arc::clone(calls);
            let delivery = Delivery::new(claimed, lost, answers_to, calls, (*backoff, terms.max_attempts));
            // One that nobody has taken answers for itself when it is dropped here.
            let _ = taker.send(Ok(delivery));
        }
    }

    fn has_claimed(&mut self, claim: Claim) {
        match self.claiming.has_ended(&claim, &self.membership) {
            Ok(is_up_to_date) => {
                let Ok(claims) = claim.result else { return };
                let Some(fed) = claims.fed else { return self.fail_takers(&self.membership.is_gone()) };
                if is_up_to_date {
                    self.feeding.is_fed_up_to(fed, &self.membership);
                }
                self.gauges.claims(claims.claimed.len());
                self.keep(claims.claimed);
            }
            Err(error) => self.fail_takers(&error),
        }
    }

    /// After an outage a claim may have come before the heartbeat: what it found is still held here, under leases that had run out.
    fn keep(&mut self, claimed: Vec<Claimed>) {
        let (lost, behind) = self.book.add(claimed);
        for _ in 0..lost {
            self.gauges.loses_lease();
        }
        if lost > 0 {
            warn!(
                lost,
                group = self.membership.name,
                "leases had run out, and what was under them was claimed again"
            );
        }
        self.settling.add_all(behind);
    }

    fn fail_takers(&mut self, error: &Error) {
        for taker in self.takers.drain(..) {
            // Who has gone need not know.
            let _ = taker.send(Err(error.clone()));
        }
    }

    fn is_answered(&mut self, position: Position, lease: Uuid, outcome: Outcome, reply: Reply) {
        if let Some(handled_in) = self.book.in_hand_for(position, lease) {
            self.pace.notes(handled_in, Instant::now());
        }
        let mut answers = self.book.answer(position, lease, outcome).into_iter();
        match (answers.next(), reply) {
            (Some(own), reply) => {
                self.settling.add(own, reply);
                self.settling.add_all(answers);
            }
            (None, Some(reply)) => drop(reply.send(Err(lease_lost(position)))),
            (None, None) => {}
        }
    }

    fn has_settled(&mut self, settled: Settled) {
        let keeps_order = self.membership.terms.keeps_order();
        let told = settled.tell(&mut self.book, &self.gauges, keeps_order);
        self.telling.is_due |= told.frees > self.takers.len();
        self.settling.add_all(told.behind);
        self.claiming.has_reason();
    }

    fn follows(&mut self, effect: Effect) {
        match effect {
            Effect::Nothing => {}
            Effect::MayClaim { events } => {
                self.telling.is_due |= events > self.takers.len();
                self.claiming.has_reason();
            }
            Effect::Failed(error) => self.fail_takers(&error),
        }
    }

    fn beat(&mut self) {
        if self.takers.is_empty() {
            // Somebody else may want it.
            self.settling.add_all(self.book.release_ready(Instant::now()));
        }
        self.feeding.begin_without_events(&self.membership);
        if self.beating.is_free() {
            let calls = Arc::clone(&self.membership.calls);
            let leases = self.book.leases(self.membership.time_limit);
            let (in_flight, lease) = (self.book.in_flight(), self.membership.terms.lease);
            self.gauges.has_in_flight(in_flight);
            self.beating.begin(async move { calls.beat(in_flight, leases, lease).await });
        }
    }

    fn has_beaten(&mut self, pulse: Result<Pulse, Error>) {
        let group = &self.membership.name;
        match pulse {
            Ok(pulse) => {
                self.telling.is_alone = !pulse.others;
                self.gauges.tell(&self.membership.store.inner().heads, pulse.done, pulse.parked);
                for (position, lease) in pulse.lost {
                    let (is_news, behind) = self.book.lost(position, lease);
                    if is_news {
                        self.gauges.loses_lease();
                        warn!(position = position.get(), group, "a lease was lost");
                    }
                    self.settling.add_all(behind);
                }
            }
            Err(error) => warn!(%error, group, "a heartbeat was missed"),
        }
    }

    /// Hands everything back.
    async fn end(&mut self) {
        self.commands.close();
        while let Some(command) = self.commands.recv().await {
            // There is one end.
            drop(self.is_told(command));
        }
        self.fail_takers(&Error::closed());
        while let Some(claim) = self.claiming.next().await {
            self.keep(claim.result.map(|claims| claims.claimed).unwrap_or_default());
        }
        self.settling.add_all(self.book.release_all());
        loop {
            self.settling.begin(&self.membership);
            if self.settling.under_way.is_free() {
                break;
            }
            let settled = (&mut self.settling.under_way).await;
            self.has_settled(settled);
        }
        if let Err(error) = self.membership.calls.leave().await {
            debug!(%error, "a member has left without a word");
        }
        self.membership.store.tell_of_work(self.membership.calls.group).await;
        self.gauges.ends();
    }
}
