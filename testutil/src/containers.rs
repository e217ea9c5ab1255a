//! The servers of `docker-compose.yml` without containers: started from the same scripts and configuration files.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::binaries::Binaries;
use crate::cluster::run;
use crate::error::ClusterError;
use crate::folder::{Folder, Kept};
use crate::owner::Owner;
use crate::server::Server;

/// Of the log. The image makes it.
const DATABASE: &str = "eventstore";

/// Which of the servers in containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Those that `docker compose up` starts.
    Default,
    /// Those of the profile `test`: nothing survives a power cut, and the superuser may log in by TCP.
    Test,
}

impl Profile {
    /// Configuration files of the primary and of the replica, in `tuning/`.
    fn configurations(self) -> [&'static str; 2] {
        match self {
            Self::Default => ["primary.conf", "replica.conf"],
            Self::Test => ["test.conf", "test.conf"],
        }
    }
}

/// A primary and its replica, made as their containers make them. Stopped and removed when dropped.
///
/// What is left out is what the image of PostgreSQL does: it makes the data folder and the database, and runs the scripts of
/// `init/` in their order.
#[derive(Debug)]
pub struct Containers {
    replica: Server,
    primary: Server,
    profile: Profile,
    binaries: Binaries,
    owner: Owner,
    folder: Folder,
}

impl Containers {
    /// Starts both. Blocks.
    ///
    /// # Errors
    /// [`ClusterError::NoServer`] where PostgreSQL is not installed, [`ClusterError::NoTool`] where its psql is not; else what a
    /// program or the system said.
    pub fn start(profile: Profile) -> Result<Self, ClusterError> {
        let (binaries, owner) = (Binaries::find()?, Owner::find()?);
        for tool in ["psql", "pg_basebackup", "pg_receivewal", "pg_isready"] {
            find(tool, &binaries)?;
        }
        let folder = Folder::make(Kept::Anywhere, owner)?;
        let package = Path::new(env!("CARGO_MANIFEST_DIR"));
        copy(&package.join("containers"), &folder.path.join("containers"), owner)?;
        copy(&package.join("../tuning"), &folder.path.join("tuning"), owner)?;
        let server = |name: &str| Server::new(binaries.clone(), owner, folder.path.join(name));
        let (primary, replica) = (server("primary")?, server("replica")?);
        let mut servers = Self { replica, primary, profile, binaries, owner, folder };
        servers.start_primary()?;
        servers.start_replica()?;
        Ok(servers)
    }

    /// The primary.
    #[must_use]
    pub fn primary(&self) -> &Server {
        &self.primary
    }

    /// The primary, to stop and start it.
    pub fn primary_mut(&mut self) -> &mut Server {
        &mut self.primary
    }

    /// The replica.
    #[must_use]
    pub fn replica(&self) -> &Server {
        &self.replica
    }

    /// The replica, to stop and start it.
    pub fn replica_mut(&mut self) -> &mut Server {
        &mut self.replica
    }

    /// Connection string of one of both, for a role, without its password.
    #[must_use]
    pub fn dsn(&self, server: &Server, role: &str) -> String {
        format!("host=127.0.0.1 port={} user={role} dbname={DATABASE}", server.port())
    }

    /// The password of a role, as `make-secrets.sh` made it.
    ///
    /// # Errors
    /// If there is none.
    pub fn password(&self, role: &str) -> Result<String, ClusterError> {
        let file = self.secrets().join(role);
        fs::read_to_string(&file).map_err(ClusterError::io(format!("reading {}", file.display())))
    }

    /// Folder of the passwords.
    #[must_use]
    pub fn secrets(&self) -> PathBuf {
        self.folder.path.join("secrets")
    }

    /// Runs a script of `testutil/containers/` as in the container of a server, and returns what it printed.
    ///
    /// # Errors
    /// If it fails, with what it printed last.
    pub fn run_script(&self, server: &Server, script: &str) -> Result<(), ClusterError> {
        let mut command = Command::new("bash");
        command.arg(self.containers().join(script)).envs(self.environment(server.data()));
        command.env("PGPORT", server.port().to_string()).current_dir("/");
        self.binaries.set_libraries(&mut command);
        run(&mut command, self.owner)
    }

    /// A shell for the command of a service, with psql and the folder of these programs on its path.
    ///
    /// # Errors
    /// [`ClusterError::NoTool`] where psql is not installed.
    pub fn shell(&self, script: &str, programs: &Path) -> Result<Command, ClusterError> {
        let psql = find("psql", &self.binaries)?;
        let mut path: Vec<PathBuf> =
            [Some(programs), psql.parent()].into_iter().flatten().map(Path::to_owned).collect();
        path.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
        let path = env::join_paths(path)
            .map_err(|error| ClusterError::program(Path::new("bash"), error.to_string()))?;
        let mut command = Command::new("bash");
        command.args(["-euc", script]).env("PATH", path);
        self.binaries.set_libraries(&mut command);
        Ok(command)
    }

    /// Runs statements as the superuser, on the socket, where the user that runs the server needs no password.
    ///
    /// # Errors
    /// If one of them fails, with what the server said.
    pub fn run_as_superuser(&self, server: &Server, statements: &str) -> Result<(), ClusterError> {
        self.psql(server, DATABASE, statements)
    }

    fn psql(&self, server: &Server, database: &str, statements: &str) -> Result<(), ClusterError> {
        let mut command = Command::new(find("psql", &self.binaries)?);
        command.args([
            "--no-psqlrc",
            "--no-password",
            "--quiet",
            "--username=postgres",
            "--set=ON_ERROR_STOP=1",
        ]);
        command.arg(format!("--dbname={database}")).arg(format!("--command={statements}"));
        command.envs(self.environment(server.data())).env("PGPORT", server.port().to_string());
        self.binaries.set_libraries(&mut command);
        run(command.current_dir("/"), self.owner)
    }

    fn start_primary(&mut self) -> Result<(), ClusterError> {
        let mut secrets = Command::new("sh");
        secrets.arg(self.containers().join("make-secrets.sh")).arg(self.secrets()).current_dir("/");
        run(&mut secrets, self.owner)?;
        let mut initdb = self.binaries.command("initdb");
        initdb.args(["--username=postgres", "--locale=C", "--encoding=UTF8", "--auth-host=scram-sha-256"]);
        // The image's runs as a user whose name is the superuser's.
        initdb.args(["--auth-local=trust", "--no-sync", "--pgdata"]).arg(self.primary.data());
        initdb.arg(format!("--pwfile={}", self.secrets().join("postgres").display()));
        run(initdb.current_dir("/"), self.owner)?;

        let [configuration, _] = self.profile.configurations();
        let mut program = vec![self.binaries.program("postgres").into()];
        program.extend(["-c".into(), setting("config_file", &self.tuning(configuration))]);
        program.extend(self.listens_here());
        self.launch(|servers| &mut servers.primary, program, "primary.log")?;
        self.psql(&self.primary, "postgres", &format!("CREATE DATABASE {DATABASE}"))?;
        for script in in_order(&self.containers().join("init"))? {
            self.run_script(&self.primary, &format!("init/{script}"))?;
        }
        self.psql(&self.primary, DATABASE, "SELECT pg_reload_conf()")
    }

    fn start_replica(&mut self) -> Result<(), ClusterError> {
        let mut program = vec!["bash".into(), self.containers().join("replica-entrypoint.sh").into()];
        program.extend(self.listens_here());
        self.launch(|servers| &mut servers.replica, program, "replica.log")
    }

    fn launch(
        &mut self,
        which: impl Fn(&mut Self) -> &mut Server,
        program: Vec<OsString>,
        log: &str,
    ) -> Result<(), ClusterError> {
        let data = which(self).data().to_owned();
        let (environment, log) = (self.environment(&data), self.folder.path.join(log));
        let fresh = Server::new(self.binaries.clone(), self.owner, data)?;
        *which(self) = fresh.started_by(program, environment, log);
        which(self).start()
    }

    /// In a container, all addresses; and a folder that is its own.
    fn listens_here(&self) -> Vec<OsString> {
        let socket = setting("unix_socket_directories", &self.folder.path);
        vec!["-c".into(), "listen_addresses=127.0.0.1".into(), "-c".into(), socket]
    }

    fn containers(&self) -> PathBuf {
        self.folder.path.join("containers")
    }

    fn tuning(&self, file: &str) -> PathBuf {
        self.folder.path.join("tuning").join(file)
    }

    /// What the scripts read. In a container most of it is as they have it without being told.
    fn environment(&self, data: &Path) -> Vec<(&'static str, OsString)> {
        let path = env::var_os("PATH").unwrap_or_default();
        let folders = [self.binaries.folder().to_owned()].into_iter().chain(env::split_paths(&path));
        let [_, configuration] = self.profile.configurations();
        vec![
            ("PATH", env::join_paths(folders).unwrap_or(path.clone())),
            ("PGDATA", data.into()),
            ("PGHOST", self.folder.path.clone().into()),
            ("SECRETS", self.secrets().into()),
            ("PASSFILE", self.folder.path.join("replication.pgpass").into()),
            ("CONFIG", self.tuning(configuration).into()),
            ("PRIMARY_HOST", "127.0.0.1".into()),
            ("PRIMARY_PORT", self.primary.port().to_string().into()),
            ("FOR_TESTS", if self.profile == Profile::Test { "yes" } else { "no" }.into()),
        ]
    }
}

/// Beside the server's programs, or on the PATH.
fn find(tool: &str, binaries: &Binaries) -> Result<PathBuf, ClusterError> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut candidates = [binaries.folder().to_owned()].into_iter().chain(env::split_paths(&path));
    let found = candidates.find_map(|folder| Some(folder.join(tool)).filter(|program| program.is_file()));
    found.ok_or_else(|| ClusterError::NoTool { name: tool.to_owned() })
}

fn setting(name: &str, value: &Path) -> OsString {
    let mut setting = OsString::from(format!("{name}="));
    setting.push(value);
    setting
}

fn in_order(folder: &Path) -> Result<Vec<String>, ClusterError> {
    let entries = fs::read_dir(folder).map_err(ClusterError::io(format!("reading {}", folder.display())))?;
    let mut names: Vec<_> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort_unstable();
    Ok(names)
}

/// For the server's user, who may not be allowed into the folder of the repository.
fn copy(from: &Path, to: &Path, owner: Owner) -> Result<(), ClusterError> {
    let failed = |error| ClusterError::io(format!("copying {}", from.display()))(error);
    if from.is_dir() {
        fs::create_dir(to).map_err(failed)?;
        for name in in_order(from)? {
            copy(&from.join(&name), &to.join(&name), owner)?;
        }
    } else {
        fs::copy(from, to).map_err(failed)?;
    }
    owner.give(to)
}
