//! Servers that Patroni runs: it elects a primary among them, by way of etcd, and promotes another one when that fails.
//!
//! Each node has a Patroni and the server that it manages; one etcd is enough to see what they do (a real one has three). A
//! [`Patroni`] ends with its owner, as a [`Cluster`](crate::Cluster) does.

use std::ffi::OsStr;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::binaries::Binaries;
use crate::error::ClusterError;
use crate::folder::{Folder, Kept};
use crate::owner::Owner;
use crate::replication::whichever_takes_writes;
use crate::server::{free_port, signal_all};
use crate::supervisor::Supervisor;
use crate::tools::Tool;

/// Far beyond any election: Patroni's own time-out is 20 seconds.
const ELECTED_WITHIN: Duration = Duration::from_secs(120);
/// How far a node that follows may be behind, in bytes, while clients write: Patroni knows no better than a second ago.
const NEAR: u64 = 1 << 20;
/// How often nodes are asked what they are: they do not tell by themselves.
const POLL: Duration = Duration::from_millis(50);

/// A cluster of servers under Patroni. Stopped and removed when dropped.
#[derive(Debug)]
pub struct Patroni {
    // In the order in which they end.
    nodes: Vec<Node>,
    _etcd: Supervisor,
    patroni: Tool,
    binaries: Binaries,
    owner: Owner,
    folder: Folder,
}

#[derive(Debug)]
struct Node {
    name: String,
    configuration: PathBuf,
    data: PathBuf,
    log: PathBuf,
    port: u16,
    api: u16,
    supervisor: Option<Supervisor>,
}

impl Patroni {
    /// Starts so many nodes with synchronous replication, and returns when one is the primary and the others follow it: in
    /// some ten seconds. `fsync` is on. Blocks.
    ///
    /// # Errors
    /// [`ClusterError::NoTool`] where Patroni or etcd is not to be had; else what a program or the system said.
    pub fn start(nodes: usize) -> Result<Self, ClusterError> {
        let (binaries, owner) = (Binaries::find()?, Owner::find()?);
        let (patroni, etcd) = (Tool::find("patroni")?, Tool::find("etcd")?);
        let folder = Folder::make(Kept::OnDisk, owner)?;
        let (etcd, etcd_port) = start_etcd(&etcd, &folder.path, owner)?;
        let nodes =
            (1..=nodes).map(|number| Node::describe(number, &folder.path, etcd_port, &binaries, owner));
        let nodes = nodes.collect::<Result<Vec<_>, _>>()?;
        let mut started = Self { nodes, _etcd: etcd, patroni, binaries, owner, folder };
        for number in 0..started.nodes.len() {
            started.start_node(number)?;
        }
        started.await_standbys()?;
        Ok(started)
    }

    /// The connection strings of the nodes: superusers without a password, on 127.0.0.1.
    #[must_use]
    pub fn nodes(&self) -> Vec<String> {
        let dsn = |node: &Node| format!("host=127.0.0.1 port={} user=postgres dbname=postgres", node.port);
        self.nodes.iter().map(dsn).collect()
    }

    /// The connection string of whichever node takes writes.
    #[must_use]
    pub fn writable(&self) -> String {
        whichever_takes_writes(self.nodes.iter().map(|node| node.port))
    }

    /// The node that is the primary, by its number from 0, if there is one now.
    #[must_use]
    pub fn leader(&self) -> Option<usize> {
        self.nodes.iter().position(|node| node.is("primary"))
    }

    /// Returns the number of the primary when there is one, other than `before`. Blocks.
    ///
    /// # Errors
    /// If there is none for two minutes.
    pub fn await_leader(&self, before: Option<usize>) -> Result<usize, ClusterError> {
        let found = || self.leader().filter(|leader| Some(*leader) != before);
        self.until("no node became the primary", found)
    }

    /// Returns when every node but the primary follows it, and one of them confirms commits. Blocks.
    ///
    /// # Errors
    /// If it does not come to that within two minutes.
    pub fn await_standbys(&self) -> Result<(), ClusterError> {
        let is_whole = || {
            let leader = self.leader()?;
            let (_, cluster) = self.nodes[leader].ask("GET", "/cluster", None)?;
            let members = cluster["members"].as_array()?;
            let are = |role: &str| members.iter().filter(|member| member["role"] == role).count();
            let follow = |member: &Value| {
                let is_near = member["lag"].as_u64().is_some_and(|lag| lag < NEAR);
                let is_running = ["running", "streaming"].iter().any(|state| member["state"] == *state);
                member["role"] == "leader" || (is_running && is_near)
            };
            let is_whole = members.len() == self.nodes.len() && members.iter().all(follow);
            (is_whole && are("leader") == 1 && are("sync_standby") == 1).then_some(())
        };
        self.until("the nodes do not follow a primary", is_whole)
    }

    /// Asks for a switchover: the primary ends in good order, and another node takes over. Returns which, when it has. Blocks.
    ///
    /// # Errors
    /// If there is no primary, or it refuses.
    pub fn switch_over(&self) -> Result<usize, ClusterError> {
        let before = self.await_leader(None)?;
        let node = &self.nodes[before];
        match node.ask("POST", "/switchover", Some(&json!({"leader": node.name}))) {
            Some((200 | 202, _)) => self.await_leader(Some(before)),
            answer => Err(self.failed(format!("no switchover: {answer:?}"))),
        }
    }

    /// Kills the primary and its Patroni, as a machine that is gone; its number. Blocks.
    ///
    /// # Errors
    /// If there is no primary.
    pub fn kill_leader(&mut self) -> Result<usize, ClusterError> {
        let leader = self.await_leader(None)?;
        let node = &mut self.nodes[leader];
        // Its Patroni first: it would start the server again, or tell the others.
        if let Some(supervisor) = &node.supervisor {
            supervisor.kill_child()?;
        }
        signal_all(&node.data, Signal::SIGSTOP)?;
        signal_all(&node.data, Signal::SIGKILL)?;
        drop(fs::remove_file(node.data.join("postmaster.pid")));
        node.supervisor = None;
        Ok(leader)
    }

    /// Starts a node that was killed. It returns to the cluster by itself.
    ///
    /// # Errors
    /// If its Patroni can not be started.
    pub fn start_node(&mut self, number: usize) -> Result<(), ClusterError> {
        let node = &mut self.nodes[number];
        let command = [self.patroni.program().as_os_str(), node.configuration.as_os_str()];
        node.supervisor =
            Some(Supervisor::of_managed(&node.data, &command, &node.log, self.owner, |command| {
                self.binaries.set_libraries(command);
                self.patroni.set_libraries(command);
            })?);
        Ok(())
    }

    fn until<T>(&self, otherwise: &str, found: impl Fn() -> Option<T>) -> Result<T, ClusterError> {
        let began = Instant::now();
        while began.elapsed() < ELECTED_WITHIN {
            if let Some(found) = found() {
                return Ok(found);
            }
            thread::sleep(POLL);
        }
        Err(self.failed(format!("{otherwise} within {ELECTED_WITHIN:?}")))
    }

    /// With the end of what the nodes logged.
    fn failed(&self, what: String) -> ClusterError {
        let nodes = self.nodes.iter().map(|node| (node.name.as_str(), node.log.clone()));
        let logs = nodes.chain([("etcd", self.folder.path.join("etcd.log"))]).map(|(name, log)| {
            let log = fs::read_to_string(log).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            format!("\n{name}:\n{}", lines[lines.len().saturating_sub(8)..].join("\n"))
        });
        ClusterError::program(self.patroni.program(), what + &logs.collect::<String>())
    }
}

impl Node {
    fn describe(
        number: usize,
        folder: &Path,
        etcd: u16,
        binaries: &Binaries,
        owner: Owner,
    ) -> Result<Self, ClusterError> {
        let name = format!("node{number}");
        let (data, configuration) = (folder.join(&name), folder.join(format!("{name}.yml")));
        let (port, api, log) = (free_port()?, free_port()?, folder.join(format!("{name}.log")));
        let (listen, api_listen) = (format!("127.0.0.1:{port}"), format!("127.0.0.1:{api}"));
        let described = json!({
            "scope": "eventstore",
            "name": name,
            "etcd3": {"host": format!("127.0.0.1:{etcd}")},
            "restapi": {"listen": api_listen, "connect_address": api_listen},
            "bootstrap": {
                // The least that Patroni takes: a primary that is gone is replaced after some twenty seconds.
                "dcs": {
                    "ttl": 20,
                    "loop_wait": 1,
                    "retry_timeout": 3,
                    // Commits wait for one replica, which alone may be promoted: nothing that was acknowledged is lost.
                    "synchronous_mode": true,
                    "postgresql": {"use_pg_rewind": true, "parameters": {"max_connections": 100}},
                },
                "initdb": [{"auth": "trust"}, {"encoding": "UTF8"}, {"locale": "C"}],
            },
            "postgresql": {
                "listen": listen,
                "connect_address": listen,
                "data_dir": data,
                "bin_dir": binaries.folder(),
                "pgpass": folder.join(format!("{name}.pgpass")),
                "authentication": {"superuser": {"username": "postgres"}, "replication": {"username": "postgres"}},
                "pg_hba": ["host all all 127.0.0.1/32 trust", "host replication all 127.0.0.1/32 trust"],
                "parameters": {"unix_socket_directories": "", "wal_keep_size": "256MB", "timezone": "UTC"},
            },
        });
        // JSON is YAML.
        fs::write(&configuration, described.to_string())
            .map_err(ClusterError::io(format!("writing {}", configuration.display())))?;
        owner.give(&configuration)?;
        Ok(Self { name, configuration, data, log, port, api, supervisor: None })
    }

    fn is(&self, role: &str) -> bool {
        self.ask("GET", &format!("/{role}"), None).is_some_and(|(status, _)| status == 200)
    }

    /// What its Patroni answers: status and JSON.
    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Option<(u16, Value)> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let address = SocketAddr::from(([127, 0, 0, 1], self.api));
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()?;
        stream.set_read_timeout(Some(ELECTED_WITHIN)).ok()?;
        let length = body.len();
        let call = format!("{method} {path} HTTP/1.0\r\nContent-Length: {length}\r\n\r\n{body}");
        stream.write_all(call.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        // Some answers are plain text.
        Some((status, serde_json::from_str(body).unwrap_or_else(|_| Value::String(body.to_owned()))))
    }
}

fn start_etcd(etcd: &Tool, folder: &Path, owner: Owner) -> Result<(Supervisor, u16), ClusterError> {
    let (client, peer, data) = (free_port()?, free_port()?, folder.join("etcd"));
    let (client_url, peer_url) = (format!("http://127.0.0.1:{client}"), format!("http://127.0.0.1:{peer}"));
    let cluster = format!("default={peer_url}");
    let command: Vec<&OsStr> = [
        etcd.program().as_os_str(),
        "--data-dir".as_ref(),
        data.as_os_str(),
        "--listen-client-urls".as_ref(),
        client_url.as_ref(),
        "--advertise-client-urls".as_ref(),
        client_url.as_ref(),
        "--listen-peer-urls".as_ref(),
        peer_url.as_ref(),
        "--initial-advertise-peer-urls".as_ref(),
        peer_url.as_ref(),
        "--initial-cluster".as_ref(),
        cluster.as_ref(),
    ]
    .into();
    let log = folder.join("etcd.log");
    let supervisor = Supervisor::of_tool(&command, &log, owner, |command| etcd.set_libraries(command))?;
    Ok((supervisor, client))
}
