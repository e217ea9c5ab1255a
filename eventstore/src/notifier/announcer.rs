//! Says how far the log is, after each append or soon.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{Mutex, Notify};
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_postgres::types::Type;
use tracing::debug;

use crate::deadline;
use crate::notifier::{Channel, Tip, WORK};
use crate::pool::{self, Param, Pool};
use crate::position::Position;
use crate::sql;

/// The least time between two notifications: a hundred a second, however many appends there are.
const GAP: Duration = Duration::from_millis(10);
/// Who has not heard of it by then has looked.
const WITHIN: Duration = Duration::from_secs(2);

/// Where appends are told of. Its task says what is left to say and ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Announcer {
    news: Arc<News>,
    tip: Arc<Tip>,
    primary: Arc<dyn Pool>,
    channel: Channel,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// What is to be said.
#[derive(Debug, Default)]
struct News {
    last: AtomicU64,
    is_unsaid: AtomicBool,
    is_over: AtomicBool,
    wake: Notify,
}

impl Announcer {
    pub(crate) fn spawn(primary: Arc<dyn Pool>, channel: Channel, tip: Arc<Tip>) -> Self {
        let news = Arc::new(News::default());
        let task = tokio::spawn(announce(Arc::clone(&news), Arc::clone(&primary), channel.clone()));
        Self { news, tip, primary, channel, task: Mutex::new(Some(task)) }
    }

    /// Tells of an append that was acknowledged.
    pub(crate) fn appended(&self, last: Position) {
        self.tip.is_at(last);
        self.news.last.store(last.get(), Ordering::Relaxed);
        self.news.is_unsaid.store(true, Ordering::Release);
        self.news.wake.notify_one();
    }

    /// Tells the members of a group that there is something to claim.
    pub(crate) fn tell_of_work(&self, group: i32) -> impl Future<Output = ()> + Send + 'static {
        self.tip.has_work(group);
        let (primary, channel) = (Arc::clone(&self.primary), self.channel.clone());
        async move { notify(&primary, &channel, &format!("{WORK}{group}")).await }
    }

    /// Says what is left to say, and nothing any more.
    pub(crate) async fn close(&self) {
        self.news.end();
        // Kept until it has ended: a `close` that was dropped must not let the next one return early.
        let mut task = self.task.lock().await;
        if let Some(running) = task.as_mut() {
            // One that has died says nothing, either.
            let _ = running.await;
            *task = None;
        }
    }
}

impl Drop for Announcer {
    fn drop(&mut self) {
        self.news.end();
    }
}

impl News {
    fn end(&self) {
        self.is_over.store(true, Ordering::Release);
        self.wake.notify_one();
    }
}

async fn notify(primary: &Arc<dyn Pool>, channel: &Channel, text: &str) {
    let name = channel.as_str();
    let params: [Param<'_>; 2] = [(&name, Type::TEXT), (&text, Type::TEXT)];
    if let Err(error) = pool::read(primary, sql::NOTIFY, &params, deadline::after(WITHIN)).await {
        debug!(%error, "others were not told of what there is");
    }
}

async fn announce(news: Arc<News>, primary: Arc<dyn Pool>, channel: Channel) {
    loop {
        news.wake.notified().await;
        let is_over = news.is_over.load(Ordering::Acquire);
        if news.is_unsaid.swap(false, Ordering::AcqRel) {
            notify(&primary, &channel, &news.last.load(Ordering::Relaxed).to_string()).await;
        }
        if is_over {
            return;
        }
        sleep(GAP).await;
    }
}
