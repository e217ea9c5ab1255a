//! File descriptors: every connection takes one, and systems give a process few unless it asks.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::error::RunError;

/// Sees to it that this process may have so many files and connections open, as far as the system lets it. Nothing changes
/// where it may already, or where it can not.
pub(crate) fn reserve(needed: u64) -> Result<(), RunError> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)
        .map_err(|error| RunError::new(format!("asking how many files may be open: {error}")))?;
    if soft >= needed {
        return Ok(());
    }
    // No more than needed: programs that this one starts inherit it, and some go through all of them.
    if hard >= needed && setrlimit(Resource::RLIMIT_NOFILE, needed, hard).is_ok() {
        return Ok(());
    }
    Err(RunError::new(format!(
        "{needed} open files and connections are needed, and the system allows {hard}: raise the limit \
         (`ulimit -n {needed}`), or ask for fewer connections"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_are_always_there() {
        reserve(16).unwrap();
    }

    #[test]
    fn more_than_any_system_gives_is_refused_with_what_to_do() {
        let needed = u64::MAX - 1;
        let error = reserve(needed).unwrap_err().to_string();
        assert!(error.contains(&format!("ulimit -n {needed}")), "{error}");
        let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        assert!(error.contains(&format!("allows {hard}")), "{error}");
    }
}
