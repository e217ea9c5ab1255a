//! A browser that tests drive, over WebDriver.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use crate::error::ClusterError;
use crate::folder::{Folder, Kept};
use crate::owner::Owner;
use crate::supervisor::Supervisor;
use crate::tools::Tool;

/// Far beyond any start.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// What the driver prints before the port that it found.
const STARTED: &str = "started successfully on port ";
/// Without a screen, and without a sandbox, which containers do not allow: it is for pages of our own.
const FLAGS: [&str; 5] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
];

/// A chromedriver on a port of its own, which starts Chromium with the first session. One session at a time. All of it is
/// killed when dropped.
#[derive(Debug)]
pub struct Browser {
    port: u16,
    chromium: Tool,
    // In the order in which they end.
    _supervisor: Supervisor,
    folder: Folder,
}

impl Browser {
    /// Starts the driver. What it and the browser write goes into a folder that is removed at the end. Blocks.
    ///
    /// # Errors
    /// [`ClusterError::NoTool`] where chromedriver or Chromium is not to be had; else what the driver or the system said.
    pub fn start() -> Result<Self, ClusterError> {
        let driver = Tool::find("chromedriver")?;
        let chromium =
            Tool::find("chromium").or_else(|missing| Tool::find("google-chrome").map_err(|_| missing))?;
        let versions = [&driver, &chromium].map(major);
        if versions[0].is_none() || versions[0] != versions[1] {
            return Err(ClusterError::NoTool {
                name: format!("a chromedriver that fits {}", chromium.program().display()),
            });
        }
        // Its pages are ours, which nobody else may be able to read.
        let owner = Owner::Ourselves;
        let folder = Folder::make(Kept::Anywhere, owner)?;
        let log = folder.path.join("chromedriver.log");
        let command: [&OsStr; 2] = [driver.program().as_os_str(), "--port=0".as_ref()];
        let supervisor = Supervisor::of_group(&command, &log, owner, |command| {
            command.env("HOME", &folder.path).env("TMPDIR", &folder.path);
            driver.set_libraries(command);
            chromium.set_libraries(command);
        })?;
        let port = await_port(&log).map_err(|said| ClusterError::program(driver.program(), said))?;
        Ok(Self { port, chromium, _supervisor: supervisor, folder })
    }

    /// Where the driver answers.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    /// What a session must ask for: this browser, and that what a page logs is kept.
    #[must_use]
    pub fn capabilities(&self) -> Map<String, Value> {
        let profile = format!("--user-data-dir={}", self.folder.path.join("profile").display());
        let flags: Vec<&str> = FLAGS.into_iter().chain([profile.as_str()]).collect();
        let options = json!({"binary": self.chromium.program(), "args": flags});
        let capabilities =
            [("goog:chromeOptions", options), ("goog:loggingPrefs", json!({"browser": "ALL"}))];
        capabilities.map(|(name, value)| (name.to_owned(), value)).into_iter().collect()
    }
}

/// The first number of its version: driver and browser must have the same one.
fn major(tool: &Tool) -> Option<u32> {
    let mut command = Command::new(tool.program());
    command.arg("--version");
    tool.set_libraries(&mut command);
    let said = String::from_utf8(command.output().ok()?.stdout).ok()?;
    let digits = said.trim_start_matches(|char: char| !char.is_ascii_digit());
    digits.split('.').next()?.parse().ok()
}

/// It says in its log on which port it listens; else the whole log.
fn await_port(log: &Path) -> Result<u16, String> {
    let began = Instant::now();
    loop {
        let said = fs::read_to_string(log).unwrap_or_default();
        let port = said.split_once(STARTED).and_then(|(_, port)| port.split_once('.'));
        if let Some(port) = port.and_then(|(port, _)| port.parse().ok()) {
            return Ok(port);
        }
        if began.elapsed() > READY_WITHIN {
            return Err(said);
        }
        thread::sleep(Duration::from_millis(3));
    }
}
