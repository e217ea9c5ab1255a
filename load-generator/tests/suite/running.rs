//! A run that goes on, as its metrics show it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Output};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::json;

/// Far beyond anything that is waited for: what never comes is a failed test, and not one that hangs.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks: more of them would take the processor from what is looked at.
const PAUSE: Duration = Duration::from_millis(20);
/// Through which a run has shown that it is under way.
const FIRST: &str = "load_generator_requests_total{operation=\"lend_book\"";

/// Killed when dropped: a test that fails leaves no load behind.
pub(crate) struct Running {
    /// Nothing once it is waited for.
    child: Option<Child>,
    pub(crate) port: u16,
}

impl Running {
    /// Starts it with metrics at a free port, and returns when a command is through.
    pub(crate) fn start(mut command: Command) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = command.args(["--metrics", &port.to_string()]).spawn().unwrap();
        let mut running = Self { child: Some(child), port };
        running.wait_until(FIRST, |requests| requests > 0.0);
        running
    }

    /// Returns when this metric is so.
    pub(crate) fn wait_until(&mut self, begins: &str, is_so: impl Fn(f64) -> bool) {
        let began = Instant::now();
        while !self.metric(begins).is_some_and(&is_so) {
            let ended = self.child().try_wait().unwrap();
            if ended.is_some() || began.elapsed() > PATIENCE {
                self.kill();
                panic!("{begins} is not as expected, and the run ended: {ended:?}");
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// The sum of the metrics whose names and labels begin like this.
    pub(crate) fn metric(&self, begins: &str) -> Option<f64> {
        let scraped = self.scrape()?;
        let lines = scraped.lines().filter(|line| line.starts_with(begins));
        let values: Option<Vec<f64>> = lines.map(|line| line.rsplit(' ').next()?.parse().ok()).collect();
        values.filter(|values| !values.is_empty()).map(|values| values.iter().sum())
    }

    pub(crate) fn scrape(&self) -> Option<String> {
        self.get("/metrics")
    }

    /// The whole answer.
    pub(crate) fn get(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        Some(text)
    }

    pub(crate) fn interrupt(&self) {
        let child = self.child.as_ref().unwrap();
        kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGINT).unwrap();
    }

    /// Its end, by itself.
    pub(crate) fn output(mut self) -> Output {
        self.child.take().unwrap().wait_with_output().unwrap()
    }

    /// Its JSON at its end.
    pub(crate) fn report(self) -> Value {
        json(&self.output())
    }

    pub(crate) fn kill(&mut self) {
        let child = self.child();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    fn child(&mut self) -> &mut Child {
        self.child.as_mut().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            drop(child.kill());
            drop(child.wait());
        }
    }
}
