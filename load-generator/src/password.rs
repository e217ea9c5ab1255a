//! Passwords that are in a file, for this process and for others of its run.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::process::Command;

/// The environment variable that names the file.
pub(crate) const FILE: &str = "EVENTSTORE_PASSWORD_FILE";

/// Every connection string that was completed.
static COMPLETED: Mutex<Vec<Completed>> = Mutex::new(Vec::new());

#[derive(Debug)]
struct Completed {
    complete: String,
    bare: String,
    file: PathBuf,
}

/// A connection string with the password that is in a file, unless it has one.
pub(crate) fn complete(server: String, file: &Path) -> Result<String, eventstore::Error> {
    let complete = eventstore::with_password_file(&server, file)?;
    if complete != server {
        completed().push(Completed { complete: complete.clone(), bare: server, file: file.to_owned() });
    }
    Ok(complete)
}

/// Tells another process of this program its servers, through environment variables: without the passwords that were in a file, and
/// with the file. A file for servers that it does not use is not passed on.
pub(crate) fn hand_on<'a>(command: &mut Command, servers: impl IntoIterator<Item = (&'a str, &'a str)>) {
    command.env_remove(FILE);
    let completed = completed();
    for (name, server) in servers {
        match completed.iter().find(|completed| completed.complete == server) {
            Some(completed) => command.env(name, &completed.bare).env(FILE, &completed.file),
            None => command.env(name, server),
        };
    }
}

fn completed() -> MutexGuard<'static, Vec<Completed>> {
    COMPLETED.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::io::Write as _;

    use super::*;

    /// What the process is told: None where it is not to be there.
    fn told<'a>(command: &'a Command, name: &str) -> Option<Option<&'a OsStr>> {
        command.as_std().get_envs().find(|(set, _)| *set == name).map(|(_, value)| value)
    }

    #[test]
    fn other_processes_read_the_file_themselves() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"geheim").unwrap();
        let bare = "host=other.processes user=u";
        let primary = complete(bare.to_owned(), file.path()).unwrap();
        let own = complete("host=b user=u password=own".to_owned(), file.path()).unwrap();
        let mut command = Command::new("load-generator");
        hand_on(&mut command, [("PRIMARY", primary.as_str()), ("REPLICA", own.as_str())]);
        assert_eq!(told(&command, "PRIMARY"), Some(Some(OsStr::new(bare))));
        assert_eq!(told(&command, "REPLICA"), Some(Some(OsStr::new("host=b user=u password=own"))));
        assert_eq!(told(&command, FILE), Some(Some(file.path().as_os_str())));
    }

    #[test]
    fn servers_of_its_own_need_no_file() {
        let mut command = Command::new("load-generator");
        hand_on(&mut command, [("PRIMARY", "host=127.0.0.1 port=1 user=postgres")]);
        assert_eq!(told(&command, FILE), Some(None));
    }
}
