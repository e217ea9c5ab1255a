//! Finds the server's programs on this machine.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::ClusterError;

/// Names the folder of the programs, and overrides every other place.
const OVERRIDE: &str = "EVENTSTORE_PG_BIN";

/// The folder that has `initdb` and `postgres`.
#[derive(Debug, Clone)]
pub(crate) struct Binaries(PathBuf);

impl Binaries {
    pub(crate) fn find() -> Result<Self, ClusterError> {
        let candidates = match env::var_os(OVERRIDE) {
            Some(folder) => vec![PathBuf::from(folder)],
            None => candidates(),
        };
        let found = candidates.iter().find(|folder| has_programs(folder) && is_recent(folder));
        // Absolute: the programs run in another folder.
        found
            .and_then(|folder| behind_links(folder))
            .map(Self)
            .ok_or_else(|| ClusterError::no_server(&candidates))
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.0
    }

    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A command whose libraries are those beside the program. A relocated server would otherwise load the system's
    /// libpq into its WAL receiver, which then fails for ever.
    pub(crate) fn command(&self, name: &str) -> Command {
        let mut command = Command::new(self.program(name));
        self.set_libraries(&mut command);
        command
    }

    pub(crate) fn set_libraries(&self, command: &mut Command) {
        let libraries = self.0.join("../lib");
        if libraries.join("libpq.so.5").exists() {
            command.env("LD_LIBRARY_PATH", libraries);
        }
    }
}

/// Where only some of the programs are linked to from a folder of the PATH, all of them are where these are.
fn behind_links(folder: &Path) -> Option<PathBuf> {
    let server = folder.join("postgres").canonicalize().ok()?;
    let real = server.parent().filter(|folder| has_programs(folder)).map(Path::to_owned);
    real.or_else(|| folder.canonicalize().ok())
}

fn has_programs(folder: &Path) -> bool {
    ["initdb", "postgres"].iter().all(|program| folder.join(program).is_file())
}

/// The oldest version that the event store works with.
const OLDEST: u32 = 15;

fn is_recent(folder: &Path) -> bool {
    let output = Command::new(folder.join("postgres")).arg("--version").output();
    let version = output.ok().and_then(|output| String::from_utf8(output.stdout).ok());
    let major = version.and_then(|version| {
        version.split_whitespace().nth(2)?.split(|char: char| !char.is_ascii_digit()).next()?.parse().ok()
    });
    major.is_some_and(|major: u32| major >= OLDEST)
}

fn candidates() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> =
        env::var_os("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default();
    folders.extend(bindir_of_pg_config());
    folders.extend(versions_in("/usr/lib/postgresql", ""));
    folders.extend(versions_in("/usr", "pgsql-"));
    folders.extend(versions_in("/opt/homebrew/opt", "postgresql"));
    folders.extend(versions_in("/usr/local/opt", "postgresql"));
    folders.extend(caches("postgresql/bin"));
    folders
}

fn bindir_of_pg_config() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    let folder = String::from_utf8(output.stdout).ok()?;
    Some(PathBuf::from(folder.trim())).filter(|folder| folder.is_absolute())
}

/// `bin` of every version in a folder, the newest first.
fn versions_in(folder: &str, prefix: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut versions: Vec<(u32, PathBuf)> = entries
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            let version =
                name.strip_prefix(prefix)?.trim_start_matches('@').split('.').next()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    versions.sort_unstable_by(|a, b| b.cmp(a));
    versions.into_iter().map(|(_, bin)| bin).collect()
}

/// Where `make postgres` puts what it gets: for all users if root ran it (root's own folder is closed to the user that
/// the server runs as), else in the user's cache.
pub(crate) fn caches(name: &str) -> impl Iterator<Item = PathBuf> {
    let set = |name: &str| env::var_os(name).filter(|value| value != OsStr::new("")).map(PathBuf::from);
    let user = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")));
    let folders = [Some(PathBuf::from("/var/cache")), user];
    folders.into_iter().flatten().map(move |cache| cache.join("eventstore").join(name))
}
