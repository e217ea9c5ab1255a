//! A file that a result goes to.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::error::RunError;

/// A file, opened before there is anything to write. What is in it stays until there is something to take its place.
#[derive(Debug)]
pub(crate) struct Place {
    path: PathBuf,
    file: File,
}

/// Which file it is, by whatever name it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    device: u64,
    inode: u64,
}

impl Place {
    pub(crate) fn open(path: &Path) -> Result<Self, RunError> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path);
        let file = file.map_err(RunError::io(format!("writing {}", path.display())))?;
        Ok(Self { path: path.to_owned(), file })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Nothing of what is no file, such as `/dev/null`: that can be written to by several.
    pub(crate) fn identity(&self) -> Option<Identity> {
        self.file.metadata().ok().as_ref().and_then(Identity::of)
    }

    /// Puts what is written in the place of what is there.
    pub(crate) fn fill(
        self,
        write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
    ) -> Result<(), RunError> {
        let Self { path, file } = self;
        replace(file, write).map_err(RunError::io(format!("writing {}", path.display())))
    }

    /// The file, with what is still in it.
    pub(crate) fn into_file(self) -> File {
        self.file
    }
}

impl Identity {
    pub(crate) fn at(path: &Path) -> Option<Self> {
        std::fs::metadata(path).ok().as_ref().and_then(Self::of)
    }

    fn of(metadata: &Metadata) -> Option<Self> {
        metadata.is_file().then(|| Self { device: metadata.dev(), inode: metadata.ino() })
    }
}

/// Takes out what is there. Pipes and devices have nothing to be taken out.
pub(crate) fn empty(file: &File) -> io::Result<()> {
    if file.metadata()?.is_file() { file.set_len(0) } else { Ok(()) }
}

fn replace(file: File, write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> io::Result<()> {
    empty(&file)?;
    let mut to = BufWriter::new(file);
    write(&mut to)?;
    to.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_stays_until_something_takes_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("result");
        std::fs::write(&path, "a long result of the day before").unwrap();
        drop(Place::open(&path).unwrap());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "a long result of the day before");
        Place::open(&path).unwrap().fill(|to| write!(to, "short")).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "short");
    }

    #[test]
    fn what_is_no_file_is_written_to_all_the_same() {
        let nowhere = Place::open(Path::new("/dev/null")).unwrap();
        assert_eq!(nowhere.identity(), None);
        nowhere.fill(|to| write!(to, "nothing")).unwrap();
    }

    #[test]
    fn what_can_not_be_written_is_named() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().to_owned(), folder.path().join("nowhere/result")] {
            let refused = Place::open(&path).unwrap_err().to_string();
            assert!(refused.contains(&path.display().to_string()), "{refused}");
        }
    }
}
