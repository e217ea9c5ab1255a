//! The thread that offers requests when they are due.
//!
//! *Owner.* [`load`](crate::load) starts the pacer and joins it. It owns the schedule and the sending end of the queue; it shares
//! the tally. *Ends* after the last request, or when told to stop: between two requests it sleeps on a channel, so that
//! stopping wakes it. It closes the queue when it ends, which ends the workers.
//!
//! A thread and not a task: the runtime's timers tick once a millisecond, and a busy runtime would delay the very
//! clock that latencies are measured against.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::queue::{self, Offer, QueueEntry, QueueReceiver, QueueSender};
use crate::schedule::{Planned, Schedule};
use crate::tally::Tally;

/// How many requests are offered to find out how fast that goes.
const TRIAL: usize = 20_000;

/// The thread, while it runs.
#[derive(Debug)]
pub(crate) struct Pacer {
    thread: JoinHandle<Paced>,
    stop: mpsc::Sender<()>,
}

/// How a schedule ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paced {
    /// Not, if it was stopped early.
    pub(crate) is_finished: bool,
    pub(crate) ended: Instant,
}

impl Pacer {
    /// Offers what is scheduled, counted from `start`; ends at `end`, if it is not stopped before. Where it is, what still waits in
    /// the queue is taken back.
    pub(crate) fn start(
        schedule: Schedule,
        (start, end): (Instant, Instant),
        (queue, waiting): (QueueSender, QueueReceiver),
        tally: Arc<Tally>,
    ) -> std::io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let warmup = schedule.starts_after();
        let pace = move || {
            let mut finished = true;
            for planned in schedule {
                let due = start + planned.due;
                match stopped.recv_timeout(due.saturating_duration_since(Instant::now())) {
                    Err(RecvTimeoutError::Timeout) => {}
                    Ok(()) | Err(RecvTimeoutError::Disconnected) => {
                        finished = false;
                        break;
                    }
                }
                let late = due.elapsed();
                let second = schedule_second(&planned, warmup);
                // Before it is there to be taken: the gauge never falls below zero.
                tally.metrics().enqueued();
                let offer = queue.offer(entry(planned, due));
                if offer == Offer::Rejected {
                    tally.metrics().dequeued();
                }
                tally.offered(second, offer == Offer::Rejected, late);
            }
            // The run is as long as it was said to be, also after the last request.
            if finished {
                finished = stopped.recv_timeout(end.saturating_duration_since(Instant::now())).is_err();
            }
            let ended = Instant::now();
            queue.close();
            if !finished {
                while let Some(entry) = waiting.take_back() {
                    tally.metrics().dequeued();
                    tally.taken_back(entry.measured.then(|| second_of(entry.due, start + warmup)));
                }
            }
            Paced { is_finished: finished, ended }
        };
        let thread = std::thread::Builder::new().name("pacer".to_owned()).spawn(pace)?;
        Ok(Self { thread, stop })
    }

    /// A way to end the schedule early.
    pub(crate) fn stopper(&self) -> mpsc::Sender<()> {
        self.stop.clone()
    }

    /// Waits for the end of the schedule.
    pub(crate) fn join(self) -> std::thread::Result<Paced> {
        self.thread.join()
    }
}

/// In which second of the measured time a request is due; nothing in the warm-up.
fn schedule_second(planned: &Planned, warmup: Duration) -> Option<usize> {
    planned.measured.then(|| seconds(planned.due.saturating_sub(warmup)))
}

fn second_of(due: Instant, measured_from: Instant) -> usize {
    seconds(due.saturating_duration_since(measured_from))
}

fn seconds(after: Duration) -> usize {
    usize::try_from(after.as_secs()).unwrap_or(usize::MAX)
}

fn entry(planned: Planned, due: Instant) -> QueueEntry {
    let Planned { measured, operation, choice, .. } = planned;
    QueueEntry { due, measured, operation, choice }
}

/// How many requests a second could be offered here if nothing else took time: an upper bound. `None` where there are too few to
/// tell.
pub(crate) fn fastest(schedule: &Schedule) -> Option<f64> {
    let (sender, receiver) = queue::unbounded();
    let began = Instant::now();
    let offered = schedule.clone().take(TRIAL).fold(0_u32, |count, planned| {
        black_box(sender.offer(entry(planned, began + planned.due)));
        count + 1
    });
    drop(receiver);
    let took = began.elapsed().max(Duration::from_nanos(1));
    (offered as usize == TRIAL).then(|| f64::from(offered) / took.as_secs_f64())
}
