//! Metrics while a run goes on.

use std::net::TcpStream;

use crate::null;
use crate::running::Running;

#[test]
fn a_port_alone_is_not_open_to_other_machines() {
    let mut running = Running::start(null("--rate 100 --duration 10m --warmup 0s"));
    // Another address of this machine, which a port on all addresses would answer at.
    let elsewhere = TcpStream::connect(("127.0.0.2", running.port));
    let [health, ready] = ["/health", "/ready"].map(|path| running.get(path).unwrap());
    running.kill();
    assert!(elsewhere.is_err());
    assert!(health.starts_with("HTTP/1.1 200") && ready.starts_with("HTTP/1.1 200"), "{health} {ready}");
}
