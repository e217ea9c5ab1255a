//! A file that a result goes to.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, BufWriter, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::error::RunError;

/// A file, opened before there is anything to write. What is in it stays until there is something whole to take its place.
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
        let filled = match beside(&path, &file) {
            Ok(Some(beside)) => replace(&path, file, beside, write),
            Ok(None) => empty(&file).and_then(|()| written(file, write)).map(drop),
            Err(error) => Err(error),
        };
        filled.map_err(RunError::io(format!("writing {}", path.display())))
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

/// An empty file in the same folder, to be written first: where a disk becomes full, what was there is still whole. Nothing where
/// the file itself has to be written to: it is a pipe or a device, or goes by a link or several names, or belongs to somebody else, or its
/// folder takes no more files from us.
fn beside(path: &Path, file: &File) -> io::Result<Option<NamedTempFile>> {
    let (named, old) = (std::fs::symlink_metadata(path)?, file.metadata()?);
    let is_it = Identity::of(&old).is_some() && Identity::of(&named) == Identity::of(&old);
    if !is_it || old.nlink() > 1 {
        return Ok(None);
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let beside = match NamedTempFile::new_in(folder) {
        Ok(beside) => beside,
        Err(error) if matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let new = beside.as_file().metadata()?;
    if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
        return Ok(None);
    }
    beside.as_file().set_permissions(old.permissions())?;
    Ok(Some(beside))
}

/// What was written beside it takes the place of the file at once, or not at all.
fn replace(
    path: &Path,
    mut file: File,
    beside: NamedTempFile,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> io::Result<()> {
    let (new, new_path) = beside.into_parts();
    written(new, write)?.sync_all()?;
    match new_path.persist(path) {
        Ok(()) => Ok(()),
        // What is mounted by itself, as containers have it, can not be replaced.
        Err(refused) if refused.error.kind() == ErrorKind::ResourceBusy => {
            let mut whole = File::open(&refused.path)?;
            empty(&file)?;
            io::copy(&mut whole, &mut file)?;
            Ok(())
        }
        Err(refused) => Err(refused.error),
    }
}

fn written(file: File, write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> io::Result<File> {
    let mut to = BufWriter::new(file);
    write(&mut to)?;
    to.into_inner().map_err(io::IntoInnerError::into_error)
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::io::Write as _;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

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
    fn what_is_there_stays_whole_if_what_was_to_take_its_place_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("result");
        std::fs::write(&path, "a long result of the day before").unwrap();
        let filled = Place::open(&path).unwrap().fill(|to| {
            write!(to, "half")?;
            to.flush()?;
            Err(io::Error::other("no space left"))
        });
        let refused = filled.unwrap_err().to_string();
        assert!(refused.contains("no space left"), "{refused}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "a long result of the day before");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn permissions_and_links_stay_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let [path, link, twin] = ["result", "link", "twin"].map(|name| folder.path().join(name));
        std::fs::write(&path, "a long result of the day before").unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        Place::open(&path).unwrap().fill(|to| write!(to, "short")).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);

        symlink(&path, &link).unwrap();
        Place::open(&link).unwrap().fill(|to| write!(to, "by a link")).unwrap();
        assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "by a link");

        std::fs::hard_link(&path, &twin).unwrap();
        Place::open(&path).unwrap().fill(|to| write!(to, "twice")).unwrap();
        assert_eq!(std::fs::read_to_string(&twin).unwrap(), "twice");
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
