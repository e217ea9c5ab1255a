//! Opens connections, and owns the task that drives each of them.
//!
//! A connection of the driver does nothing unless a task polls it. That task is spawned here and ends when the
//! client is dropped or the line is cut. It is also where the server's notices arrive. One of them matters: a
//! cancelled wait for a synchronous standby is answered with success and a mere warning, so that it is counted
//! here for the writer to see.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{AsyncMessage, CancelToken, Client, Config, Connection, NoTls, Socket};
use tracing::{debug, warn};

use crate::pool::Dsn;
use crate::sql;
use crate::sqlstate;

/// How long the server may take to hear that a statement was given up.
const CANCEL_WITHIN: Duration = Duration::from_secs(5);

/// Opens connections to one server.
#[derive(Clone)]
pub(crate) struct Connector {
    dsn: Arc<Dsn>,
    hosts: Arc<[Config]>,
    /// The place of the host that was connected to last: the first to be tried.
    last: Arc<AtomicUsize>,
    open: Arc<dyn Open>,
    owns_session: bool,
    unconfirmed_commits: Arc<AtomicU64>,
}

impl Connector {
    /// `owns_session` tells whether each connection is a session of the server's, and not lent by a pooler for a
    /// transaction at a time.
    pub(crate) fn new(dsn: Dsn, tls: &TlsConnector, owns_session: bool) -> Self {
        let (hosts, last) = (dsn.hosts().into(), Arc::default());
        let (dsn, open) = (Arc::new(dsn), Arc::clone(&tls.0));
        Self { dsn, hosts, last, open, owns_session, unconfirmed_commits: Arc::default() }
    }

    pub(crate) fn server(&self) -> &str {
        self.dsn.name()
    }

    /// How long opening a connection may take: each host has its time.
    pub(crate) fn patience(&self) -> Duration {
        self.dsn.for_each_host().saturating_mul(u32::try_from(self.hosts.len()).unwrap_or(u32::MAX))
    }

    /// How many commits on this server were answered without the confirmation of a synchronous standby.
    pub(crate) fn unconfirmed_commits(&self) -> &Arc<AtomicU64> {
        &self.unconfirmed_commits
    }

    /// A connection ready for use, and the task that drives it: to the first host that takes it and has the role that is asked for.
    /// One that says nothing, which a stopped server does, keeps nobody from the next. The last one is waited for as
    /// long as the caller likes.
    pub(crate) async fn connect(&self) -> Result<(Client, JoinHandle<()>), tokio_postgres::Error> {
        self.connect_and_hear(None).await
    }

    /// The same, for a session that listens: what it is notified of is sent to `heard`, or dropped where that is full.
    pub(crate) async fn connect_and_hear(
        &self,
        heard: Option<&mpsc::Sender<String>>,
    ) -> Result<(Client, JoinHandle<()>), tokio_postgres::Error> {
        let (count, first) = (self.hosts.len(), self.last.load(Ordering::Relaxed));
        for nth in (0..count - 1).map(|nth| (first + nth) % count) {
            match timeout(self.dsn.for_each_host(), self.connect_to(nth, heard)).await {
                Ok(Ok(connected)) => return Ok(connected),
                Ok(Err(error)) => self.passed_over(nth, &error),
                Err(_) => debug!(server = self.server(), nth, "host passed over: it does not answer"),
            }
        }
        self.connect_to((first + count - 1) % count, heard).await
    }

    /// What is passing is no news: the next host is there for that.
    fn passed_over(&self, nth: usize, error: &tokio_postgres::Error) {
        let error = sqlstate::classify(error, self.server());
        match error.is_passing() {
            true => debug!(nth, %error, "host passed over"),
            false => warn!(nth, %error, "host passed over"),
        }
    }

    async fn connect_to(
        &self,
        nth: usize,
        heard: Option<&mpsc::Sender<String>>,
    ) -> Result<(Client, JoinHandle<()>), tokio_postgres::Error> {
        let listener = NoticeListener {
            dsn: Arc::clone(&self.dsn),
            unconfirmed: Arc::clone(&self.unconfirmed_commits),
            heard: heard.cloned(),
        };
        let (client, driver) = self.open.open(&self.hosts[nth], listener).await?;
        // Not where statements are not prepared: a pooler would give the session to others.
        if self.owns_session {
            client.batch_execute(sql::SESSION).await?;
        }
        self.last.store(nth, Ordering::Relaxed);
        Ok((client, driver))
    }

    /// Asks the server, on a connection for that alone, to give a statement up. In the background: whoever gave the
    /// statement up does not wait for it.
    pub(crate) fn cancel(&self, statement: CancelToken) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (open, dsn) = (Arc::clone(&self.open), Arc::clone(&self.dsn));
        runtime.spawn(async move {
            match timeout(CANCEL_WITHIN, open.cancel(statement)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    let error = sqlstate::classify(&error, dsn.name());
                    debug!(%error, "statement not cancelled");
                }
                Err(_) => debug!(server = dsn.name(), "statement not cancelled in time"),
            }
        });
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Connector").field(&self.server()).finish()
    }
}

/// A TLS implementation with its type erased, so that the store has none.
#[derive(Clone)]
pub(crate) struct TlsConnector(Arc<dyn Open>);

impl TlsConnector {
    pub(crate) fn none() -> Self {
        Self::new(NoTls)
    }

    pub(crate) fn new<T>(tls: T) -> Self
    where
        T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
        T::Stream: Send,
        T::TlsConnect: Send,
        <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
    {
        Self(Arc::new(tls))
    }
}

trait Open: Send + Sync {
    fn open<'a>(
        &'a self,
        config: &'a Config,
        listener: NoticeListener,
    ) -> BoxFuture<'a, Result<(Client, JoinHandle<()>), tokio_postgres::Error>>;

    fn cancel(&self, statement: CancelToken) -> BoxFuture<'_, Result<(), tokio_postgres::Error>>;
}

impl<T> Open for T
where
    T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
    T::Stream: Send,
    T::TlsConnect: Send,
    <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
{
    fn open<'a>(
        &'a self,
        config: &'a Config,
        listener: NoticeListener,
    ) -> BoxFuture<'a, Result<(Client, JoinHandle<()>), tokio_postgres::Error>> {
        Box::pin(async move {
            let (client, connection) = config.connect(self.clone()).await?;
            Ok((client, tokio::spawn(listener.drive(connection))))
        })
    }

    fn cancel(&self, statement: CancelToken) -> BoxFuture<'_, Result<(), tokio_postgres::Error>> {
        Box::pin(async move { statement.cancel_query(self.clone()).await })
    }
}

struct NoticeListener {
    dsn: Arc<Dsn>,
    unconfirmed: Arc<AtomicU64>,
    heard: Option<mpsc::Sender<String>>,
}

impl NoticeListener {
    async fn drive<S, T>(self, mut connection: Connection<S, T>)
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
        T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    {
        let server = self.dsn.name();
        while let Some(message) = std::future::poll_fn(|context| connection.poll_message(context)).await {
            match message {
                Ok(AsyncMessage::Notice(notice)) if sqlstate::is_unconfirmed_commit(&notice) => {
                    self.unconfirmed.fetch_add(1, Ordering::SeqCst);
                    warn!(
                        server,
                        message = notice.message(),
                        "commit not confirmed by a synchronous standby"
                    );
                }
                Ok(AsyncMessage::Notice(notice)) => {
                    debug!(server, severity = notice.severity(), message = notice.message(), "notice");
                }
                Ok(AsyncMessage::Notification(notification)) => {
                    if let Some(heard) = &self.heard {
                        // Full: whoever takes them has not taken the last ones, and will look anyway.
                        let _ = heard.try_send(notification.payload().to_owned());
                    }
                }
                Ok(_) => {}
                Err(error) => {
                    debug!(server, %error, "connection lost");
                    return;
                }
            }
        }
    }
}
