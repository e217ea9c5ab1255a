//! A TCP proxy before a server, which can do to connections what networks do.
//!
//! *Owner.* The proxy owns a listener's task; each connection has two more, one a direction. They end with the connection,
//! and all of them with the proxy.
//!
//! *Faults.* [`Proxy::cut`] closes all connections at once. [`Proxy::stall`] leaves them open and hands nothing on, in one
//! direction or both, also of new ones, until [`Proxy::resume`]. [`Proxy::delay`] adds to the time of each piece of data.
//! [`Proxy::drop_next_answer`] waits for the next call of a statement: when its Sync has been handed on, nothing the server
//! says reaches the client any more, and the connection is closed, either at once or when the answer has come to its end.
//!
//! *How a call is known.* Messages of a client have a type and a length, but for the first one. A Parse whose text
//! contains the words names a statement, a Bind of that name begins its call, and the next Sync ends it.

mod messages;
mod pending;

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use messages::Messages;
use pending::Pending;

/// No answer is kept back.
const NEVER: u64 = u64::MAX;

/// Passes connections on to a server; dropped, it closes them all.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    /// Of the server, through the proxy.
    dsn: String,
    state: Arc<State>,
    listening: JoinHandle<()>,
}

/// When a connection whose answer is dropped ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DropWhen {
    /// As soon as the call was handed on.
    AtOnce,
    /// When the server has answered, so that the call is certainly carried out.
    WithTheAnswer,
}

/// Where data does not get through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Toward {
    /// What clients send does not reach the server.
    Server,
    /// What the server does is not heard of.
    Client,
    /// Neither.
    Both,
}

#[derive(Debug)]
struct State {
    server: SocketAddr,
    impairment: watch::Sender<Impairment>,
    armed: Mutex<Option<Armed>>,
    answers: AtomicU64,
    bytes: AtomicU64,
    busy_ns: AtomicU64,
}

/// What has come from the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// Ends of answers: one a statement, and one for the start of each connection.
    pub answers: u64,
    /// Bytes of the answers.
    pub bytes: u64,
    /// From when calls were handed on until they were answered, over all connections. What waits for the answer before it counts
    /// from there.
    pub busy: Duration,
}

impl std::ops::Sub for Traffic {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            answers: self.answers - earlier.answers,
            bytes: self.bytes - earlier.bytes,
            busy: self.busy.saturating_sub(earlier.busy),
        }
    }
}

#[derive(Debug, Clone, Default)]
struct Impairment {
    /// Connections of an earlier generation are closed.
    generation: u64,
    stalled: Option<Toward>,
    delay: Duration,
}

#[derive(Debug)]
struct Armed {
    words: String,
    when: DropWhen,
    done: oneshot::Sender<()>,
}

/// Disarms.
struct CallOff<'a>(&'a State);

impl Drop for CallOff<'_> {
    fn drop(&mut self) {
        *self.0.armed.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Proxy {
    /// Starts one before a server on 127.0.0.1.
    ///
    /// # Errors
    /// If no port is to be had.
    pub async fn start(server_port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let server = SocketAddr::from(([127, 0, 0, 1], server_port));
        let state = Arc::new(State {
            server,
            impairment: watch::Sender::default(),
            armed: Mutex::default(),
            answers: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            busy_ns: AtomicU64::new(0),
        });
        let listening = tokio::spawn(listen(listener, Arc::clone(&state)));
        let dsn = format!("host=127.0.0.1 port={port} user=postgres dbname=postgres");
        Ok(Self { port, dsn, state, listening })
    }

    /// Starts one before the server of a connection string, which says `host=127.0.0.1 port=…` among other things.
    ///
    /// # Errors
    /// If no port is to be had, or the connection string names none.
    pub async fn before(dsn: &str) -> io::Result<Self> {
        let port = dsn.split(' ').find_map(|word| word.strip_prefix("port=")?.parse().ok());
        let port: u16 = port.ok_or_else(|| io::Error::other("connection string names no port"))?;
        let mut proxy = Self::start(port).await?;
        proxy.dsn = dsn.replacen(&format!("port={port}"), &format!("port={}", proxy.port), 1);
        Ok(proxy)
    }

    /// The connection string of the server, through the proxy.
    #[must_use]
    pub fn dsn(&self) -> String {
        self.dsn.clone()
    }

    /// The port that it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What has come from the server so far, on all connections.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        let State { answers, bytes, busy_ns, .. } = &*self.state;
        Traffic {
            answers: answers.load(Ordering::Relaxed),
            bytes: bytes.load(Ordering::Relaxed),
            busy: Duration::from_nanos(busy_ns.load(Ordering::Relaxed)),
        }
    }

    /// Closes all connections.
    pub fn cut(&self) {
        self.state.impairment.send_modify(|impairment| impairment.generation += 1);
    }

    /// Hands nothing on any more, and says nothing of it.
    pub fn stall(&self, toward: Toward) {
        self.state.impairment.send_modify(|impairment| impairment.stalled = Some(toward));
    }

    /// Hands on again, what has been waiting first.
    pub fn resume(&self) {
        self.state.impairment.send_modify(|impairment| impairment.stalled = None);
    }

    /// Makes each piece of data take so much longer.
    pub fn delay(&self, delay: Duration) {
        self.state.impairment.send_modify(|impairment| impairment.delay = delay);
    }

    /// Drops the answer to the next call of a statement whose text contains these words, and the connection with it.
    /// Returns when that has happened; false if the connection ended otherwise. Dropping this future calls it off.
    pub async fn drop_next_answer(&self, words: &str, when: DropWhen) -> bool {
        let (done, happened) = oneshot::channel();
        *self.armed() = Some(Armed { words: words.to_owned(), when, done });
        let _called_off = CallOff(&self.state);
        happened.await.is_ok()
    }

    fn armed(&self) -> std::sync::MutexGuard<'_, Option<Armed>> {
        self.state.armed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listening.abort();
        self.cut();
    }
}

async fn listen(listener: TcpListener, state: Arc<State>) {
    while let Ok((client, _)) = listener.accept().await {
        // From here on a cut concerns it.
        let mut impairment = state.impairment.subscribe();
        let generation = impairment.borrow_and_update().generation;
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            let is_cut =
                async { drop(impairment.wait_for(|impairment| impairment.generation != generation).await) };
            tokio::select! {
                () = pass_on(client, &state) => {}
                () = is_cut => {}
            }
        });
    }
}

/// Until either end hangs up, or an answer is dropped.
async fn pass_on(client: TcpStream, state: &State) {
    let Ok(server) = TcpStream::connect(state.server).await else { return };
    if client.set_nodelay(true).and(server.set_nodelay(true)).is_err() {
        return;
    }
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    let (silenced_at, pending) = (AtomicU64::new(NEVER), Pending::new(Instant::now()));
    let answers = hand_answers_on(from_server, to_client, state, (&silenced_at, &pending));
    tokio::pin!(answers);
    let caught = tokio::select! {
        caught = hand_calls_on(from_client, to_server, state, (&silenced_at, &pending)) => caught,
        () = &mut answers => None,
    };
    if let Some(Armed { when, done, .. }) = caught {
        if when == DropWhen::WithTheAnswer {
            answers.await;
        }
        // Nobody may wait for it any more.
        let _ = done.send(());
    }
}

/// Ends when the client hangs up, or with the call whose answer is to be dropped.
async fn hand_calls_on(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    state: &State,
    (silenced_at, pending): (&AtomicU64, &Pending),
) -> Option<Armed> {
    let mut impairment = state.impairment.subscribe();
    let mut messages = Messages::default();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let Ok(length @ 1..) = from.read(&mut buffer).await else { return None };
        patiently(&mut impairment, Toward::Server).await;
        let ended = messages.calls;
        let caught = {
            let mut armed = state.armed.lock().unwrap_or_else(PoisonError::into_inner);
            let words = armed.as_ref().map(|armed| armed.words.clone());
            if messages.see(&buffer[..length], words.as_deref()) { armed.take() } else { None }
        };
        if caught.is_some() {
            // Before the server can answer.
            silenced_at.store(messages.calls, Ordering::SeqCst);
        }
        pending.are_asked(messages.calls - ended, Instant::now());
        if to.write_all(&buffer[..length]).await.is_err() {
            return None;
        }
        if caught.is_some() {
            // The server must not see the client go before it has answered: this end of the connection stays.
            to.forget();
            return caught;
        }
    }
}

/// Ends when the server hangs up, or, of an answer that is dropped, with its end.
async fn hand_answers_on(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    state: &State,
    (silenced_at, pending): (&AtomicU64, &Pending),
) {
    let mut impairment = state.impairment.subscribe();
    let mut buffer = vec![0; 1 << 16];
    let mut messages = Messages::of_server();
    let mut answered = 0;
    loop {
        let Ok(length @ 1..) = from.read(&mut buffer).await else { return };
        patiently(&mut impairment, Toward::Client).await;
        // Rows come before the commit, ReadyForQuery after it: one for the start, and one for each call.
        let ends = messages.count(&buffer[..length], b"Z");
        answered += ends;
        state.answers.fetch_add(ends, Ordering::Relaxed);
        let busy = pending.are_answered(ends, Instant::now());
        state.busy_ns.fetch_add(u64::try_from(busy.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
        state.bytes.fetch_add(length as u64, Ordering::Relaxed);
        let is_over = match silenced_at.load(Ordering::SeqCst) {
            NEVER => to.write_all(&buffer[..length]).await.is_err(),
            calls => answered > calls,
        };
        if is_over {
            return;
        }
    }
}

/// Waits as long as the network takes.
async fn patiently(impairment: &mut watch::Receiver<Impairment>, toward: Toward) {
    let is_free =
        |now: &Impairment| now.stalled.is_none_or(|stalled| stalled != toward && stalled != Toward::Both);
    let delay = impairment.wait_for(is_free).await.map_or(Duration::ZERO, |now| now.delay);
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
}
