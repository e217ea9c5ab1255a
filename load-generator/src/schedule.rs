//! When requests are due, and the thread that offers them.
//!
//! *Owner.* [`run`](crate::run) starts the pacer and joins it. It owns the sending end of the queue and the random
//! sequence; it shares the tally. *Ends* after the last request, or when told to stop: between two requests it
//! sleeps on a channel, so that stopping wakes it. It closes the queue when it ends, which ends the workers.
//!
//! A thread and not a task: the runtime's timers tick once a millisecond, and a busy runtime would delay the very
//! clock that latencies are measured against.

use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::plan::Plan;
use crate::queue::{Offer, QueueEntry, QueueSender};
use crate::scenario::Mix;
use crate::tally::Tally;

/// A request that is offered later than this after it was due is counted as a late start.
const LATE: Duration = Duration::from_millis(1);

/// Request numbers, due times and random choices of one run.
#[derive(Debug)]
pub(crate) struct Schedule {
    start: Instant,
    warmup_until: Duration,
    end: Duration,
    rate: crate::plan::Rate,
    mix: Mix,
    random: ChaCha8Rng,
    number: u64,
}

impl Schedule {
    pub(crate) fn new(plan: &Plan, mix: Mix, start: Instant) -> Self {
        Self {
            start,
            warmup_until: plan.warmup,
            end: plan.warmup + plan.duration,
            rate: plan.rate,
            mix,
            random: ChaCha8Rng::seed_from_u64(plan.seed),
            number: 0,
        }
    }

    /// When measuring begins.
    pub(crate) fn measured_from(&self) -> Instant {
        self.start + self.warmup_until
    }
}

impl Iterator for Schedule {
    type Item = QueueEntry;

    fn next(&mut self) -> Option<QueueEntry> {
        let due = self.rate.due(self.number);
        if due >= self.end {
            return None;
        }
        self.number += 1;
        Some(QueueEntry {
            due: self.start + due,
            measured: due >= self.warmup_until,
            operation: self.mix.draw(&mut self.random),
            choice: self.random.random(),
        })
    }
}

/// The thread that offers requests when they are due.
#[derive(Debug)]
pub(crate) struct Pacer {
    thread: JoinHandle<bool>,
    stop: mpsc::Sender<()>,
}

impl Pacer {
    pub(crate) fn start(schedule: Schedule, queue: QueueSender, tally: Arc<Tally>) -> std::io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let end = schedule.start + schedule.end;
        let pace = move || {
            let mut finished = true;
            for entry in schedule {
                match stopped.recv_timeout(entry.due.saturating_duration_since(Instant::now())) {
                    Err(RecvTimeoutError::Timeout) => {}
                    Ok(()) | Err(RecvTimeoutError::Disconnected) => {
                        finished = false;
                        break;
                    }
                }
                let (measured, late) = (entry.measured, entry.due.elapsed() > LATE);
                // Before it is there to be taken: the gauge never falls below zero.
                tally.metrics().enqueued();
                let offer = queue.offer(entry);
                if offer == Offer::Rejected {
                    tally.metrics().dequeued();
                }
                tally.offered(measured, offer == Offer::Rejected, late);
            }
            // The run is as long as it was said to be, also after the last request.
            if finished {
                finished = stopped.recv_timeout(end.saturating_duration_since(Instant::now())).is_err();
            }
            queue.close();
            finished
        };
        let thread = std::thread::Builder::new().name("pacer".to_owned()).spawn(pace)?;
        Ok(Self { thread, stop })
    }

    /// A way to end the schedule early.
    pub(crate) fn stopper(&self) -> mpsc::Sender<()> {
        self.stop.clone()
    }

    /// Waits for the end of the schedule; false if it was stopped early.
    pub(crate) fn join(self) -> std::thread::Result<bool> {
        self.thread.join()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Operation;

    fn entries(seed: u64) -> Vec<(Operation, u64, bool)> {
        let mut plan = Plan::for_tests();
        plan.seed = seed;
        let mix = Mix::new(&[(Operation::LendBook, 2), (Operation::ReturnBook, 1)]);
        Schedule::new(&plan, mix, Instant::now()).map(|e| (e.operation, e.choice, e.measured)).collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_requests() {
        assert_eq!(entries(7), entries(7));
        assert_ne!(entries(7), entries(8));
    }

    #[test]
    fn warm_up_is_apart_and_every_request_has_its_time() {
        let entries = entries(1);
        assert_eq!(entries.len(), 300, "one second of warm-up and two of measuring, at 100 a second");
        assert_eq!(entries.iter().filter(|entry| entry.2).count(), 200);
    }
}
