//! A connection pooler that gets into trouble between the store and the server.
//!
//! It hands bytes on, as poolers in transaction mode do, until it is told to spoil the next call: then it answers in
//! the server's place.

use std::future::IntoFuture as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use eventstore::{Consistency, ErrorKind, Filter, NewEvent, ReplicaFallback};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy};
use tokio::net::TcpListener;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use crate::fixture::{self, Log};

/// What happens to the next call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mishap {
    /// The server carries it out, but the pooler has lost it, says so without a severity of its own, and hangs up.
    LosesTheServer,
    /// It is given to a server connection that never prepared the statement.
    ForgetsTheStatement,
    /// A standby cancels it, as it is in the way of what it replays.
    IsInTheWay,
}

#[derive(Clone, Default)]
struct Pooler(Arc<Mutex<Option<Mishap>>>);

impl Pooler {
    /// Starts before a server; the connection string to use instead.
    async fn start(&self, dsn: &str) -> String {
        let config: tokio_postgres::Config = dsn.parse().unwrap();
        let server = config.get_ports()[0];
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let pooler = self.clone();
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let server = tokio::net::TcpStream::connect(("127.0.0.1", server)).await.unwrap();
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                tokio::spawn(pooler.clone().pass_on(from_client, to_server, from_server, to_client));
            }
        });
        dsn.replace(&format!("port={server}"), &format!("port={port}"))
    }

    async fn pass_on(
        self,
        mut from_client: OwnedReadHalf,
        mut to_server: OwnedWriteHalf,
        mut from_server: OwnedReadHalf,
        mut to_client: OwnedWriteHalf,
    ) {
        let mut call = vec![0; 1 << 16];
        let mut answer = vec![0; 1 << 16];
        let mut mishap = None;
        loop {
            tokio::select! {
                read = from_client.read(&mut call) => {
                    let Ok(length @ 1..) = read else { return };
                    if !is_announcement(&call[..length]) {
                        mishap = mishap.or_else(|| self.0.lock().unwrap().take());
                    }
                    match mishap {
                        None => {}
                        Some(Mishap::ForgetsTheStatement) => {
                            // The session goes on, but never knows the statement again.
                            to_client.write_all(&refusal("26000")).await.unwrap();
                            continue;
                        }
                        Some(Mishap::IsInTheWay) => {
                            to_client.write_all(&refusal("40001")).await.unwrap();
                            mishap = None;
                            continue;
                        }
                        Some(Mishap::LosesTheServer) => {
                            to_server.write_all(&call[..length]).await.unwrap();
                            // The first bytes of the answer come when it has been carried out.
                            from_server.read_exact(&mut answer[..1]).await.unwrap();
                            let refusal = error_response(&[(b'S', "ERROR"), (b'C', "08P01")]);
                            to_client.write_all(&refusal).await.unwrap();
                            return;
                        }
                    }
                    to_server.write_all(&call[..length]).await.unwrap();
                }
                read = from_server.read(&mut answer) => {
                    let Ok(length @ 1..) = read else { break };
                    if to_client.write_all(&answer[..length]).await.is_err() {
                        return;
                    }
                }
            }
        }
        // The server has hung up: so does the pooler, when the client has said all.
        let _ = copy(&mut from_client, &mut tokio::io::sink()).await;
    }
}

/// Whether a call tells others of an append: nobody waits for it. It names the function or the channel.
fn is_announcement(call: &[u8]) -> bool {
    [&b"pg_notify"[..], b"eventstore_"].iter().any(|name| call.windows(name.len()).any(|part| part == *name))
}

/// An error that the session survives: ReadyForQuery follows.
fn refusal(code: &str) -> Vec<u8> {
    let ready = [b'Z', 0, 0, 0, 5, b'I'];
    [error_response(&[(b'S', "ERROR"), (b'V', "ERROR"), (b'C', code)]), ready.to_vec()].concat()
}

fn error_response(fields: &[(u8, &str)]) -> Vec<u8> {
    let mut body = Vec::new();
    for (field, value) in fields.iter().chain(&[(b'M', "the pooler is in trouble")]) {
        body.push(*field);
        body.extend_from_slice(value.as_bytes());
        body.push(0);
    }
    body.push(0);
    let length = u32::try_from(body.len() + 4).unwrap();
    [&[b'E'][..], &length.to_be_bytes(), &body].concat()
}

fn event(n: u64) -> NewEvent {
    NewEvent::new("T", json!({"n": n}))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pooler_that_has_lost_the_server_does_not_say_that_nothing_was_written() {
    let log = Log::new().await;
    let pooler = Pooler::default();
    let dsn = pooler.start(log.schema.primary()).await;
    let store = fixture::store().primary(dsn).schema(log.schema.name()).connect().await.unwrap();
    store.append([event(1)]).await.unwrap();
    *pooler.0.lock().unwrap() = Some(Mishap::LosesTheServer);
    let receipt = store.append([event(2)]).fail_if_matches(&Filter::where_all([("n", 2)])).await.unwrap();
    assert_eq!(receipt.first_position().get(), 2);
    assert!(receipt.is_repeated(), "the call that was lost had been carried out");
    assert_eq!(log.store.head().await.unwrap(), receipt.token());
    assert_eq!(*pooler.0.lock().unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_without_its_statements_is_not_used_again() {
    let log = Log::new().await;
    let pooler = Pooler::default();
    let dsn = pooler.start(log.schema.primary()).await;
    let store = fixture::store().primary(dsn).schema(log.schema.name()).connect().await.unwrap();
    store.append([event(1)]).await.unwrap();
    *pooler.0.lock().unwrap() = Some(Mishap::ForgetsTheStatement);
    let receipt = store.append([event(2)]).await.unwrap();
    assert_eq!((receipt.first_position().get(), receipt.is_repeated()), (2, false));

    assert_eq!(store.query(&Filter::all()).await.unwrap().len(), 2);
    *pooler.0.lock().unwrap() = Some(Mishap::ForgetsTheStatement);
    let error = store.query(&Filter::all()).await.unwrap_err();
    assert_eq!((error.kind(), error.sqlstate()), (ErrorKind::Unavailable, Some("26000")), "{error}");
    assert_eq!(store.query(&Filter::all()).await.unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_in_the_way_of_replay_is_asked_again() {
    let log = Log::new().await;
    log.store.append([event(1)]).await.unwrap();
    log.replayed().await;
    let pooler = Pooler::default();
    let replica = pooler.start(log.schema.replica()).await;
    let mut settings = fixture::settings();
    // Whom the primary answers, and the watch, would hide it.
    settings.replica_fallback = ReplicaFallback::Fail;
    settings.replica_watch_every = Duration::from_secs(3_600);
    let builder = fixture::store().primary(log.schema.primary()).replica(replica).schema(log.schema.name());
    let store = builder.settings(settings).connect().await.unwrap();
    let all = Filter::all();
    let eventual = || store.query(&all).consistency(Consistency::Eventual).into_future();
    assert_eq!(eventual().await.unwrap().len(), 1);
    *pooler.0.lock().unwrap() = Some(Mishap::IsInTheWay);
    assert_eq!(eventual().await.unwrap().len(), 1);
    assert_eq!(*pooler.0.lock().unwrap(), None, "it was cancelled once");
    assert!(store.health().await.replicas[0].in_rotation, "and the replica is not to blame");
}
