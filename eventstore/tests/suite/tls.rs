//! TLS: all of it or nothing, and only with servers that are who they should be.

#![cfg(feature = "rustls")]

use std::time::{Duration, Instant};

use eventstore::{Consistency, Error, ErrorKind, EventStore, Filter, NewEvent, Start, Tls};
use serde_json::json;
use testutil::Session;

use crate::certificates::Authority;
use crate::fixture;
use crate::secure_servers::{AUTHORITY, NAMES, SecureServers};
use crate::wire::Wire;

const LOG: &str = "library";

async fn connect(servers: &SecureServers, dsn: &str) -> Result<EventStore, Error> {
    fixture::store().primary(dsn).schema(LOG).tls(servers.tls()).connect().await
}

/// Asks until it is so.
async fn await_true(sql: &Session, question: &str) {
    let began = Instant::now();
    while !sql.query_one(question, &[]).await.unwrap().get::<_, bool>(0) {
        assert!(began.elapsed() < Duration::from_secs(20), "it does not come to be: {question}");
    }
}

/// How many sessions `app` has on a server, and how many of them are not encrypted.
async fn sessions(sql: &Session) -> (i64, i64) {
    let statement =
        "SELECT count(*), count(*) FILTER (WHERE NOT ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
                     WHERE usename = 'app'";
    let row = sql.query_one(statement, &[]).await.unwrap();
    (row.get(0), row.get(1))
}

#[tokio::test(flavor = "multi_thread")]
async fn all_connections_of_a_store_are_encrypted() {
    let servers = SecureServers::start().await;
    let (primary, replica) = (servers.cluster.primary(), &servers.cluster.replicas()[0]);
    let wires = [
        Wire::before(primary.port()).await,
        Wire::before(replica.port()).await,
        Wire::before(primary.port()).await,
    ];
    let dsns = wires.each_ref().map(|wire| servers.app(wire.port, "host=localhost channel_binding=require"));
    let builder = || fixture::store().primary(&dsns[0]).schema(LOG).tls(servers.tls());
    let store = builder().replica(&dsns[1]).listen(&dsns[2]).connect().await.unwrap();
    store.migrate().await.unwrap();
    store.append([NewEvent::new("Lent", json!({"BookID": 1}))]).await.unwrap();
    let token = store.head().await.unwrap();
    testutil::replayed(&primary.dsn(), &replica.dsn()).await.unwrap();
    let read = store.query(&Filter::all()).consistency(Consistency::AtLeast(token)).await.unwrap();
    assert_eq!(read.len(), 1);

    let mut events = store.subscription("all").ephemeral().start(Start::Beginning).await.unwrap();
    assert_eq!(events.next().await.unwrap().unwrap().len(), 1);
    // Found by listening: no poll comes in time.
    store.set_poll_every(Duration::from_secs(3_600));
    let other = builder().connect().await.unwrap();
    other.append([NewEvent::new("Returned", json!({"BookID": 1}))]).await.unwrap();
    assert_eq!(events.next().await.unwrap().unwrap().len(), 1);

    for server in [primary, replica] {
        let sql = testutil::connect(&server.dsn()).await.unwrap();
        let (count, in_the_clear) = sessions(&sql).await;
        assert!(count > 0 && in_the_clear == 0, "{in_the_clear} of {count} sessions are not encrypted");
    }
    assert!(wires.iter().all(|wire| !wire.said().is_empty() && wire.is_all_tls()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_is_given_up_is_cancelled_through_tls() {
    let servers = SecureServers::start().await;
    let wire = Wire::before(servers.cluster.primary().port()).await;
    // Without a name the address is the name, for the cancelling connection too.
    for host in ["host=localhost", "hostaddr=127.0.0.1"] {
        let store = connect(&servers, &servers.app(wire.port, host)).await.unwrap();
        store.migrate().await.unwrap();
        let mut sql = servers.sql().await;
        let locked = sql.transaction().await.unwrap();
        locked.batch_execute(&format!("LOCK TABLE {LOG}.events IN ACCESS EXCLUSIVE MODE")).await.unwrap();
        let read = store.query(&Filter::all()).timeout(Duration::from_millis(300));
        assert!(read.await.unwrap_err().is_timeout());
        // The lock is held on: nothing but the cancelling ends the wait for it.
        let nobody_waits = "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE usename = 'app' AND wait_event_type = 'Lock')";
        await_true(&servers.sql().await, nobody_waits).await;
        locked.rollback().await.unwrap();
        assert!(wire.is_all_tls());
    }
    assert_eq!(servers.log().matches("canceling statement due to user request").count(), 2);
}

/// One connection, and not one more: nothing is tried again.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_who_it_should_be_is_sent_nothing() {
    let servers = SecureServers::start().await;
    let authority = &servers.authority;
    let cases = [
        (authority.issue(&["db.example"]), "for DnsName(\"db.example\"), and not for the host \"127.0.0.1\""),
        (authority.issue(&["10.0.0.1"]), "10.0.0.1"),
        (authority.issue_expired(NAMES), "it expired at 2020-01-02T00:00:00Z"),
        (Authority::new("another").issue(NAMES), "from an unknown authority"),
        (
            Authority::new(AUTHORITY).issue(NAMES),
            "its authority has the name of a trusted root certificate, and another key",
        ),
    ];
    for (shown, expected) in cases {
        servers.show(&shown).await;
        let wire = Wire::before(servers.cluster.primary().port()).await;
        let error = connect(&servers, &servers.app(wire.port, "host=127.0.0.1")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        assert!(error.to_string().contains(expected) && !error.to_string().contains("geheim"), "{error}");
        assert!(wire.said().len() == 1 && wire.is_all_tls(), "{:?}", wire.said());
    }
    assert!(!servers.log().contains("user=app"), "{}", servers.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_offers_no_tls_is_sent_nothing_unless_the_caller_says_so() {
    let servers = SecureServers::start().await;
    servers.offer_none().await;
    let wire = Wire::before(servers.cluster.primary().port()).await;
    let error = connect(&servers, &servers.app(wire.port, "host=127.0.0.1")).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Invalid && error.to_string().contains("offers no TLS"), "{error}");
    assert_eq!(wire.said().iter().map(Vec::len).collect::<Vec<_>>(), [8]);
    connect(&servers, &format!("{} sslmode=disable", servers.cluster.primary().dsn())).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_name_that_counts_is_the_one_in_the_connection_string() {
    let servers = SecureServers::start().await;
    let port = servers.cluster.primary().port();
    for host in
        ["host=localhost", "host=127.0.0.1", "host=localhost hostaddr=127.0.0.1", "hostaddr=127.0.0.1"]
    {
        connect(&servers, &servers.app(port, host)).await.unwrap();
    }
    let elsewhere = servers.app(port, "host=db.example hostaddr=127.0.0.1");
    let error = connect(&servers, &elsewhere).await.unwrap_err();
    assert!(error.to_string().contains("not for the host \"db.example\""), "{error}");
    // Of several hosts one that is not who it should be is passed over.
    connect(&servers, &servers.app(port, "host=db.example,localhost hostaddr=127.0.0.1,127.0.0.1"))
        .await
        .unwrap();

    servers.show(&servers.authority.issue(&["db.example"])).await;
    connect(&servers, &elsewhere).await.unwrap();
    let url = format!("postgresql://app:geheim@127.0.0.1:{port}/postgres?sslmode=require");
    connect(&servers, &url).await.unwrap_err();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_signed_itself_is_trusted_if_it_is_a_servers_and_no_authoritys() {
    let servers = SecureServers::start().await;
    let dsn = servers.app(servers.cluster.primary().port(), "host=localhost");
    for is_authority in [false, true] {
        let shown = Authority::self_signed(NAMES, is_authority);
        servers.show(&shown).await;
        let tls = Tls::trusting(servers.file("shown.crt", &shown.certificate)).unwrap();
        let connected = fixture::store().primary(&dsn).schema(LOG).tls(tls).connect().await;
        match connected {
            Ok(_) => assert!(!is_authority),
            Err(error) => assert!(is_authority && error.to_string().contains("CA:TRUE"), "{error}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_bound_to_the_channel_where_that_is_asked_for() {
    let servers = SecureServers::start().await;
    let bound = servers.app(servers.cluster.primary().port(), "host=localhost channel_binding=require");
    connect(&servers, &bound).await.unwrap();
    // The superuser needs no password, and so nothing is bound.
    let trusted = format!("{} channel_binding=require", servers.cluster.primary().dsn());
    let error = connect(&servers, &trusted).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Invalid, "{error}");
    assert!(error.to_string().contains("did not use channel binding"), "{error}");
    let in_the_clear = fixture::store().primary(&bound).schema(LOG).connect().await.unwrap_err();
    assert!(in_the_clear.kind() == ErrorKind::Invalid, "{in_the_clear}");
    assert!(in_the_clear.to_string().contains("channel_binding=require"), "{in_the_clear}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_says_who_it_is_by_certificate() {
    let servers = SecureServers::start().await;
    let dsn =
        format!("host=localhost user=machine dbname=postgres port={}", servers.cluster.primary().port());
    let as_machine = |authority: &Authority, name: &str| {
        let issued = authority.issue_to_role("machine");
        let certificate = servers.file(&format!("{name}.crt"), &issued.certificate);
        servers.tls().identity(certificate, servers.file(&format!("{name}.key"), &issued.key)).unwrap()
    };
    let connect = |tls: Tls| fixture::store().primary(&dsn).schema(LOG).tls(tls).connect();
    connect(as_machine(&servers.authority, "machine")).await.unwrap();
    let error = connect(servers.tls()).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Invalid && error.to_string().contains("certificate"), "{error}");
    // Whether its alert comes before the end of the connection is the server's affair.
    connect(as_machine(&Authority::new("another"), "stranger")).await.unwrap_err();
}

#[test]
fn files_that_are_not_what_they_should_be_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        file
    };
    let authority = Authority::new(AUTHORITY);
    let (one, other) = (authority.issue(NAMES), authority.issue(NAMES));
    let (root, certificate) = (file("root.crt", &authority.pem()), file("one.crt", &one.certificate));
    let (key, other_key) = (file("one.key", &one.key), file("other.key", &other.key));
    let broken = authority.pem().replace("-----END", "-----ENDE");
    let trusted = || Tls::trusting(&root).unwrap();
    let cases = [
        (Tls::trusting(folder.path().join("none.crt")), "none.crt"),
        (Tls::trusting(&key), "one.key"),
        (Tls::trusting(file("empty.crt", "")), "BEGIN CERTIFICATE"),
        (Tls::trusting(file("broken.crt", &broken)), "broken.crt"),
        (trusted().identity(&key, &key), "one.key"),
        (trusted().identity(&certificate, &certificate), "BEGIN PRIVATE KEY"),
        (trusted().identity(&certificate, &other_key), "other.key"),
    ];
    let secret = one.key.lines().nth(1).unwrap();
    for (loaded, expected) in cases {
        let error = loaded.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains(expected) && !error.to_string().contains(secret), "{error}");
    }
    trusted().identity(&certificate, &key).unwrap();
}

#[cfg(feature = "cli")]
#[tokio::test(flavor = "multi_thread")]
async fn the_program_speaks_tls() {
    let servers = SecureServers::start().await;
    let dsn = servers.app(servers.cluster.primary().port(), "host=localhost channel_binding=require");
    connect(&servers, &dsn).await.unwrap().migrate().await.unwrap();
    let head = |more: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_eventstore"));
        for name in
            ["EVENTSTORE_REPLICA", "EVENTSTORE_TLS_ROOTS", "EVENTSTORE_TLS_CERTIFICATE", "EVENTSTORE_TLS_KEY"]
        {
            command.env_remove(name);
        }
        command.args(["head", "--primary", &dsn, "--schema", LOG]).args(more);
        command
    };
    let run = |command: &mut std::process::Command| {
        let output = command.output().unwrap();
        (output.status.code().unwrap(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    };
    let (roots, stranger) = (servers.roots(), servers.file("stranger.crt", &Authority::new("another").pem()));
    let (roots, stranger) = (roots.to_str().unwrap(), stranger.to_str().unwrap());
    assert_eq!(run(&mut head(&["--tls-roots", roots])), (0, "0\n".to_owned()));
    assert_eq!(run(head(&[]).env("EVENTSTORE_TLS_ROOTS", roots)), (0, "0\n".to_owned()));
    let refused: [(&[&str], i32, &str); 5] = [
        (&["--tls-roots", stranger], 3, "from an unknown authority"),
        (&["--tls-roots", "no/such.crt"], 3, "no/such.crt"),
        (&[], 3, "without TLS"),
        (&["--tls-roots", roots, "--tls-key", roots], 2, "--tls-certificate"),
        (&["--tls-certificate", roots, "--tls-key", roots], 2, "--tls-roots"),
    ];
    for (arguments, expected, words) in refused {
        let (code, said) = run(&mut head(arguments));
        assert!(code == expected && said.contains(words), "{arguments:?}: {code}: {said}");
    }
}

/// Of a table in `docs/tls.md`: the doctor has connections of its own.
#[cfg(feature = "cli")]
#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_finds_every_server_that_the_store_finds() {
    use std::os::unix::fs::PermissionsExt as _;

    let servers = SecureServers::start().await;
    let port = servers.cluster.primary().port();
    // Of the server's user.
    let sockets = tempfile::tempdir().unwrap();
    let folder = sockets.path().display();
    std::fs::set_permissions(sockets.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let other = testutil::Cluster::builder()
        .setting("unix_socket_directories", format!("'{folder}'"))
        .start()
        .unwrap();
    let socket = other.primary().port();
    let roots = servers.roots();
    let head_and_doctor = |dsn: &str| {
        let run = |command: &str| {
            let mut command = crate::cli::eventstore(command);
            command.args(["--primary", dsn, "--schema", LOG, "--tls-roots"]).arg(&roots).output().unwrap()
        };
        let head = String::from_utf8(run("head").stderr).unwrap();
        assert!(head.contains("was the schema migrated?"), "{dsn}: {head}");
        let doctor = String::from_utf8(run("doctor").stdout).unwrap();
        assert!(!doctor.contains("it could not be looked at"), "{dsn}: {doctor}");
        doctor
    };
    let app = servers.app(port, "hostaddr=127.0.0.1");
    let told = head_and_doctor(&app);
    assert!(told.contains(&format!("primary 127.0.0.1:{port}")), "{told}");
    let told = head_and_doctor(&format!("host={folder} port={socket} user=postgres dbname=postgres"));
    assert!(told.contains(&format!("primary {folder}:{socket}")), "{told}");
    // Nobody is at the first host.
    head_and_doctor(&format!("host=localhost,{folder} port=1,{socket} user=postgres dbname=postgres"));
    head_and_doctor(
        &servers.app(port, "host=/nowhere,localhost").replace(&port.to_string(), &format!("1,{port}")),
    );
}
