//! The dispatcher: one task that claims what is due, has it done, and says what came of it. States and failures: see the [module](super).
//!
//! Few statements may be under way: a claim a lane, two settlings, and a heartbeat. What ends while they are makes up the next.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, info_span, warn};
use uuid::Uuid;

use crate::deadline;
use crate::error::Error;
use crate::process::calls::{Calls, Claims};
use crate::process::definition::Process;
use crate::process::handling::{Ended as Worked, Hand};
use crate::process::held::Held;
use crate::process::manager::ProcessManager;
use crate::process::outcomes::{Backlog, Rows};
use crate::process::queue::Queue;
use crate::process::saying::Said;
use crate::process::statements::{Ended, Failed, Statements};
use crate::process::work::{Answer, Lane, Outcome, Work};
use crate::telemetry::ProcessGauges;

/// How soon work is looked for that another one is just claiming.
const SHORTEST_DRY: Duration = Duration::from_millis(1);

pub(super) struct Dispatcher<P> {
    hand: Arc<Hand<P>>,
    gauges: ProcessGauges,
    queues: [Queue; 3],
    held: Held,
    hands: JoinSet<Worked>,
    /// What each task of these is at.
    tasks: HashMap<Id, (Uuid, Uuid, Lane)>,
    outcomes: Backlog,
    statements: Statements,
    stop: CancellationToken,
    /// When it was told to.
    stopped_at: Option<Instant>,
}

impl<P: Process> Dispatcher<P> {
    pub(super) fn new(manager: &ProcessManager<P>, calls: Arc<Calls>, stop: CancellationToken) -> Self {
        let profile = &manager.profile;
        let queue = |lane| {
            let at_once = if lane == Lane::Checks { profile.status_checks } else { profile.dispatches };
            Queue::new(lane, at_once, profile.batch)
        };
        Self {
            statements: Statements::new(Arc::clone(&calls)),
            hand: Arc::new(Hand { manager: manager.clone(), calls }),
            gauges: manager.store.metrics().consumers.process(manager.process.name()),
            queues: Lane::ALL.map(queue),
            held: Held::default(),
            hands: JoinSet::new(),
            tasks: HashMap::new(),
            outcomes: Backlog::default(),
            stop,
            stopped_at: None,
        }
    }

    /// Until told to stop: what is being done is finished then, and all else handed back.
    pub(super) async fn run(mut self, mut news: watch::Receiver<()>) -> Result<(), Error> {
        let stop = self.stop.clone();
        let every = self.hand.manager.lease / 3;
        let mut beats = interval_at(deadline::after(every), every);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let is_stopping = stop.is_cancelled();
            if is_stopping {
                self.stopped_at.get_or_insert_with(Instant::now);
                self.hand_back();
            }
            self.begin(is_stopping);
            for lane in Lane::ALL {
                self.gauges.holds(lane.name(), self.held.len(lane));
            }
            // What is just being claimed is handed back, too.
            if is_stopping && self.held.is_empty() && !self.queues.iter().any(Queue::claims_now) {
                return Ok(());
            }
            let wake_at = self.wakes_at();
            tokio::select! {
                Some(ended) = self.statements.next() => self.has_ended(ended)?,
                Some(done) = self.hands.join_next_with_id() => self.is_done(done),
                Ok(()) = news.changed() => self.is_told(),
                _ = beats.tick() => self.beat(every / 2),
                () = stop.cancelled(), if !is_stopping => {}
                () = sleep_until(wake_at.unwrap_or_else(Instant::now)), if wake_at.is_some() => {
                    self.queues.iter_mut().for_each(Queue::look_at_clock);
                }
            }
        }
    }

    /// Everything that can be begun now. Where leases may have run out, after an outage, it is first asked which of them still hold: nothing
    /// is begun that others may have, and nothing claimed that is held here. What somebody locks holds up nothing but itself.
    fn begin(&mut self, is_stopping: bool) {
        let lease = self.hand.manager.lease;
        if self.held.has_older_than(lease) {
            self.beat(Duration::ZERO);
        }
        if !self.held.has_doubtful(lease) {
            for nth in 0..self.queues.len() {
                self.begin_work(nth, lease);
                if !is_stopping {
                    self.claim(nth);
                }
            }
        }
        self.settle();
    }

    fn begin_work(&mut self, nth: usize, lease: Duration) {
        while let Some(work) = self.queues[nth].begins() {
            if !self.held.is_kept(&work) {
                self.queues[nth].has_ended();
            } else if self.held.is_older_than(&work.id, lease) {
                // Its row is locked, and its lease is over: once it is free anybody may have it.
                self.queues[nth].has_ended();
                self.answer(work.id, work.lease, Outcome::Untouched);
            } else {
                self.hand_out(work);
            }
        }
    }

    /// Others are asked after when it is time.
    fn is_told(&mut self) {
        for queue in self.queues.iter_mut().filter(|queue| queue.lane != Lane::Checks) {
            queue.may_claim();
        }
    }

    fn hand_out(&mut self, work: Work) {
        let (id, lease, lane, hand) = (work.id, work.lease, work.lane, Arc::clone(&self.hand));
        let span = info_span!("dispatch", process = hand.manager.process.name(), name = work.name, %id);
        let task = self.hands.spawn(async move { hand.work(work).await }.instrument(span));
        self.tasks.insert(task.id(), (id, lease, lane));
        self.held.begins(&id, task);
    }

    fn claim(&mut self, nth: usize) {
        let queue = &mut self.queues[nth];
        let lane = queue.lane;
        let Some(wanted) = queue.wants(self.held.len(lane)) else { return };
        queue.is_claiming();
        let manager = &self.hand.manager;
        self.statements.claim(lane, wanted, (manager.lease, manager.max_attempts));
    }

    /// Says what came of work: at once where nothing more is about to end, else with what ends soon.
    fn settle(&mut self) {
        let is_all = self.queues.iter().all(Queue::is_idle);
        let (enough, lease) = (self.hand.manager.profile.batch, self.hand.manager.lease);
        for rows in [Rows::Any, Rows::Locked] {
            let answers = self.outcomes.of(rows).begin(enough, is_all || rows == Rows::Locked);
            if let Some(answers) = answers {
                self.statements.settle(rows, answers, lease);
            }
        }
    }

    /// Leases that are so old are made to last longer.
    fn beat(&mut self, age: Duration) {
        self.statements.beat(self.held.older_than(age), self.hand.manager.lease);
    }

    fn has_ended(&mut self, ended: Ended) -> Result<(), Error> {
        match ended {
            Ended::Claim { lane, wanted, began, result } => self.has_claimed(lane, (wanted, began), result),
            Ended::Settle { rows, said } => self.has_settled(rows, said),
            Ended::Beat { asked, began, result } => self.has_beaten(&asked, began, result),
            Ended::Rest(Failed::Claim(lane)) => {
                self.queue(lane).has_claimed(Vec::new(), None);
                Ok(())
            }
            Ended::Rest(Failed::Settle(rows)) => {
                self.outcomes.of(rows).has_rested();
                Ok(())
            }
            Ended::Rest(Failed::Beat) => {
                self.statements.may_beat();
                Ok(())
            }
        }
    }

    fn has_claimed(
        &mut self,
        lane: Lane,
        (wanted, began): (usize, Instant),
        result: Result<Claims, Error>,
    ) -> Result<(), Error> {
        match result {
            Ok(Claims { mut work, next }) => {
                self.statements.has_answered();
                let poll_every = self.hand.manager.profile.poll_every;
                let dry_for = (work.len() < wanted)
                    .then(|| next.unwrap_or(poll_every).clamp(SHORTEST_DRY.min(poll_every), poll_every));
                let outcomes = self.outcomes.of(Rows::Any);
                work.retain(|one| self.held.add(one, began).map(|answer| outcomes.push(answer)).is_none());
                self.queue(lane).has_claimed(work, dry_for);
                Ok(())
            }
            Err(error) => self.rest(Failed::Claim(lane), error),
        }
    }

    fn has_settled(&mut self, rows: Rows, said: Said) -> Result<(), Error> {
        let may_be_said = self.outcomes.of(rows).were_said();
        if !said.locked.is_empty() {
            self.wait_for_locks(rows, said.locked, may_be_said);
        }
        self.have_been_said(said.settled, &said.held, may_be_said);
        let Some((answers, error)) = said.failed else {
            self.statements.has_answered();
            return Ok(());
        };
        self.outcomes.of(rows).have_failed(answers);
        self.rest(Failed::Settle(rows), error)
    }

    /// Somebody locks these rows. At the end they are waited for no longer than a lease; whoever has them next does them again.
    fn wait_for_locks(&mut self, rows: Rows, answers: Vec<Answer>, may_be_said: bool) {
        let (process, count) = (self.hand.manager.process.name(), answers.len());
        if self.stopped_at.is_some_and(|stopped| stopped.elapsed() > self.hand.manager.lease) {
            warn!(process, count, "what came of work was not said, as somebody locks it");
            for answer in answers {
                self.held.forget(&answer.id, answer.lease);
            }
            return;
        }
        if rows == Rows::Any {
            warn!(process, count, "what came of work can not be said yet, as somebody locks it");
        }
        if self.outcomes.of(Rows::Locked).are_locked(answers, may_be_said) {
            self.statements.settle_later();
        }
    }

    fn have_been_said(&mut self, answers: Vec<Answer>, held: &HashSet<Uuid>, may_be_said: bool) {
        for answer in answers {
            self.held.forget(&answer.id, answer.lease);
            match &answer.outcome {
                Outcome::Running { pause, .. } => self.queue(Lane::Checks).is_due_in(*pause),
                Outcome::Failed { pause, .. } => self.queue(answer.lane).is_due_in(*pause),
                Outcome::Untouched => self.queue(answer.lane).may_claim(),
                Outcome::Done | Outcome::Parked { .. } => {}
            }
            // Or it was said the first time.
            if held.contains(&answer.id) || may_be_said {
                self.gauges.settles(answer.lane.name(), answer.outcome.name());
            } else if !self.held.has(&answer.id) {
                let process = self.hand.manager.process.name();
                warn!(process, id = %answer.id, "the lease of work was lost before it was said what came of it");
            }
        }
    }

    fn has_beaten(
        &mut self,
        (ids, leases): &(Vec<Uuid>, Vec<Uuid>),
        began: Instant,
        result: Result<HashMap<Uuid, bool>, Error>,
    ) -> Result<(), Error> {
        let still = match result {
            Ok(still) => still,
            Err(error) => return self.rest(Failed::Beat, error),
        };
        self.statements.has_answered();
        self.statements.may_beat();
        for (id, lease) in ids.iter().zip(leases) {
            match still.get(id) {
                Some(true) => self.held.is_leased_since(id, *lease, began),
                // To say what came of it, or to take its place: the next one tells.
                Some(false) => self.held.is_locked(id, *lease),
                None => self.held.lose(id, *lease),
            }
        }
        let held = &self.held;
        for queue in &mut self.queues {
            queue.drop_lost(|id| held.has(id));
        }
        let lease = self.hand.manager.lease;
        if self.held.has_older_than(lease) {
            self.statements.beat_later(lease);
        }
        Ok(())
    }

    /// A piece of work has ended, one way or the other.
    fn is_done(&mut self, done: Result<(Id, Worked), JoinError>) {
        let (task, outcome) = match done {
            Ok((task, outcome)) => (task, Some(outcome)),
            // It was given up, as its lease was lost.
            Err(error) => (error.id(), None),
        };
        let Some((id, lease, lane)) = self.tasks.remove(&task) else { return };
        self.queue(lane).has_ended();
        match outcome {
            Some(Worked::With(outcome)) => self.answer(id, lease, outcome),
            Some(Worked::Followed(outcome)) => {
                self.held.forget(&id, lease);
                self.gauges.settles(lane.name(), outcome);
            }
            None => self.held.forget(&id, lease),
        }
    }

    fn answer(&mut self, id: Uuid, lease: Uuid, outcome: Outcome) {
        if let Some(answer) = self.held.answer(id, lease, outcome) {
            self.outcomes.of(Rows::Any).push(answer);
        }
    }

    /// What nobody has begun is for others.
    fn hand_back(&mut self) {
        for nth in 0..self.queues.len() {
            for work in self.queues[nth].take_waiting() {
                self.answer(work.id, work.lease, Outcome::Untouched);
            }
        }
    }

    fn rest(&mut self, failed: Failed, error: Error) -> Result<(), Error> {
        self.statements.rest(failed, error, (self.stopped_at, self.hand.manager.lease))
    }

    fn wakes_at(&self) -> Option<Instant> {
        let dry = self.queues.iter().filter_map(Queue::dry_until);
        dry.chain(self.outcomes.ripe_at()).min()
    }

    fn queue(&mut self, lane: Lane) -> &mut Queue {
        let queue = self.queues.iter_mut().find(|queue| queue.lane == lane);
        queue.expect("there is a queue for each lane")
    }
}
