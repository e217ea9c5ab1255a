//! Hears of what other handles append.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tracing::{debug, warn};

use crate::error::Error;
use crate::notifier::{Channel, Tip};
use crate::pool::Connector;
use crate::sqlstate;

/// The pause after a first failure; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// How often the server is asked for a sign of life, and how long it has to give one.
const CHECK_EVERY: Duration = Duration::from_secs(30);
const PATIENCE: Duration = Duration::from_secs(2);
/// How many notifications may wait to be taken; the tip keeps the last one alone.
const WAITING: usize = 16;

/// A task that listens; it ends with this.
#[derive(Debug)]
pub(crate) struct Listener(AbortHandle);

impl Drop for Listener {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Listens until what is returned is dropped.
pub(crate) fn listen(connector: Connector, channel: Channel, tip: Arc<Tip>) -> Listener {
    Listener(tokio::spawn(keep_listening(connector, channel, tip)).abort_handle())
}

async fn keep_listening(connector: Connector, channel: Channel, tip: Arc<Tip>) {
    let (mut pause, mut told) = (FIRST_PAUSE, false);
    loop {
        match session(&connector, &channel).await {
            Ok(session) => {
                let began = Instant::now();
                told = false;
                // What was announced while nobody listened.
                tip.may_have_moved();
                session.hear(&tip).await;
                debug!(server = connector.server(), "listener lost its connection");
                if began.elapsed() > LONGEST_PAUSE {
                    pause = FIRST_PAUSE;
                }
            }
            Err(error) if !told => {
                told = true;
                let server = connector.server();
                warn!(server, %error, "nobody tells of new events; they are found by polling until somebody does");
            }
            Err(error) => debug!(server = connector.server(), %error, "still nobody tells of new events"),
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// A connection that listens.
struct Session {
    client: tokio_postgres::Client,
    driver: JoinHandle<()>,
    heard: mpsc::Receiver<String>,
}

async fn session(connector: &Connector, channel: &Channel) -> Result<Session, Error> {
    let (sender, heard) = mpsc::channel(WAITING);
    let patience = connector.patience() + PATIENCE;
    let connected = timeout(patience, async {
        let (client, driver) = connector.connect_and_hear(Some(&sender)).await?;
        client.batch_execute(&format!("LISTEN {channel}")).await?;
        Ok((client, driver))
    });
    match connected.await {
        Ok(Ok((client, driver))) => Ok(Session { client, driver, heard }),
        Ok(Err(error)) => Err(sqlstate::classify(&error, connector.server())),
        Err(_) => Err(Error::unavailable(format!("{}: no answer within {patience:?}", connector.server()))),
    }
}

/// A line that says nothing any more is not waited for.
impl Drop for Session {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Session {
    /// Hands on what it hears; returns when the connection is lost.
    async fn hear(mut self, tip: &Tip) {
        let mut checks = interval(CHECK_EVERY);
        checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                notification = self.heard.recv() => match notification {
                    Some(text) => tip.was_told(&text),
                    None => return,
                },
                _ = &mut self.driver => return,
                _ = checks.tick() => {
                    let answer = timeout(PATIENCE, self.client.simple_query("")).await;
                    if !matches!(answer, Ok(Ok(_))) {
                        return;
                    }
                }
            }
        }
    }
}
