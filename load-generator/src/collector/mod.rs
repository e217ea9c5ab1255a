//! Takes what was measured, adds it up, and tells once a second how it goes.
//!
//! *Owner.* [`load`](crate::load) spawns one for each load, as a task, and tells it when all requests have ended; then it takes what is
//! left and hands everything over. It owns the totals, the timeline and the HDR log, so that nothing is locked to look at them.
//! *On failure*: an HDR log that can not be written is given up with a warning, and the run goes on; whoever wants ticks and
//! has gone is not missed.
//!
//! A second is closed a moment after it is over, with what ended in it; what a worker delivers only after that counts in the
//! next one. What was due in a second is known to the pacer, and is put right at the end. Totals do not depend on either. The last
//! second of a load is as long as the load still was, or to its last answer.

mod open_second;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval_at};

use crate::counts::Counts;
use crate::error::RunError;
use crate::hdr_log::HdrLog;
use crate::live::{Phase, Tick};
use crate::observe::Watched;
use crate::own::OwnClock;
use crate::plan::Timing;
use crate::report::{Length, Requests, Second};
use crate::soak::Parts;
use crate::tally::{Offered, Tally};

use open_second::OpenSecond;

/// How often buffers are emptied. They hold some hundred bytes a request.
const EMPTIED_EVERY: Duration = Duration::from_millis(100);
/// How long after its end a second is closed.
const CLOSED_AFTER: Duration = Duration::from_millis(20);
const SECOND: Duration = Duration::from_secs(1);
/// What is left at the end is at least so long: nothing is divided by less.
const SHORTEST: Duration = Duration::from_millis(1);

/// What a collector needs to know.
pub(crate) struct Collecting {
    pub(crate) tally: Arc<Tally>,
    pub(crate) start: Instant,
    pub(crate) measured_from: Instant,
    pub(crate) timing: Timing,
    /// Of the plan, that this process makes.
    pub(crate) share: f64,
    /// Measured seconds of the repeats before.
    pub(crate) seconds_before: u64,
    pub(crate) phase: Phase,
    pub(crate) watched: Watched,
    pub(crate) ticks: Option<mpsc::UnboundedSender<Tick>>,
    /// And when its time begins.
    pub(crate) hdr: Option<(HdrLog, Instant)>,
    /// For a soak.
    pub(crate) parts: Option<Parts>,
}

/// All that one load came to.
#[derive(Debug)]
pub(crate) struct Collected {
    pub(crate) counts: Counts,
    pub(crate) timeline: Vec<Second>,
    /// To go on with.
    pub(crate) hdr: Option<(HdrLog, Instant)>,
    /// Why it was given up.
    pub(crate) hdr_failed: Option<std::io::Error>,
    pub(crate) parts: Option<Parts>,
}

/// The task, while it runs.
#[derive(Debug)]
pub(crate) struct Collector {
    task: JoinHandle<Collected>,
    end: oneshot::Sender<Instant>,
}

impl Collector {
    pub(crate) fn start(collecting: Collecting) -> Self {
        let (end, ended) = oneshot::channel();
        let work = Work::new(collecting);
        work.tell_rate();
        Self { task: tokio::spawn(work.collect(ended)), end }
    }

    /// All requests have ended, and none was due from then on.
    pub(crate) async fn finish(self, offered_until: Instant) -> Result<Collected, RunError> {
        // If it has died, joining it says so.
        let _ = self.end.send(offered_until);
        self.task.await.map_err(RunError::task)
    }
}

struct Work {
    given: Collecting,
    own: OwnClock,
    counts: Counts,
    timeline: Vec<Second>,
    /// The second that is open from this on, and the one after it.
    open: OpenSecond,
    open_from: Instant,
    next: OpenSecond,
    /// What was offered in the warm-up before the open second.
    offered_before: Offered,
    is_measuring: bool,
    hdr_failed: Option<std::io::Error>,
}

impl Work {
    fn new(given: Collecting) -> Self {
        Self {
            is_measuring: given.measured_from <= given.start,
            own: OwnClock::start(),
            counts: Counts::default(),
            timeline: Vec::new(),
            open: OpenSecond::default(),
            open_from: given.start,
            given,
            next: OpenSecond::default(),
            offered_before: Offered::default(),
            hdr_failed: None,
        }
    }

    async fn collect(mut self, mut ended: oneshot::Receiver<Instant>) -> Collected {
        let mut emptied = tokio::time::interval(EMPTIED_EVERY);
        emptied.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut seconds = seconds_from(self.given.start);
        // Where the warm-up ends in the middle of a second, seconds begin anew.
        let measured = tokio::time::sleep_until((self.given.measured_from + CLOSED_AFTER).into());
        tokio::pin!(measured);
        let offered_until = loop {
            tokio::select! {
                biased;
                () = &mut measured, if !self.is_measuring => {
                    self.take();
                    self.end_warmup();
                    seconds = seconds_from(self.given.measured_from);
                }
                _ = seconds.tick() => {
                    self.take();
                    self.close(SECOND);
                }
                _ = emptied.tick() => self.take(),
                ended = &mut ended => break ended.unwrap_or_else(|_| Instant::now()),
            }
        };
        self.take();
        let measured = self.given.tally.offers().measured;
        if !self.is_measuring && measured != Offered::default() {
            self.end_warmup();
        }
        // What is left is not a whole second.
        let until = self.counts.last_completion.map_or(offered_until, |answered| answered.max(offered_until));
        while self.is_measuring && (self.open_from < until || self.has_more()) {
            self.close(self.open_for(until));
        }
        if let Some(parts) = &mut self.given.parts {
            parts.finish();
        }
        let offers = self.given.tally.offers().seconds.clone();
        for (second, offered) in self.timeline.iter_mut().zip(offers) {
            second.due(offered);
        }
        Collected {
            counts: self.counts,
            timeline: self.timeline,
            hdr: self.given.hdr,
            hdr_failed: self.hdr_failed,
            parts: self.given.parts,
        }
    }

    /// Empties the buffers.
    fn take(&mut self) {
        let Self { given, counts, open, open_from, next, is_measuring, .. } = self;
        let metrics = given.tally.metrics();
        given.tally.take(|sample| {
            metrics.served(&sample);
            if sample.measured {
                counts.add(&sample);
            }
            match (sample.measured, *is_measuring) {
                (true, true) if sample.ended < *open_from + SECOND => open.add(&sample, given.hdr.is_some()),
                (true, _) => next.add(&sample, given.hdr.is_some()),
                (false, false) => open.add(&sample, false),
                // Of the warm-up, whose seconds are over.
                (false, true) => {}
            }
        });
    }

    /// Closes its last second, and opens the first that is measured.
    fn end_warmup(&mut self) {
        self.close(self.open_for(self.given.measured_from));
        self.open = std::mem::take(&mut self.next);
        self.open_from = self.given.measured_from;
        self.is_measuring = true;
    }

    fn has_more(&self) -> bool {
        let is_due = self.given.tally.offers().seconds.len() > self.timeline.len();
        is_due || self.open.latency.count() + self.next.latency.count() > 0
    }

    /// What was due in the open second.
    fn offered(&mut self) -> Offered {
        let offers = self.given.tally.offers();
        if self.is_measuring {
            return offers.seconds.get(self.timeline.len()).copied().unwrap_or_default();
        }
        let before = std::mem::replace(&mut self.offered_before, offers.warmup);
        offers.warmup.since(before)
    }

    /// How much of the open second there was until then.
    fn open_for(&self, until: Instant) -> Duration {
        until.saturating_duration_since(self.open_from).clamp(SHORTEST, SECOND)
    }

    /// Ends the open second, which was so long, and tells of it.
    fn close(&mut self, length: Duration) {
        let mut open = std::mem::take(&mut self.open);
        if self.is_measuring {
            self.open = std::mem::take(&mut self.next);
        }
        self.open_from += SECOND;
        open.second.due(self.offered());
        let metrics = self.given.tally.metrics();
        let observed = self.given.watched.latest();
        let summary = open.latency.summary();
        let at_s = self.given.seconds_before + self.timeline.len() as u64;
        let second = Second {
            at_s,
            p50_ms: summary.p50_ms,
            p99_ms: summary.p99_ms,
            p999_ms: summary.p999_ms,
            max_ms: summary.max_ms,
            service_p99_ms: open.service.summary().p99_ms,
            queued: u64::try_from(metrics.queue_depth()).unwrap_or_default(),
            in_flight: u64::try_from(metrics.take_most_busy()).unwrap_or_default(),
            lag_ms: observed.lag.map(|lag| lag.as_secs_f64() * 1e3),
            own_cores: self.own.cores_now(),
            primary_answers: observed.primary_answers,
            length_s: Length::of(length),
            ..open.second.clone()
        };
        self.tell(&second);
        if self.is_measuring {
            self.log(&open, self.timeline.len() as u64, length);
            if let Some(parts) = &mut self.given.parts {
                parts.add(&open.latency);
            }
            self.timeline.push(second);
        }
    }

    /// What is done, for how long it has been and is to be.
    fn progress(&self) -> (Phase, Duration, Duration) {
        let Collecting { start, measured_from, timing, phase, .. } = &self.given;
        let (phase, began, length) = if self.is_measuring {
            (*phase, *measured_from, timing.length())
        } else {
            (Phase::WarmUp, *start, measured_from.saturating_duration_since(*start))
        };
        (phase, Instant::now().saturating_duration_since(began), length)
    }

    /// Requests a second that are due after so long, at the end of the schedule too; the warm-up runs at the first rate.
    fn rate_at(&self, running: Duration) -> Option<f64> {
        let timing = &self.given.timing;
        let into_shape = if self.is_measuring { running.min(timing.length()) } else { Duration::ZERO };
        timing.rate_at(into_shape).map(|rate| rate * self.given.share)
    }

    /// For Prometheus: nothing is due once the schedule has ended, though answers may still come.
    fn tell_rate(&self) {
        let (_, running, length) = self.progress();
        let rate = self.rate_at(running).filter(|_| !self.is_measuring || running < length);
        self.given.tally.metrics().offers(rate.unwrap_or_default());
    }

    fn tell(&mut self, second: &Second) {
        self.tell_rate();
        let (phase, running, length) = self.progress();
        let target = self.rate_at(running);
        let Some(ticks) = &self.given.ticks else { return };
        // The lock is not held while a summary is made: the pacer needs it for each request.
        let offered = self.given.tally.offers().measured;
        let tick = Tick {
            phase,
            running,
            length,
            target,
            second: second.clone(),
            total: requests(offered, &self.counts),
            latency: self.counts.latency.summary(),
        };
        if ticks.send(tick).is_err() {
            self.given.ticks = None;
        }
    }

    /// The histograms of the second that is closed.
    fn log(&mut self, open: &OpenSecond, nth: u64, length: Duration) {
        let Some((hdr, base)) = &mut self.given.hdr else { return };
        let before = self.given.measured_from.saturating_duration_since(*base);
        let at = before + Duration::from_secs(nth);
        let mut written = hdr.interval(at, length, None, &open.latency);
        written = written.and_then(|()| hdr.interval(at, length, Some("service"), &open.service));
        for (operation, latencies) in &open.operations {
            let tag = Some(operation.as_str());
            written = written.and_then(|()| hdr.interval(at, length, tag, latencies));
        }
        if let Err(error) = written {
            tracing::warn!(%error, "the HDR log is given up");
            self.given.hdr = None;
            self.hdr_failed = Some(error);
        }
    }
}

/// Ticks a moment after each second from `start` on.
fn seconds_from(start: Instant) -> tokio::time::Interval {
    interval_at((start + SECOND + CLOSED_AFTER).into(), SECOND)
}

/// What was offered, and what came of it.
pub(crate) fn requests(offered: Offered, counts: &Counts) -> Requests {
    Requests {
        scheduled: offered.scheduled,
        completed: counts.completed,
        rejected: offered.rejected,
        errors: counts.errors,
        timeouts: counts.timeouts,
        conflicts: counts.conflicts,
        retries: counts.retries,
        sent_again: counts.sent_again,
    }
}
