//! A pooler in transaction mode, as PgBouncer is: each transaction of a client goes to another session of the server, so
//! that nothing that was prepared or set in one is there in the next.

use std::future::IntoFuture as _;

use eventstore::{ErrorKind, Filter, NewEvent, Settings};
use futures_util::future::join_all;
use serde_json::json;
use testutil::{Cluster, ClusterError, PgBouncer, PoolMode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::fixture;

/// The connection string to use instead.
async fn start(dsn: &str) -> String {
    let config: tokio_postgres::Config = dsn.parse().unwrap();
    let server = config.get_ports()[0];
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (client, _) = listener.accept().await.unwrap();
            tokio::spawn(serve(client, server));
        }
    });
    dsn.replace(&format!("port={server}"), &format!("port={port}"))
}

/// `None` when one side has hung up.
async fn serve(mut client: TcpStream, server: u16) -> Option<()> {
    let mut length = [0; 4];
    client.read_exact(&mut length).await.ok()?;
    let mut startup = length.to_vec();
    startup.resize(u32::from_be_bytes(length) as usize, 0);
    client.read_exact(&mut startup[4..]).await.ok()?;
    let mut sessions = Vec::new();
    let mut greeting = Vec::new();
    for _ in 0..2 {
        let mut session = TcpStream::connect(("127.0.0.1", server)).await.ok()?;
        session.write_all(&startup).await.ok()?;
        greeting = answer(&mut session).await?.0;
        sessions.push(session);
    }
    client.write_all(&greeting).await.ok()?;
    let (mut turn, mut in_transaction) = (0, false);
    loop {
        let call = call(&mut client).await?;
        if !in_transaction {
            turn = (turn + 1) % sessions.len();
        }
        sessions[turn].write_all(&call).await.ok()?;
        let (answer, status) = answer(&mut sessions[turn]).await?;
        in_transaction = status != b'I';
        client.write_all(&answer).await.ok()?;
    }
}

/// A client's messages up to one that is answered with ReadyForQuery: Sync, or a simple query.
async fn call(client: &mut TcpStream) -> Option<Vec<u8>> {
    let mut call = Vec::new();
    loop {
        let kind = message(client, &mut call).await?;
        if matches!(kind, b'S' | b'Q') {
            return Some(call);
        }
    }
}

/// A server's messages up to ReadyForQuery, and the status in it.
async fn answer(session: &mut TcpStream) -> Option<(Vec<u8>, u8)> {
    let mut answer = Vec::new();
    while message(session, &mut answer).await? != b'Z' {}
    let status = *answer.last()?;
    Some((answer, status))
}

/// Appends the next message; its type.
async fn message(from: &mut TcpStream, to: &mut Vec<u8>) -> Option<u8> {
    let mut head = [0; 5];
    from.read_exact(&mut head).await.ok()?;
    let at = to.len() + 5;
    to.extend(head);
    to.resize(at + u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize - 4, 0);
    from.read_exact(&mut to[at..]).await.ok()?;
    Some(head[0])
}

/// What a store is for, on a schema of its own.
async fn everything_works(dsn: &str, schema: &str, settings: Settings) {
    let builder = fixture::store().primary(dsn).schema(schema);
    let store = builder.settings(settings).connect().await.unwrap();
    store.migrate().await.unwrap();
    store.migrate().await.unwrap();
    let filter = Filter::event_types(["T"]).and_all([("n", 3)]);
    for n in 0..10 {
        store.append([NewEvent::new("T", json!({"n": n, "deep": {"n": n}}))]).await.unwrap();
        let found = store.query(&filter).await.unwrap();
        assert_eq!(found.len(), usize::from(n >= 3));
    }
    let refused = store.append([NewEvent::new("T", json!({}))]).fail_if_matches(&filter).await;
    assert!(refused.unwrap_err().is_conflict());
    store.index_path("deep.n").await.unwrap();
    assert_eq!(store.query(&Filter::where_any([("deep.n", 1), ("deep.n", 2)])).await.unwrap().len(), 2);
    let folded = store.fold("count", &Filter::all(), 0, |count, _| *count += 1).save_every(1);
    assert_eq!(folded.await.unwrap().state, 10);
    assert_eq!(store.snapshot("count", &Filter::all()).load::<u64>().await.unwrap().unwrap().state, 10);

    // Many at once, more than the pooler has sessions.
    let tasks = (0..100).map(|n| {
        let store = store.clone();
        tokio::spawn(async move {
            let mine = Filter::event_types(["Own"]).and_all([("n", n)]);
            let append = store.append([NewEvent::new("Own", json!({"n": n}))]).fail_if_matches(&mine);
            append.await.unwrap();
            assert_eq!(store.query(&mine).await.unwrap().len(), 1);
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    store.close().await.unwrap();
}

/// The other way to send statements does not work in transaction mode, and says so.
async fn prepared_statements_are_refused(dsn: &str, schema: &str) {
    for _ in 0..20 {
        let builder = fixture::store().primary(dsn).schema(schema).settings(Settings::default());
        let errors: Vec<_> = match builder.connect().await {
            Err(error) => vec![error],
            Ok(store) => {
                // Which session a statement comes to is the pooler's choice: rivals make it choose others.
                let reads = (0..50).map(|_| store.query(&Filter::all()).limit(1).into_future());
                join_all(reads).await.into_iter().filter_map(Result::err).collect()
            }
        };
        assert!(!errors.is_empty(), "this pooler keeps no prepared statements");
        let told = "Settings::prepared_statements has to be false";
        if errors.iter().any(|error| error.to_string().contains(told)) {
            return;
        }
        // A pooler may close a connection whose statements it has mixed up.
        assert!(errors.iter().all(|error| error.kind() == ErrorKind::Unavailable), "{errors:?}");
    }
    panic!("nobody was told what is wrong");
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_works_where_no_statement_stays_prepared() {
    // Its own, whose user needs no password: nobody can log in to two sessions with one answer.
    let cluster = tokio::task::spawn_blocking(|| Cluster::builder().start()).await.unwrap().unwrap();
    let dsn = start(&cluster.primary().dsn()).await;
    let mut settings = fixture::settings();
    settings.prepared_statements = false;
    everything_works(&dsn, "pooled", settings).await;
    prepared_statements_are_refused(&dsn, "pooled").await;
}

/// The real one, in both of its modes.
#[tokio::test(flavor = "multi_thread")]
async fn everything_works_through_pgbouncer() {
    // Its own, whose user needs no password.
    let cluster = tokio::task::spawn_blocking(|| Cluster::builder().start()).await.unwrap().unwrap();
    let port = cluster.primary().port();
    for (mode, schema) in [(PoolMode::Session, "session"), (PoolMode::Transaction, "transaction")] {
        let pgbouncer = match tokio::task::spawn_blocking(move || PgBouncer::start(port, mode)).await.unwrap()
        {
            Ok(pgbouncer) => pgbouncer,
            Err(error @ ClusterError::NoTool { .. }) => {
                return testutil::skip("everything_works_through_pgbouncer", error);
            }
            Err(error) => panic!("{error}"),
        };
        let mut settings = fixture::settings();
        if mode == PoolMode::Transaction {
            settings.prepared_statements = false;
        }
        everything_works(&pgbouncer.dsn(), schema, settings).await;
        if mode == PoolMode::Transaction {
            prepared_statements_are_refused(&pgbouncer.dsn(), schema).await;
        }
    }
}
