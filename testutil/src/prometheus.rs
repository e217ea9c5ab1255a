//! A Prometheus that scrapes what a test serves.

use std::ffi::OsStr;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::error::ClusterError;
use crate::folder::{Folder, Kept};
use crate::owner::Owner;
use crate::server::free_port;
use crate::supervisor::Supervisor;
use crate::tools::Tool;

/// Far beyond any start, and any answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A Prometheus on a port of its own, with data of its own. Stopped when dropped.
#[derive(Debug)]
pub struct Prometheus {
    port: u16,
    _supervisor: Supervisor,
    _folder: Folder,
}

impl Prometheus {
    /// Starts one with the text of a configuration, and a folder of rules, which it finds in `rules` beside it. As `localhost:9090`
    /// it may name itself. Blocks until it answers.
    ///
    /// # Errors
    /// [`ClusterError::NoTool`] where Prometheus is not to be had; else what it or the system said.
    pub fn start(configuration: &str, rules: &Path) -> Result<Self, ClusterError> {
        let prometheus = Tool::find("prometheus")?;
        // The rules are ours, which nobody else may be able to read.
        let owner = Owner::Ourselves;
        let folder = Folder::make(Kept::Anywhere, owner)?;
        let (file, log) = (folder.path.join("prometheus.yml"), folder.path.join("prometheus.log"));
        copy_files(rules, &folder.path.join("rules"))?;
        let configured = flag("--config.file", &file);
        let data = flag("--storage.tsdb.path", &folder.path.join("data"));
        for attempt in 0.. {
            let port = free_port()?;
            let own = configuration.replace("localhost:9090", &format!("127.0.0.1:{port}"));
            fs::write(&file, own).map_err(ClusterError::io(format!("writing {}", file.display())))?;
            let address = format!("--web.listen-address=127.0.0.1:{port}");
            drop(fs::remove_file(&log));
            let command: [&OsStr; 4] =
                [prometheus.program().as_os_str(), configured.as_ref(), data.as_ref(), address.as_ref()];
            let supervisor =
                Supervisor::of_tool(&command, &log, owner, |command| prometheus.set_libraries(command))?;
            match await_ready(&log) {
                Ok(()) => return Ok(Self { port, _supervisor: supervisor, _folder: folder }),
                // Someone was faster on the port.
                Err(said) if attempt < 5 && said.contains("address already in use") => {}
                Err(said) => return Err(ClusterError::program(prometheus.program(), said)),
            }
        }
        unreachable!("the last attempt returns")
    }

    /// What a query gives now, as Prometheus says it in `data.result`.
    ///
    /// # Errors
    /// What Prometheus said, if it refused the query, or could not be reached.
    pub fn query(&self, expression: &str) -> Result<Vec<Value>, ClusterError> {
        let answer = self.get(&format!("/api/v1/query?query={}", encoded(expression)))?;
        match answer["data"]["result"].as_array() {
            Some(result) => Ok(result.clone()),
            None => Err(refused(expression, &answer)),
        }
    }

    /// The names of all metrics that it has, those of recording rules among them.
    ///
    /// # Errors
    /// If it could not be reached.
    pub fn metrics(&self) -> Result<Vec<String>, ClusterError> {
        let answer = self.get("/api/v1/label/__name__/values")?;
        let names = answer["data"].as_array().ok_or_else(|| refused("names of metrics", &answer))?;
        Ok(names.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect())
    }

    fn get(&self, path: &str) -> Result<Value, ClusterError> {
        let io = |error| ClusterError::io("asking Prometheus")(error);
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).map_err(io)?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(io)?;
        // Of this version, as its answers are not in chunks.
        stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).map_err(io)?;
        let mut text = String::new();
        stream.read_to_string(&mut text).map_err(io)?;
        let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        serde_json::from_str(body).map_err(|error| io(std::io::Error::other(format!("{error}: {text}"))))
    }
}

/// Has `promtool` check something, in a folder; what it said.
///
/// # Errors
/// [`ClusterError::NoTool`] where it is not to be had, and what it said if it is not content.
pub fn promtool(arguments: &[&str], folder: &Path) -> Result<String, ClusterError> {
    let promtool = Tool::find("promtool")?;
    let mut command = Command::new(promtool.program());
    promtool.set_libraries(command.args(arguments).current_dir(folder));
    let output = command.output().map_err(ClusterError::io("running promtool"))?;
    let said =
        [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
    if output.status.success() { Ok(said) } else { Err(ClusterError::program(promtool.program(), said)) }
}

fn flag(name: &str, path: &Path) -> String {
    format!("{name}={}", path.display())
}

fn refused(expression: &str, answer: &Value) -> ClusterError {
    ClusterError::program(Path::new("prometheus"), format!("{expression}: {answer}"))
}

fn encoded(expression: &str) -> String {
    expression
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

fn copy_files(from: &Path, to: &Path) -> Result<(), ClusterError> {
    let io = |error| ClusterError::io(format!("copying {}", from.display()))(error);
    fs::create_dir(to).map_err(io)?;
    for entry in fs::read_dir(from).map_err(io)? {
        let path = entry.map_err(io)?.path();
        if let (true, Some(name)) = (path.is_file(), path.file_name()) {
            fs::copy(&path, to.join(name)).map_err(io)?;
        }
    }
    Ok(())
}

/// It says in its log that it is ready, or why not; else the whole log.
fn await_ready(log: &Path) -> Result<(), String> {
    let began = Instant::now();
    loop {
        let said = fs::read_to_string(log).unwrap_or_default();
        if said.contains("Server is ready to receive web requests") {
            return Ok(());
        }
        if said.contains("level=error") || said.contains("level=ERROR") || began.elapsed() > PATIENCE {
            return Err(said);
        }
        thread::sleep(Duration::from_millis(3));
    }
}
