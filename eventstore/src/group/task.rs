//! What the task of a member does. States and failures: see the [module](super).
//!
//! Few statements may be under way: two claims, each for all who waited when it was begun, so that one for a single taker does not
//! keep the others waiting; a settling, of all that was answered meanwhile; a feeding; a heartbeat. What comes while they are
//! under way makes up the next, so that many takers cost little more than one.

use std::collections::VecDeque;
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::{mpsc, oneshot};
use tokio::task::yield_now;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, sleep_until, timeout};
use tracing::{debug, warn};
use uuid::Uuid;

use crate::deadline;
use crate::error::{Error, ErrorKind};
use crate::group::ConsumerGroup;
use crate::group::book::{Answer, Book, Outcome};
use crate::group::calls::{Calls, Claims, Fed, Pulse, Terms};
use crate::group::delivery::{Delivery, lease_lost};
use crate::group::ops::Underway;
use crate::position::Position;
use crate::store::EventStore;
use crate::tail::{Chunk, Feed};
use crate::telemetry::GroupGauges;
use crate::token::Token;

/// How many claims may be under way.
const MOST_CLAIMS: usize = 2;
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// How long to claim what is there before more is fed.
const FULL_PAUSE: Duration = Duration::from_millis(100);
/// How long somebody else is left to feed a group.
const BUSY_PAUSE: Duration = Duration::from_millis(20);
/// How long those who have not fed a group last leave it to whoever has.
const STAND_BY: Duration = Duration::from_millis(100);
/// How often others are told of something to claim, at most.
const TELL_EVERY: Duration = Duration::from_millis(50);
/// How often others are let go first before a statement is begun.
const GATHERINGS: usize = 4;
/// How long handing back may take when a member ends: its leases run out anyway.
const END_WITHIN: Duration = Duration::from_secs(3);

/// A membership of a group.
pub(super) struct Membership {
    pub(super) store: EventStore,
    pub(super) name: String,
    pub(super) calls: Arc<Calls>,
    pub(super) terms: Terms,
    pub(super) time_limit: Duration,
    pub(super) backoff: Backoff,
    pub(super) group: ConsumerGroup,
}

/// How long to wait before another attempt.
#[derive(Debug, Clone, Copy)]
pub(super) struct Backoff {
    pub(super) first: Duration,
    pub(super) longest: Duration,
}

impl Backoff {
    /// After so many attempts. Give or take a tenth, so that what failed together is not tried again together.
    pub(super) fn after(self, attempts: i32) -> Duration {
        let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or(0).min(30);
        let pause = self.first.saturating_mul(1 << doublings).min(self.longest);
        pause.mul_f64(0.9 + 0.2 * fastrand::f64())
    }
}

pub(super) enum Command {
    /// Somebody wants an event.
    Take(oneshot::Sender<Result<Delivery, Error>>),
    /// What came of one.
    Answer {
        position: Position,
        lease: Uuid,
        outcome: Outcome,
        reply: Option<oneshot::Sender<Result<(), Error>>>,
    },
    End(oneshot::Sender<()>),
}

type Reply = Option<oneshot::Sender<Result<(), Error>>>;

/// Everything that only the task touches.
pub(super) struct Task {
    membership: Membership,
    commands: mpsc::UnboundedReceiver<Command>,
    /// For deliveries to answer with.
    answers_to: mpsc::WeakUnboundedSender<Command>,
    takers: VecDeque<oneshot::Sender<Result<Delivery, Error>>>,
    book: Book,
    gauges: GroupGauges,
    /// Nothing could be claimed last time; until this instant, if nothing else happens.
    dry_until: Option<Instant>,
    /// How often something has changed that claims may see.
    changes: u64,
    claiming: FuturesUnordered<BoxFuture<'static, Claim>>,
    /// For how many takers that is.
    claiming_for: usize,
    claim_pause: Duration,
    answers: Vec<(Answer, Reply)>,
    settling: Underway<(Vec<(Answer, Reply)>, Settled)>,
    feeding: Underway<Feeding>,
    feed_pause: Duration,
    feed_after: Instant,
    /// Up to where the group was fed, as far as it is known here.
    fed: Token,
    /// Read and not fed yet.
    chunk: Option<Chunk>,
    /// The feed, while nothing is read.
    feed: Option<Feed>,
    reading: Underway<(Feed, Result<Chunk, Error>)>,
    /// Whether what comes next comes by itself.
    is_live: bool,
    /// When the chunk was read.
    read_at: Instant,
    /// Whether it was this one that has fed the group last: others hold back, for as long as it does.
    is_feeder: bool,
    dry_since: Instant,
    /// How far the feed has come without a match.
    reached: Arc<Mutex<Token>>,
    beating: Underway<Result<Pulse, Error>>,
    /// There is something for others to claim, which this one does not want.
    is_to_tell: bool,
    /// Nobody else takes part, as the last heartbeat found.
    is_alone: bool,
    telling: Underway<()>,
}

/// What became of a claim.
struct Claim {
    wanted: usize,
    /// How much had changed when it was begun.
    after: u64,
    result: Result<Claims, Error>,
}

/// What became of a settling.
struct Settled {
    result: Result<Vec<Position>, Error>,
    /// Whether it was sent more than once: what is not there any more may be what was done by it.
    in_doubt: bool,
}

/// What became of a feeding.
enum Feeding {
    /// Up to a token.
    Fed(Token, Result<Fed, Error>),
    Again(Result<(Feed, Token), Error>),
}

impl Task {
    pub(super) fn new(
        membership: Membership,
        (feed, feed_at): (Feed, Token),
        commands: mpsc::UnboundedReceiver<Command>,
        answers_to: mpsc::WeakUnboundedSender<Command>,
    ) -> Self {
        let gauges = membership.store.metrics().group(&membership.name);
        Self {
            membership,
            commands,
            answers_to,
            takers: VecDeque::new(),
            book: Book::default(),
            gauges,
            dry_until: None,
            changes: 0,
            claiming: FuturesUnordered::new(),
            claiming_for: 0,
            claim_pause: FIRST_PAUSE,
            answers: Vec::new(),
            settling: Underway::default(),
            feeding: Underway::default(),
            feed_pause: FIRST_PAUSE,
            feed_after: Instant::now(),
            fed: feed_at,
            chunk: None,
            feed: Some(feed),
            reading: Underway::default(),
            is_live: false,
            read_at: Instant::now(),
            is_feeder: true,
            dry_since: Instant::now(),
            reached: Arc::new(Mutex::new(feed_at)),
            beating: Underway::default(),
            is_to_tell: false,
            is_alone: false,
            telling: Underway::default(),
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
            self.hand_over();
            self.begin_claim();
            self.begin_settling();
            self.begin_feeding();
            self.begin_reading();
            self.begin_telling();
            let wake_at = self.wake_at();
            tokio::select! {
                biased;
                () = closing.cancelled() => break None,
                command = self.commands.recv() => match command {
                    Some(command) => {
                        if let Some(done) = self.is_told(command) {
                            break Some(done);
                        }
                    }
                    None => break None,
                },
                Some(claim) = self.claiming.next() => self.has_claimed(claim),
                (answers, settled) = &mut self.settling => self.has_settled(answers, settled),
                fed = &mut self.feeding => self.has_fed(fed),
                pulse = &mut self.beating => self.has_beaten(pulse),
                () = &mut self.telling => {}
                Ok(()) = news.changed() => {
                    if *news.borrow_and_update() == self.membership.calls.group {
                        self.may_claim();
                    }
                }
                (feed, chunk) = &mut self.reading => self.has_read(feed, chunk),
                _ = beats.tick() => self.beat(),
                () = sleep_until(wake_at.unwrap_or_else(Instant::now)), if wake_at.is_some() => {
                    self.dry_until.take_if(|until| *until <= Instant::now());
                }
            }
        };
        if timeout(END_WITHIN, self.end()).await.is_err() {
            debug!("a member has left without handing everything back");
        }
        drop(ended);
    }

    /// With who waits for the end, if it is to end.
    fn is_told(&mut self, command: Command) -> Option<oneshot::Sender<()>> {
        match command {
            Command::Take(taker) => self.takers.push_back(taker),
            Command::Answer { position, lease, outcome, reply } => {
                self.answered(position, lease, outcome, reply)
            }
            Command::End(done) => return Some(done),
        }
        None
    }

    /// Takes what has come. Whoever was answered just now is about to ask again, so that all of them share a statement: they are
    /// given a moment.
    async fn gather(&mut self) -> Option<oneshot::Sender<()>> {
        for _ in 0..GATHERINGS {
            while let Ok(command) = self.commands.try_recv() {
                if let Some(done) = self.is_told(command) {
                    return Some(done);
                }
            }
            yield_now().await;
        }
        None
    }

    fn is_dry(&self) -> bool {
        self.dry_until.is_some()
    }

    /// Something has changed: what could not be claimed may be there now.
    fn may_claim(&mut self) {
        (self.dry_until, self.changes) = (None, self.changes + 1);
    }

    /// Whether to read on. The feeder does, so that there is always something to claim; the others stand by: they take what comes
    /// by itself, and read the log only if nothing could be claimed for a while.
    fn begin_reading(&mut self) {
        let stands_by =
            !self.is_feeder && !self.is_live && !(self.is_dry() && self.dry_since.elapsed() >= STAND_BY);
        if self.chunk.is_some() || stands_by || Instant::now() < self.feed_after {
            return;
        }
        let Some(mut feed) = self.feed.take() else { return };
        feed.skip_to(self.fed);
        let reached = Arc::clone(&self.reached);
        self.reading.begin(async move {
            let progress = move |place| *reached.lock().unwrap_or_else(PoisonError::into_inner) = place;
            let chunk = feed.next(&progress).await;
            (feed, chunk)
        });
    }

    /// When what is read may be fed.
    fn feeds_at(&self) -> Instant {
        let stand_by = if self.is_feeder { Duration::ZERO } else { STAND_BY };
        (self.read_at + stand_by).max(self.feed_after)
    }

    /// When to look again, if nothing else happens.
    fn wake_at(&self) -> Option<Instant> {
        let now = Instant::now();
        let feeds_at = self.chunk.as_ref().filter(|_| self.feeding.is_free()).map(|_| self.feeds_at());
        let reads_at =
            (self.chunk.is_none() && self.is_dry()).then(|| (self.dry_since + STAND_BY).max(self.feed_after));
        let later = |at: &Instant| *at > now;
        [self.dry_until, feeds_at.filter(later), reads_at.filter(later)].into_iter().flatten().min()
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

    fn begin_claim(&mut self) {
        let wanted = self.takers.len().saturating_sub(self.book.ready() + self.claiming_for);
        if wanted > 0 && !self.is_dry() && self.claiming.len() < MOST_CLAIMS {
            let (calls, terms) = (Arc::clone(&self.membership.calls), self.membership.terms);
            let after = self.changes;
            self.claiming_for += wanted;
            self.claiming.push(Box::pin(async move {
                Claim { wanted, after, result: calls.claim(wanted, terms).await }
            }));
        }
    }

    fn has_claimed(&mut self, claim: Claim) {
        self.claiming_for -= claim.wanted;
        match claim.result {
            Ok(Claims { claimed, next, fed }) => {
                // What was fed is not flushed: a crash of the primary has lost it.
                if fed < self.fed.position() && self.changes == claim.after && self.feeding.is_free() {
                    warn!(group = self.membership.name, "the group was set back, and is fed again");
                    self.read_again();
                }
                let heads = claimed.iter().filter(|one| one.head == one.event.position).count();
                self.claim_pause = FIRST_PAUSE;
                self.gauges.claims(claimed.len());
                if !claimed.is_empty() {
                    self.dry_since = Instant::now();
                }
                self.book.add(claimed);
                // What came while the claim was under way it can not have seen.
                if heads < claim.wanted && self.changes == claim.after {
                    let longest = self.membership.store.poll_every();
                    let dry_for = next.unwrap_or(longest).clamp(SHORTEST_PAUSE, longest);
                    self.dry_until = Some(Instant::now() + dry_for);
                }
            }
            Err(error) if may_pass(&error) => {
                if self.claim_pause == FIRST_PAUSE {
                    warn!(%error, group = self.membership.name, "nothing can be claimed now");
                }
                self.dry_until = Some(Instant::now() + self.claim_pause);
                self.claim_pause = (self.claim_pause * 2).min(LONGEST_PAUSE);
            }
            Err(error) => self.fail_takers(&error),
        }
    }

    fn fail_takers(&mut self, error: &Error) {
        for taker in self.takers.drain(..) {
            // Who has gone need not know.
            let _ = taker.send(Err(error.clone()));
        }
    }

    fn answered(&mut self, position: Position, lease: Uuid, outcome: Outcome, reply: Reply) {
        let mut answers = self.book.answer(position, lease, outcome).into_iter();
        match answers.next() {
            Some(own) => {
                self.answers.push((own, reply));
                self.answers.extend(answers.map(|behind| (behind, None)));
            }
            None => {
                if let Some(reply) = reply {
                    let _ = reply.send(Err(lease_lost(position)));
                }
            }
        }
    }

    fn begin_settling(&mut self) {
        if self.answers.is_empty() || !self.settling.is_free() {
            return;
        }
        let (calls, answers) = (Arc::clone(&self.membership.calls), mem::take(&mut self.answers));
        let patience = self.membership.terms.lease;
        self.settling.begin(async move {
            let told: Vec<Answer> = answers.iter().map(|(answer, _)| answer.clone()).collect();
            let settled = settle(&calls, &told, patience).await;
            (answers, settled)
        });
    }

    fn has_settled(&mut self, answers: Vec<(Answer, Reply)>, settled: Settled) {
        let settled_outcomes: Vec<Outcome> =
            answers.iter().map(|(answer, _)| answer.outcome.clone()).collect();
        for (answer, reply) in answers {
            self.book.settled(answer.position, answer.lease);
            let result = match &settled.result {
                Ok(held) if held.contains(&answer.position) => {
                    self.gauges.settles(answer.outcome.name());
                    Ok(())
                }
                Ok(_) if settled.in_doubt => Err(Error::new(
                    ErrorKind::Indeterminate,
                    format!(
                        "the connection died while it was said what came of the event at position {}",
                        answer.position
                    ),
                )),
                Ok(_) => {
                    self.gauges.loses_lease();
                    Err(lease_lost(answer.position))
                }
                Err(error) => Err(error.clone()),
            };
            match reply {
                Some(reply) => drop(reply.send(result)),
                None => {
                    if let Err(error) = result {
                        debug!(%error, "an event could not be handed back");
                    }
                }
            }
        }
        // What was done may have been in the way of others of its key.
        self.may_claim();
        let frees = |outcome: &Outcome| *outcome != Outcome::Done || self.membership.terms.run > 0;
        self.is_to_tell |= self.takers.is_empty() && settled_outcomes.iter().any(frees);
    }

    fn begin_telling(&mut self) {
        if mem::take(&mut self.is_to_tell) && !self.is_alone {
            if !self.telling.is_free() {
                self.is_to_tell = true;
                return;
            }
            let news = self.membership.store.tell_of_work(self.membership.calls.group);
            self.telling.begin(async move {
                news.await;
                sleep(TELL_EVERY).await;
            });
        }
    }

    /// Feeds what was read.
    fn begin_feeding(&mut self) {
        let may_feed = self.feeding.is_free() && Instant::now() >= self.feeds_at();
        if let Some(chunk) = self.chunk.clone().filter(|_| may_feed) {
            let (calls, from) = (Arc::clone(&self.membership.calls), self.fed.position());
            let to = chunk.complete();
            self.feeding.begin(async move { Feeding::Fed(to, calls.feed(from, Some(&chunk), to).await) });
        }
    }

    fn has_read(&mut self, feed: Feed, chunk: Result<Chunk, Error>) {
        self.is_live = feed.is_live();
        self.feed = Some(feed);
        match chunk {
            // Others may have fed it meanwhile.
            Ok(chunk) if chunk.complete().position() <= self.fed.position() => {}
            Ok(chunk) => (self.chunk, self.read_at) = (Some(chunk), Instant::now()),
            // The work lies in the same database, and has lost the same.
            Err(error) if error.kind() == ErrorKind::HistoryDiverged => {
                warn!(%error, group = self.membership.name, "going on from where the group is");
                self.read_again();
            }
            Err(error) => {
                self.fail_takers(&error);
                self.rests(LONGEST_PAUSE);
            }
        }
    }

    /// Reads and feeds nothing for a while.
    fn rests(&mut self, pause: Duration) {
        self.feed_after = Instant::now() + pause;
    }

    fn read_again(&mut self) {
        (self.chunk, self.feed, self.reading) = (None, None, Underway::default());
        let (group, member) = (self.membership.group.clone(), self.membership.calls.member);
        let pause = self.feed_pause;
        self.feeding.begin(async move {
            sleep(pause).await;
            Feeding::Again(group.feed_again(member).await)
        });
    }

    fn has_fed(&mut self, fed: Feeding) {
        let error = match fed {
            Feeding::Fed(up_to, Ok(Fed::Now)) => {
                let events =
                    self.chunk.take_if(|chunk| chunk.complete() == up_to).map_or(0, |chunk| chunk.len());
                (self.fed, self.feed_pause, self.is_feeder) = (up_to, FIRST_PAUSE, true);
                self.is_to_tell |= events > self.takers.len();
                return self.may_claim();
            }
            Feeding::Fed(_, Ok(Fed::ByOthers(fed))) => {
                (self.chunk, self.fed, self.is_feeder) = (None, fed, false);
                (self.feed_pause, self.dry_since) = (FIRST_PAUSE, Instant::now());
                return self.may_claim();
            }
            Feeding::Fed(_, Ok(Fed::Busy)) => {
                self.is_feeder = false;
                return self.rests(BUSY_PAUSE);
            }
            // What is there is claimed first; where that is not for this one, whoever can will feed.
            Feeding::Fed(_, Ok(Fed::Full)) => {
                return self.rests(if self.is_dry() { LONGEST_PAUSE } else { FULL_PAUSE });
            }
            Feeding::Fed(_, Ok(Fed::Elsewhere)) => {
                debug!(group = self.membership.name, "the group is elsewhere in the log");
                return self.read_again();
            }
            Feeding::Fed(_, Ok(Fed::Gone)) => {
                let error = Error::invalid(format!("group {:?} was deleted", self.membership.name));
                return self.fail_takers(&error);
            }
            Feeding::Again(Ok((again, fed))) => {
                (self.feed, self.fed, self.feed_pause) = (Some(again), fed, FIRST_PAUSE);
                self.reading = Underway::default();
                *self.reached.lock().unwrap_or_else(PoisonError::into_inner) = fed;
                return;
            }
            Feeding::Fed(_, Err(error)) | Feeding::Again(Err(error)) => error,
        };
        if !may_pass(&error) && error.kind() != ErrorKind::HistoryDiverged {
            return self.fail_takers(&error);
        }
        if self.feed_pause == FIRST_PAUSE {
            warn!(%error, group = self.membership.name, "new events can not be shared now");
        }
        self.feed_pause = (self.feed_pause * 2).min(LONGEST_PAUSE);
        self.read_again();
    }

    fn reached(&self) -> Token {
        *self.reached.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn beat(&mut self) {
        if self.takers.is_empty() {
            // Somebody else may want it.
            let ready = self.book.release_ready();
            self.answers.extend(ready.into_iter().map(|answer| (answer, None)));
        }
        let (reached, calls) = (self.reached(), Arc::clone(&self.membership.calls));
        // Where nothing matches the group comes along.
        if self.chunk.is_none() && self.feeding.is_free() && reached.position() > self.fed.position() {
            let (calls, from) = (Arc::clone(&calls), self.fed.position());
            self.feeding.begin(async move { Feeding::Fed(reached, calls.feed(from, None, reached).await) });
        }
        if self.beating.is_free() {
            let leases = self.book.leases(self.membership.time_limit);
            let (in_flight, lease) = (self.book.in_flight(), self.membership.terms.lease);
            self.gauges.has_in_flight(in_flight);
            self.beating.begin(async move {
                let asked = leases.clone();
                let mut pulse = calls.beat(in_flight, leases, lease).await?;
                pulse.lost = asked
                    .0
                    .into_iter()
                    .zip(asked.1)
                    .filter(|(position, _)| !pulse.held.contains(position))
                    .collect();
                Ok(pulse)
            });
        }
    }

    fn has_beaten(&mut self, pulse: Result<Pulse, Error>) {
        match pulse {
            Ok(pulse) => {
                self.is_alone = !pulse.others;
                self.gauges.tell(&self.membership.store.inner().heads, pulse.done, pulse.parked);
                for (position, lease) in pulse.lost {
                    let (is_news, behind) = self.book.lost(position, lease);
                    if is_news {
                        self.gauges.loses_lease();
                        warn!(position = position.get(), group = self.membership.name, "a lease was lost");
                    }
                    self.answers.extend(behind.into_iter().map(|answer| (answer, None)));
                }
            }
            Err(error) => warn!(%error, group = self.membership.name, "a heartbeat was missed"),
        }
    }

    /// Hands everything back.
    async fn end(&mut self) {
        self.commands.close();
        while let Some(command) = self.commands.recv().await {
            match command {
                Command::Answer { position, lease, outcome, reply } => {
                    self.answered(position, lease, outcome, reply)
                }
                Command::Take(taker) => drop(taker),
                Command::End(done) => drop(done),
            }
        }
        self.fail_takers(&Error::closed());
        while let Some(claim) = self.claiming.next().await {
            self.book.add(claim.result.map(|claims| claims.claimed).unwrap_or_default());
        }
        if !self.settling.is_free() {
            let (answers, settled) = (&mut self.settling).await;
            self.has_settled(answers, settled);
        }
        let left = self.book.release_all();
        self.answers.extend(left.into_iter().map(|answer| (answer, None)));
        self.begin_settling();
        if !self.settling.is_free() {
            let (answers, settled) = (&mut self.settling).await;
            self.has_settled(answers, settled);
        }
        if let Err(error) = self.membership.calls.leave().await {
            debug!(%error, "a member has left without a word");
        }
        self.membership.store.tell_of_work(self.membership.calls.group).await;
        self.gauges.ends();
    }
}

/// Whether a call may succeed when it is made again.
fn may_pass(error: &Error) -> bool {
    error.kind() == ErrorKind::Unavailable
}

/// Says what came of events, until the primary answers or the leases have run out.
async fn settle(calls: &Calls, answers: &[Answer], patience: Duration) -> Settled {
    let (until, mut pause, mut in_doubt) = (Instant::now() + patience, FIRST_PAUSE, false);
    loop {
        match calls.settle(answers).await {
            Err(error) if may_pass(&error) && Instant::now() + pause < until => {
                debug!(%error, "what came of events is said again");
                in_doubt = true;
                sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            result => return Settled { result, in_doubt },
        }
    }
}
