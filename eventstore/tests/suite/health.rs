//! What orchestrators are told.

use eventstore::{Consistency, EventStore, Filter, NewEvent, health_http};
use serde_json::{Value, json};
use testutil::Cluster;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::fixture;

/// Status and body of what is at a path.
async fn get(port: u16, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

async fn serve(store: &EventStore) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let router = health_http::router(store.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    port
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handle_is_ready_while_its_primary_answers_and_healthy_until_it_is_closed() {
    let mut cluster =
        tokio::task::spawn_blocking(|| Cluster::builder().replicas(1).start()).await.unwrap().unwrap();
    let builder = fixture::store().primary(cluster.primary().dsn()).replica(cluster.replicas()[0].dsn());
    let store = builder.schema("health").connect().await.unwrap();
    store.migrate().await.unwrap();
    store.append([NewEvent::new("T", json!({}))]).await.unwrap();
    let port = serve(&store).await;
    assert_eq!(get(port, "/health").await.0, 200);
    let (status, body) = get(port, "/ready").await;
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &body["primary"]["head"], &body["primary"]["error"]), (200, &json!(1), &Value::Null));
    assert_eq!((&body["replicas"][0]["in_rotation"], &body["appends_waiting"]), (&json!(true), &json!(0)));

    tokio::task::block_in_place(|| {
        cluster.replicas_mut()[0].crash();
        cluster.primary_mut().crash();
    });
    assert!(store.query(&Filter::all()).consistency(Consistency::Eventual).await.is_err());
    let (status, body) = get(port, "/ready").await;
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &body["primary"]["head"]), (503, &Value::Null));
    assert!(body["primary"]["error"].is_string(), "{body}");
    assert_eq!(body["replicas"][0]["in_rotation"], false, "{body}");
    assert_eq!(get(port, "/health").await.0, 200, "a restart of the process would help nobody");

    store.close().await.unwrap();
    assert_eq!(get(port, "/health").await.0, 503);
    assert_eq!(get(port, "/ready").await.0, 503);
}
