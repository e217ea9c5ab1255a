//! What the exporter says of servers that it gets nothing from.

use std::io::Read as _;
use std::net::TcpListener;

use testutil::Cluster;

use crate::exporter::Exporter;
use crate::{load_generator, said};

#[test]
fn a_connection_string_that_can_not_work_is_refused_at_once() {
    // With nothing to listen at, one that were taken would end too, and in another way.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = format!("exporter --listen {}", taken.local_addr().unwrap());
    let refusal = |servers: &[&str], status: i32| {
        said(&load_generator(&listen).args(servers).output().unwrap(), status)
    };
    let good = ["--primary", "host=127.0.0.1 port=1 user=u"];
    for (wrong, why) in [
        ("garbage", "does not parse"),
        ("host=db1 sslmode=verify-full password=geheim", "disable, prefer or require"),
        ("user=u password=geheim", "names no host"),
        ("host=db1.example user=u password=geheim", "--tls-roots"),
        ("host=127.0.0.1 user=u password=geheim sslmode=require", "--tls-roots"),
    ] {
        for (flag, servers) in
            [("--primary", &["--primary", wrong][..]), ("--replica", &[good[0], good[1], "--replica", wrong])]
        {
            let words = refusal(servers, 2);
            assert!(words.contains(&format!("{flag}: ")) && words.contains(why), "{wrong}: {words}");
            assert!(!words.contains("geheim"), "{words}");
        }
    }
    for right in ["host=/tmp user=u", "host=db1.example user=u sslmode=disable", good[1]] {
        assert!(refusal(&["--primary", right], 1).contains("listening on"), "{right}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn why_a_server_does_not_answer_is_said_once_and_that_it_is_back() {
    let mut cluster = Cluster::builder().start().unwrap();
    let primary = cluster.primary().dsn();
    let stranger = primary.replace("user=postgres", "user=stranger");
    let mut command = load_generator("exporter --listen 127.0.0.1:0 --timeout 5s");
    command.env_remove("RUST_LOG").args(["--primary", &primary, "--replica", &stranger]);
    let up = |exporter: &Exporter| {
        let scrape = exporter.scrape();
        ["primary", "replica1"].map(|server| scrape.number(&format!("postgresql_up{{server=\"{server}\"}}")))
    };

    cluster.primary_mut().stop().unwrap();
    let (mut exporter, mut stderr) = Exporter::spawn(&mut command);
    for _ in 0..3 {
        assert_eq!(up(&exporter), [0.0, 0.0]);
    }
    cluster.primary_mut().start().unwrap();
    for _ in 0..3 {
        assert_eq!(up(&exporter), [1.0, 0.0]);
    }
    let session = testutil::connect(&primary).await.unwrap();
    session.batch_execute("CREATE ROLE stranger LOGIN").await.unwrap();
    for _ in 0..3 {
        assert_eq!(up(&exporter), [1.0, 1.0]);
    }
    exporter.end();

    let mut text = String::new();
    stderr.read_to_string(&mut text).unwrap();
    let of = |server: &str| -> Vec<&str> {
        text.lines()
            .filter(|line| line.contains(&format!("server={server} ")) || line.ends_with(server))
            .collect()
    };
    for (server, expected) in [
        ("primary", &["Connection refused", "answers again"][..]),
        ("replica1", &["Connection refused", "role \"stranger\" does not exist", "answers again"]),
    ] {
        let lines = of(server);
        assert_eq!(lines.len(), expected.len(), "{text}");
        for (line, part) in lines.iter().zip(expected) {
            assert!(line.contains(" WARN ") && line.contains(part), "{part}: {text}");
        }
    }
}

/// Its figures are for Prometheus, whoever still reads what it says.
#[test]
fn it_goes_on_when_nobody_reads_what_it_says() {
    let cluster = Cluster::builder().start().unwrap();
    let stranger = cluster.primary().dsn().replace("user=postgres", "user=stranger");
    let mut command = load_generator("exporter --listen 127.0.0.1:0");
    command.env_remove("RUST_LOG").args(["--primary", &stranger]);
    let (exporter, stderr) = Exporter::spawn(&mut command);
    drop(stderr);
    for _ in 0..2 {
        assert_eq!(exporter.scrape().number("postgresql_up{server=\"primary\"}"), 0.0);
    }
}
