//! The health checks: each says yes to what is there, and no to what is not.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::process::Command;

use testutil::Profile;

use crate::start;

#[tokio::test(flavor = "multi_thread")]
async fn servers_are_healthy_when_they_are_ready() {
    let Some(mut servers) = start("servers_are_healthy_when_they_are_ready", Profile::Default) else {
        return;
    };
    let healthy = |script: &str| servers.run_script(servers.primary(), script).is_ok();
    assert!(healthy("health/primary.sh"), "{:?}", servers.run_script(servers.primary(), "health/primary.sh"));
    assert!(!healthy("health/replica.sh"), "the primary is no replica");
    assert!(servers.run_script(servers.replica(), "health/primary.sh").is_err(), "the replica is no primary");
    // Streaming begins after the server has come up.
    let began = std::time::Instant::now();
    while let Err(error) = servers.run_script(servers.replica(), "health/replica.sh") {
        assert!(began.elapsed().as_secs() < 30, "{error}");
    }
    tokio::task::block_in_place(|| servers.primary_mut().crash());
    assert!(servers.run_script(servers.primary(), "health/primary.sh").is_err(), "it does not run");
    while servers.run_script(servers.replica(), "health/replica.sh").is_ok() {
        assert!(began.elapsed().as_secs() < 30, "it receives from nobody");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_was_interrupted_is_not_healthy() {
    let Some(servers) = start("a_start_that_was_interrupted_is_not_healthy", Profile::Default) else {
        return;
    };
    let healthy = || servers.run_script(servers.primary(), "health/primary.sh").is_ok();
    let hba = servers.primary().data().join("pg_hba.conf");
    let written = std::fs::read_to_string(&hba).unwrap();
    std::fs::write(&hba, "local all postgres peer map=owner\n").unwrap();
    assert!(!healthy(), "before 20-hba.sh");
    std::fs::write(&hba, written).unwrap();
    servers.run_as_superuser(servers.primary(), "ALTER ROLE load_generator RENAME TO other").unwrap();
    assert!(!healthy(), "before the end of 10-roles.sh");
}

/// Answers one request with a status, and whether the script took it for a good one.
fn is_good(status: &str) -> bool {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/containers/health/http.sh");
    let mut child = Command::new("bash").args([script, &port, "/ready"]).spawn().unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    let lines = BufReader::new(&stream).lines().map(Result::unwrap);
    let request: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    assert_eq!(request[0], "GET /ready HTTP/1.1");
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").unwrap();
    drop(stream);
    child.wait().unwrap().success()
}

#[test]
fn a_page_is_there_with_status_200_alone() {
    assert!(is_good("200 OK"));
    assert!(!is_good("503 Service Unavailable"));
    assert!(!is_good("200x"));
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/containers/health/http.sh");
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let status =
        Command::new("bash").args([script, &nobody, "/"]).stderr(std::process::Stdio::null()).status();
    assert!(!status.unwrap().success());
}
