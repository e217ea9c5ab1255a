//! The heartbeat of a handle's subscriptions.
//!
//! *Owner.* A handle owns one heart; it owns the links of all subscriptions of the handle that have a checkpoint, until they are
//! released. Its task beats every [`heartbeat_every`](crate::Settings::heartbeat_every), in one statement for all of them, and lets
//! go at once of those that end. A beat that fails is not made up for: the next one comes.
//!
//! *The end.* Closing the store has everything released that is held, and joins the task; so does dropping the last handle, without
//! waiting. If it dies, nobody says any more that subscriptions are held: others may take them over, and commits are refused then.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_postgres::types::Type;
use tracing::{debug, warn};
use uuid::Uuid;

use crate::deadline;
use crate::error::Error;
use crate::pool::{self, Param, Pool};
use crate::position::Position;
use crate::schema::SchemaName;
use crate::settings::Settings;
use crate::sql::{self, subscription};
use crate::sqlstate;
use crate::subscription::link::Link;

/// How long letting go may take: whoever waits for it has work elsewhere, and the row is free after two beats anyway.
const RELEASE_WITHIN: Duration = Duration::from_secs(2);

/// How often that is tried, a beat apart, where a commit is under way.
const RELEASES: u32 = 3;

/// The way to the task.
#[derive(Debug)]
pub(crate) struct Heart {
    orders: mpsc::UnboundedSender<Order>,
    task: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
enum Order {
    Hold(Weak<Link>),
    Release(Released),
    /// Releases all, and is the last one.
    End,
}

/// What is to be let go of, and who waits until it is.
#[derive(Debug)]
struct Released {
    held: Held,
    /// Dropped when it is done, or given up.
    _done: oneshot::Sender<()>,
    /// How often it was locked.
    attempts: u32,
}

/// A row, and who holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) name: String,
    pub(super) holder: Uuid,
}

/// What only the task touches.
struct Task {
    orders: mpsc::UnboundedReceiver<Order>,
    links: Vec<(Held, Weak<Link>)>,
    releasing: Vec<Released>,
    primary: Arc<dyn Pool>,
    beat_sql: String,
    release_sql: String,
    every: Duration,
}

impl Heart {
    pub(crate) fn spawn(primary: Arc<dyn Pool>, schema: &SchemaName, settings: &Settings) -> Self {
        let (orders, received) = mpsc::unbounded_channel();
        let task = Task {
            orders: received,
            links: Vec::new(),
            releasing: Vec::new(),
            primary,
            beat_sql: sql::for_schema(subscription::BEAT, schema),
            release_sql: sql::for_schema(subscription::RELEASE, schema),
            every: settings.heartbeat_every,
        };
        Self { orders, task: Mutex::new(Some(tokio::spawn(task.run()))) }
    }

    /// False if the task has ended, with the store.
    pub(super) fn hold(&self, link: Weak<Link>) -> bool {
        self.orders.send(Order::Hold(link)).is_ok()
    }

    /// Lets go of a row. In the background, unless what is returned is awaited.
    pub(super) fn release(&self, held: Held) -> oneshot::Receiver<()> {
        let (done, released) = oneshot::channel();
        let _ = self.orders.send(Order::Release(Released { held, _done: done, attempts: 0 }));
        released
    }

    /// Lets go of everything, and waits for the end of the task.
    pub(crate) async fn close(&self) {
        let _ = self.orders.send(Order::End);
        // Kept until it has ended: a `close` that was dropped must not let the next one return early.
        let mut task = self.task.lock().await;
        if let Some(running) = task.as_mut() {
            if running.await.is_err() {
                warn!("the heart of the subscriptions had died");
            }
            *task = None;
        }
    }
}

impl Task {
    async fn run(mut self) {
        let mut beats = interval_at(deadline::after(self.every), self.every);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                order = self.orders.recv() => {
                    // All that wait at once: letting go of many takes one statement.
                    let mut order = order;
                    let mut is_over = false;
                    loop {
                        match order {
                            Some(Order::Hold(link)) => self.holds(link),
                            Some(Order::Release(released)) => {
                                self.links.retain(|(known, _)| *known != released.held);
                                self.releasing.push(released);
                            }
                            Some(Order::End) | None => is_over = true,
                        }
                        match self.orders.try_recv() {
                            Ok(next) if !is_over => order = Some(next),
                            _ => break,
                        }
                    }
                    if is_over {
                        break;
                    }
                    self.release().await;
                }
                _ = beats.tick(), if !self.links.is_empty() || !self.releasing.is_empty() => {
                    if let Err(error) = self.beat().await {
                        warn!(%error, "subscriptions could not be said to be held");
                    }
                    self.release().await;
                }
            }
        }
        for (held, _) in self.links.drain(..) {
            self.releasing.push(Released { held, _done: oneshot::channel().0, attempts: 0 });
        }
        self.release().await;
    }

    fn holds(&mut self, link: Weak<Link>) {
        if let Some(known) = link.upgrade() {
            self.links.push((Held { name: known.name.clone(), holder: known.holder }, link));
        }
    }

    async fn beat(&mut self) -> Result<(), Error> {
        let links: Vec<Arc<Link>> = self.links.iter().filter_map(|(_, link)| link.upgrade()).collect();
        let places: Vec<_> = links.iter().map(|link| link.places()).collect();
        let names: Vec<&str> = links.iter().map(|link| &*link.name).collect();
        let holders: Vec<Uuid> = links.iter().map(|link| link.holder).collect();
        let handed: Vec<i64> = places.iter().map(|places| places.handed.position().to_sql()).collect();
        let reached: Vec<i64> = places.iter().map(|places| places.reached.position().to_sql()).collect();
        let ids: Vec<Uuid> = places.iter().map(|places| places.reached.event_id().uuid()).collect();
        let params: [Param<'_>; 5] = [
            (&names, Type::TEXT_ARRAY),
            (&holders, Type::UUID_ARRAY),
            (&handed, Type::INT8_ARRAY),
            (&reached, Type::INT8_ARRAY),
            (&ids, Type::UUID_ARRAY),
        ];
        let rows = pool::read(&self.primary, &self.beat_sql, &params, deadline::after(self.every)).await?;
        let read = |row: &tokio_postgres::Row| Ok((row.try_get(0)?, Position::from_sql(row.try_get(1)?)));
        let held: Vec<(Uuid, Position)> = rows
            .iter()
            .map(read)
            .collect::<Result<_, _>>()
            .map_err(|error| sqlstate::classify(&error, self.primary.server()))?;
        for (link, before) in links.iter().zip(&places) {
            match held.iter().find(|(holder, _)| *holder == link.holder) {
                Some((_, position)) if *position < before.committed => link.is_behind(*position),
                Some((_, position)) => link.is_committed(*position),
                None => link.is_lost(),
            }
        }
        Ok(())
    }

    /// Lets go of what is to be let go of. What has a commit under way is tried again at the next beat.
    async fn release(&mut self) {
        if self.releasing.is_empty() {
            return;
        }
        let names: Vec<&str> = self.releasing.iter().map(|released| &*released.held.name).collect();
        let holders: Vec<Uuid> = self.releasing.iter().map(|released| released.held.holder).collect();
        let params: [Param<'_>; 2] = [(&names, Type::TEXT_ARRAY), (&holders, Type::UUID_ARRAY)];
        let until = Instant::now() + RELEASE_WITHIN;
        match pool::read(&self.primary, &self.release_sql, &params, until).await {
            Ok(rows) => {
                let done: Vec<Uuid> = rows.iter().filter_map(|row| row.try_get(0).ok()).collect();
                self.releasing.retain_mut(|released| {
                    released.attempts += 1;
                    !done.contains(&released.held.holder) && released.attempts < RELEASES
                });
            }
            Err(error) => {
                debug!(%error, "subscriptions not released; they are free after two heartbeats");
                self.releasing.clear();
            }
        }
    }
}
