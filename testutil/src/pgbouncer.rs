//! PgBouncer before a server.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::error::ClusterError;
use crate::folder::{Folder, Kept};
use crate::owner::Owner;
use crate::server::free_port;
use crate::supervisor::Supervisor;
use crate::tools::Tool;

/// Far beyond any start.
const READY_WITHIN: Duration = Duration::from_secs(10);

/// For how long a client has a session of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolMode {
    /// As long as it is connected.
    Session,
    /// For a transaction at a time.
    Transaction,
}

/// A PgBouncer on a port of its own. Stopped when dropped.
#[derive(Debug)]
pub struct PgBouncer {
    port: u16,
    _supervisor: Supervisor,
    _folder: Folder,
}

impl PgBouncer {
    /// Starts one with few sessions before a server on 127.0.0.1. Blocks.
    ///
    /// # Errors
    /// [`ClusterError::NoTool`] where PgBouncer is not to be had; else what it or the system said.
    pub fn start(server_port: u16, mode: PoolMode) -> Result<Self, ClusterError> {
        let (pgbouncer, owner) = (Tool::find("pgbouncer")?, Owner::find()?);
        let folder = Folder::make(Kept::Anywhere, owner)?;
        let (users, configuration) = (folder.path.join("users"), folder.path.join("pgbouncer.ini"));
        let log = folder.path.join("pgbouncer.log");
        let mode = match mode {
            PoolMode::Session => "session",
            PoolMode::Transaction => "transaction",
        };
        write(&users, "\"postgres\" \"\"\n", owner)?;
        for attempt in 0.. {
            let port = free_port()?;
            let described = format!(
                "[databases]\n* = host=127.0.0.1 port={server_port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
                 unix_socket_dir =\nauth_type = trust\nauth_file = {}\npool_mode = {mode}\ndefault_pool_size = 20\n",
                users.display()
            );
            write(&configuration, &described, owner)?;
            drop(fs::remove_file(&log));
            let command: [&OsStr; 2] = [pgbouncer.program().as_os_str(), configuration.as_os_str()];
            let supervisor =
                Supervisor::of_tool(&command, &log, owner, |command| pgbouncer.set_libraries(command))?;
            match await_ready(&log, port) {
                Ok(()) => return Ok(Self { port, _supervisor: supervisor, _folder: folder }),
                // Someone was faster on the port.
                Err(said) if attempt < 5 && said.contains("cannot listen") => {}
                Err(said) => return Err(ClusterError::program(pgbouncer.program(), said)),
            }
        }
        unreachable!("the last attempt returns")
    }

    /// The connection string of the server, through PgBouncer.
    #[must_use]
    pub fn dsn(&self) -> String {
        format!("host=127.0.0.1 port={} user=postgres dbname=postgres", self.port)
    }
}

fn write(file: &Path, text: &str, owner: Owner) -> Result<(), ClusterError> {
    fs::write(file, text).map_err(ClusterError::io(format!("writing {}", file.display())))?;
    owner.give(file)
}

/// It says in its log that it listens, or why not; else the whole log.
fn await_ready(log: &Path, port: u16) -> Result<(), String> {
    let began = Instant::now();
    loop {
        let said = fs::read_to_string(log).unwrap_or_default();
        if said.contains(&format!("listening on 127.0.0.1:{port}")) {
            return Ok(());
        }
        if said.contains("FATAL") || said.contains("ERROR") || began.elapsed() > READY_WITHIN {
            return Err(said);
        }
        thread::sleep(Duration::from_millis(3));
    }
}
