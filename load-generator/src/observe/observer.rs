//! Watches the servers during a run.
//!
//! The [`Observer`] owns one task, and the task owns one connection to each server. Once a second it asks all of them at
//! once, each for at most 900 ms, so that it is never late for the next second. It takes no part in the run: nothing waits
//! for it, it sends its last look through a watch channel, and it has no inbox.
//!
//! What happens on failure: a server that is silent, frozen or gone is marked as unreachable until it answers again; its
//! connection is given up and opened anew at the next look. Figures that our role may not see are left out. Should the
//! task die, the last look stays the last, and there are no marks; the run goes on.
//!
//! It ends by [`Observer::stop`], which cancels it at whatever it waits for and takes its marks. Dropping the observer
//! aborts the task.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::observe::diary::Diary;
use crate::observe::lag::Lag;
use crate::observe::link::Link;
use crate::observe::primary::Primary;
use crate::observe::replica::Replica;
use crate::observe::{Mark, named};
use crate::servers::Servers;

const EVERY: Duration = Duration::from_secs(1);
const STOP_WITHIN: Duration = Duration::from_secs(2);

/// The owner of the task that looks.
pub(crate) struct Observer {
    latest: watch::Receiver<Observation>,
    stop: CancellationToken,
    task: AbortOnDropHandle<Vec<Mark>>,
}

/// What an observer sees, for others.
#[derive(Debug, Clone)]
pub(crate) struct Watched(Option<watch::Receiver<Observation>>);

impl Watched {
    /// Where there is no server.
    pub(crate) fn nothing() -> Self {
        Self(None)
    }

    /// What was seen last, at most two seconds ago.
    pub(crate) fn latest(&self) -> Observation {
        self.0.as_ref().map_or(Observation::NOTHING_YET, |latest| *latest.borrow())
    }
}

/// The last look.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Observation {
    /// How far the furthest replica is behind, as the primary measures it, or how old the WAL is that it lacks; `None` where that is
    /// not known of each.
    pub(crate) lag: Option<Duration>,
    /// Taken for granted before the first look.
    pub(crate) primary_answers: bool,
}

impl Observation {
    const NOTHING_YET: Self = Self { lag: None, primary_answers: true };
}

impl Observer {
    /// Begins to look at the servers, within a runtime. Times of marks are since `from`.
    pub(crate) fn start(servers: &Servers, schema: &str, from: Instant) -> Self {
        let (sender, latest) = watch::channel(Observation::NOTHING_YET);
        let mut links = named(servers).map(|(name, dsn)| Link::new(name, dsn));
        let primary = links.next().expect("the primary is always named, and first");
        let watching = Watching {
            primary: Primary::new(primary, schema),
            replicas: links.map(Replica::new).collect(),
            lag: Lag::default(),
            from,
            latest: sender,
            diary: Diary::default(),
        };
        let stop = CancellationToken::new();
        let task = AbortOnDropHandle::new(tokio::spawn(watching.until(stop.clone())));
        Self { latest, stop, task }
    }

    /// For whoever wants to know what was seen last.
    pub(crate) fn watched(&self) -> Watched {
        Watched(Some(self.latest.clone()))
    }

    /// Ends it and gives what happened, in the order in which it began. Takes two seconds at most.
    pub(crate) async fn stop(self) -> Vec<Mark> {
        self.stop.cancel();
        match timeout(STOP_WITHIN, self.task).await {
            Ok(Ok(marks)) => marks,
            Ok(Err(error)) => {
                tracing::warn!(%error, "the observer died, and what it has marked is lost");
                Vec::new()
            }
            Err(_) => {
                tracing::warn!("the observer does not end, and what it has marked is lost");
                Vec::new()
            }
        }
    }
}

/// What the task has.
struct Watching {
    primary: Primary,
    replicas: Vec<Replica>,
    lag: Lag,
    from: Instant,
    latest: watch::Sender<Observation>,
    diary: Diary,
}

impl Watching {
    async fn until(mut self, stop: CancellationToken) -> Vec<Mark> {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.look_each_second() => {}
        }
        self.diary.into_marks()
    }

    /// Never returns.
    async fn look_each_second(&mut self) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            ticks.tick().await;
            self.look().await;
        }
    }

    /// Everything seen is marked at the time when it was asked for.
    async fn look(&mut self) {
        let at_s = since(self.from, Instant::now());
        let replicas: Vec<_> = self.replicas.iter_mut().map(Replica::look).collect();
        let (answer, answers) = tokio::join!(self.primary.look(), join_all(replicas));

        for (replica, answers) in self.replicas.iter().zip(answers) {
            self.diary.answered(at_s, replica.name(), answers);
        }
        self.diary.answered(at_s, self.primary.name(), answer.is_some());
        let replayed: Vec<Option<u64>> = self.replicas.iter().map(Replica::replayed).collect();
        let standbys = answer.as_ref().map(|answer| answer.standbys);
        let lag = standbys.and_then(|standbys| self.lag.of(Instant::now(), standbys, &replayed));
        self.latest.send_replace(Observation { lag, primary_answers: answer.is_some() });
        if let Some(answer) = answer {
            self.diary.read(at_s, answer.reading);
        }
    }
}

/// Seconds from one instant to another, negative if the other came first.
pub(crate) fn since(from: Instant, at: Instant) -> f64 {
    at.checked_duration_since(from)
        .map_or_else(|| -from.saturating_duration_since(at).as_secs_f64(), |since| since.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use testutil::Cluster;

    use super::*;
    use crate::connection;

    /// The other one streams all the while.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_named_replica_that_does_not_stream_falls_behind_beside_one_that_does() {
        let start = || Cluster::builder().replicas(2).start();
        let cluster = tokio::task::spawn_blocking(start).await.unwrap().unwrap();
        let (primary, named) = (cluster.primary().dsn(), cluster.replicas()[0].dsn());
        testutil::cut_off(&named).await.unwrap();
        let session = connection::connect(&primary).await.unwrap();
        session.batch_execute("CREATE TABLE public.t AS SELECT generate_series(1, 10000)").await.unwrap();
        let servers = Servers::find(Some(&primary), &[named]).await.unwrap();
        let observer = Observer::start(&servers, "public", Instant::now());
        let mut latest = observer.latest.clone();
        let is_behind = |seen: &Observation| seen.lag.is_some_and(|lag| lag > Duration::from_millis(900));
        let seen = timeout(Duration::from_secs(20), latest.wait_for(is_behind)).await.is_ok();
        assert!(seen, "{:?}", observer.watched().latest());
        observer.stop().await;
    }

    #[test]
    fn times_before_the_measurement_are_negative() {
        let at = Instant::now();
        let from = at + Duration::from_secs(3);
        assert_eq!((since(from, at), since(at, from), since(at, at)), (-3.0, 3.0, 0.0));
    }
}
