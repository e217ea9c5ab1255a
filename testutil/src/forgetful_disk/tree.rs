//! The files and folders of a forgetful disk, each as it is seen and as it is safe.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::ops::Range;
use std::time::SystemTime;

use fuser::{Errno, INodeNo};

use super::Forgotten;

const ROOT: INodeNo = INodeNo::ROOT;

#[derive(Debug)]
pub(super) struct Tree {
    nodes: HashMap<INodeNo, Node>,
    next: u64,
}

#[derive(Debug)]
pub(super) struct Node {
    pub(super) owner: Owner,
    pub(super) modified: SystemTime,
    pub(super) content: Content,
    /// By how many handles: one without a name lives on as long.
    open: u32,
}

/// Whose it is, and who may do what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Owner {
    pub(super) user: u32,
    pub(super) group: u32,
    pub(super) mode: u16,
}

#[derive(Debug)]
pub(super) enum Content {
    File(File),
    Folder(Folder),
}

#[derive(Debug, Default)]
pub(super) struct File {
    pub(super) seen: Vec<u8>,
    safe: Vec<u8>,
    /// Outside of it both are equal.
    unsafe_range: Option<Range<usize>>,
}

#[derive(Debug, Default)]
pub(super) struct Folder {
    pub(super) seen: BTreeMap<OsString, INodeNo>,
    safe: BTreeMap<OsString, INodeNo>,
}

impl File {
    fn write(&mut self, offset: usize, data: &[u8]) {
        let end = offset + data.len();
        if self.seen.len() < end {
            self.touch(self.seen.len()..end);
            self.seen.resize(end, 0);
        }
        self.touch(offset..end);
        self.seen[offset..end].copy_from_slice(data);
    }

    fn set_length(&mut self, length: usize) {
        self.touch(self.seen.len().min(length)..self.seen.len().max(length));
        self.seen.resize(length, 0);
    }

    fn touch(&mut self, range: Range<usize>) {
        let before = self.unsafe_range.take().unwrap_or_else(|| range.clone());
        self.unsafe_range = Some(before.start.min(range.start)..before.end.max(range.end));
    }

    fn flush(&mut self) {
        let Some(range) = self.unsafe_range.take() else { return };
        let range = range.start.min(self.seen.len())..range.end.min(self.seen.len());
        self.safe.resize(self.seen.len(), 0);
        self.safe[range.clone()].copy_from_slice(&self.seen[range]);
    }

    /// How many bytes differ from what was seen.
    fn forget(&mut self) -> u64 {
        let Some(range) = self.unsafe_range.take() else { return 0 };
        let longest = self.seen.len().max(self.safe.len());
        let lost =
            (range.start..range.end.min(longest)).filter(|at| self.seen.get(*at) != self.safe.get(*at));
        let lost = lost.count() as u64;
        self.seen.clone_from(&self.safe);
        lost
    }
}

impl Folder {
    fn forget(&mut self) -> u64 {
        let names: HashSet<&OsString> = self.seen.keys().chain(self.safe.keys()).collect();
        let lost = names.into_iter().filter(|name| self.seen.get(*name) != self.safe.get(*name)).count();
        self.seen.clone_from(&self.safe);
        lost as u64
    }
}

impl Tree {
    /// An empty folder that everybody may write to.
    pub(super) fn new() -> Self {
        let owner = Owner { user: 0, group: 0, mode: 0o777 };
        let content = Content::Folder(Folder::default());
        let root = Node { owner, modified: SystemTime::now(), content, open: 0 };
        Self { nodes: HashMap::from([(ROOT, root)]), next: ROOT.0 + 1 }
    }

    pub(super) fn node(&self, number: INodeNo) -> Result<&Node, Errno> {
        self.nodes.get(&number).ok_or(Errno::ENOENT)
    }

    pub(super) fn node_mut(&mut self, number: INodeNo) -> Result<&mut Node, Errno> {
        self.nodes.get_mut(&number).ok_or(Errno::ENOENT)
    }

    pub(super) fn lookup(&self, folder: INodeNo, name: &OsStr) -> Result<INodeNo, Errno> {
        self.folder(folder)?.seen.get(name).copied().ok_or(Errno::ENOENT)
    }

    pub(super) fn make(
        &mut self,
        folder: INodeNo,
        name: &OsStr,
        owner: Owner,
        content: Content,
    ) -> Result<INodeNo, Errno> {
        if self.folder(folder)?.seen.contains_key(name) {
            return Err(Errno::EEXIST);
        }
        let number = INodeNo(self.next);
        self.next += 1;
        self.nodes.insert(number, Node { owner, modified: SystemTime::now(), content, open: 0 });
        self.folder_mut(folder)?.seen.insert(name.to_owned(), number);
        Ok(number)
    }

    /// A second name.
    pub(super) fn link(&mut self, number: INodeNo, folder: INodeNo, name: &OsStr) -> Result<(), Errno> {
        self.node(number)?;
        if self.folder(folder)?.seen.contains_key(name) {
            return Err(Errno::EEXIST);
        }
        self.folder_mut(folder)?.seen.insert(name.to_owned(), number);
        Ok(())
    }

    pub(super) fn remove(&mut self, folder: INodeNo, name: &OsStr) -> Result<(), Errno> {
        let number = self.lookup(folder, name)?;
        if self.folder(number).is_ok_and(|removed| !removed.seen.is_empty()) {
            return Err(Errno::ENOTEMPTY);
        }
        self.folder_mut(folder)?.seen.remove(name);
        self.collect();
        Ok(())
    }

    pub(super) fn rename(
        &mut self,
        (folder, name): (INodeNo, &OsStr),
        (new_folder, new_name): (INodeNo, &OsStr),
    ) -> Result<(), Errno> {
        let number = self.lookup(folder, name)?;
        self.folder(new_folder)?;
        self.folder_mut(folder)?.seen.remove(name);
        self.folder_mut(new_folder)?.seen.insert(new_name.to_owned(), number);
        self.collect();
        Ok(())
    }

    pub(super) fn opened(&mut self, number: INodeNo) -> Result<(), Errno> {
        self.node_mut(number)?.open += 1;
        Ok(())
    }

    pub(super) fn closed(&mut self, number: INodeNo) -> Result<(), Errno> {
        let node = self.node_mut(number)?;
        node.open = node.open.saturating_sub(1);
        if node.open == 0 {
            self.collect();
        }
        Ok(())
    }

    pub(super) fn is_in_use(&self) -> bool {
        self.nodes.values().any(|node| node.open > 0)
    }

    pub(super) fn read(&self, number: INodeNo, offset: usize, length: usize) -> Result<&[u8], Errno> {
        let seen = &self.file(number)?.seen;
        Ok(&seen[offset.min(seen.len())..offset.saturating_add(length).min(seen.len())])
    }

    pub(super) fn write(&mut self, number: INodeNo, offset: usize, data: &[u8]) -> Result<(), Errno> {
        self.file_mut(number)?.write(offset, data);
        self.node_mut(number)?.modified = SystemTime::now();
        Ok(())
    }

    pub(super) fn set_length(&mut self, number: INodeNo, length: usize) -> Result<(), Errno> {
        self.file_mut(number)?.set_length(length);
        Ok(())
    }

    /// Makes a file's content or a folder's names safe.
    pub(super) fn flush(&mut self, number: INodeNo) -> Result<(), Errno> {
        match &mut self.node_mut(number)?.content {
            Content::File(file) => file.flush(),
            Content::Folder(folder) => {
                folder.safe.clone_from(&folder.seen);
                self.collect();
            }
        }
        Ok(())
    }

    /// Goes back to what is safe.
    pub(super) fn forget(&mut self) -> Forgotten {
        let mut forgotten = Forgotten::default();
        for node in self.nodes.values_mut() {
            match &mut node.content {
                Content::File(file) => forgotten.bytes += file.forget(),
                Content::Folder(folder) => forgotten.names += folder.forget(),
            }
        }
        self.collect();
        forgotten
    }

    pub(super) fn folder(&self, number: INodeNo) -> Result<&Folder, Errno> {
        match &self.node(number)?.content {
            Content::Folder(folder) => Ok(folder),
            Content::File(_) => Err(Errno::ENOTDIR),
        }
    }

    fn folder_mut(&mut self, number: INodeNo) -> Result<&mut Folder, Errno> {
        match &mut self.node_mut(number)?.content {
            Content::Folder(folder) => Ok(folder),
            Content::File(_) => Err(Errno::ENOTDIR),
        }
    }

    fn file(&self, number: INodeNo) -> Result<&File, Errno> {
        match &self.node(number)?.content {
            Content::File(file) => Ok(file),
            Content::Folder(_) => Err(Errno::EISDIR),
        }
    }

    fn file_mut(&mut self, number: INodeNo) -> Result<&mut File, Errno> {
        match &mut self.node_mut(number)?.content {
            Content::File(file) => Ok(file),
            Content::Folder(_) => Err(Errno::EISDIR),
        }
    }

    /// Drops what has no name, neither seen nor safe, and is not open.
    fn collect(&mut self) {
        let mut reached = HashSet::new();
        let mut next = vec![ROOT];
        next.extend(self.nodes.iter().filter(|(_, node)| node.open > 0).map(|(number, _)| *number));
        while let Some(number) = next.pop() {
            if reached.insert(number)
                && let Ok(folder) = self.folder(number)
            {
                next.extend(folder.seen.values().chain(folder.safe.values()));
            }
        }
        self.nodes.retain(|number, _| reached.contains(number));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: Owner = Owner { user: 0, group: 0, mode: 0o600 };

    fn file(tree: &mut Tree, name: &str) -> INodeNo {
        tree.make(ROOT, name.as_ref(), OWNER, Content::File(File::default())).unwrap()
    }

    fn content(tree: &Tree, name: &str) -> Option<Vec<u8>> {
        let number = tree.lookup(ROOT, name.as_ref()).ok()?;
        Some(tree.read(number, 0, 100).unwrap().to_vec())
    }

    #[test]
    fn what_was_flushed_stays_and_the_rest_is_forgotten() {
        let mut tree = Tree::new();
        let wal = file(&mut tree, "wal");
        tree.write(wal, 0, b"first").unwrap();
        tree.flush(wal).unwrap();
        tree.flush(ROOT).unwrap();
        tree.write(wal, 5, b" second").unwrap();
        tree.write(wal, 0, b"FIRST").unwrap();
        assert_eq!(content(&tree, "wal").unwrap(), b"FIRST second");
        assert_eq!(tree.forget(), Forgotten { bytes: 12, names: 0 });
        assert_eq!(content(&tree, "wal").unwrap(), b"first");
        assert_eq!(tree.forget(), Forgotten::default());

        tree.set_length(wal, 2).unwrap();
        tree.flush(wal).unwrap();
        tree.write(wal, 4, b"x").unwrap();
        assert_eq!(tree.forget().bytes, 3);
        assert_eq!(content(&tree, "wal").unwrap(), b"fi");
    }

    #[test]
    fn a_name_is_safe_with_its_folder() {
        let mut tree = Tree::new();
        let old = file(&mut tree, "old");
        tree.write(old, 0, b"x").unwrap();
        tree.flush(old).unwrap();
        tree.flush(ROOT).unwrap();
        tree.rename((ROOT, "old".as_ref()), (ROOT, "new".as_ref())).unwrap();
        file(&mut tree, "made");
        assert_eq!(tree.forget().names, 3);
        assert_eq!((content(&tree, "old").unwrap(), content(&tree, "new")), (b"x".to_vec(), None));
        assert_eq!(content(&tree, "made"), None);

        tree.rename((ROOT, "old".as_ref()), (ROOT, "new".as_ref())).unwrap();
        tree.flush(ROOT).unwrap();
        assert_eq!(tree.forget().names, 0);
        assert_eq!(content(&tree, "new").unwrap(), b"x");
    }

    #[test]
    fn what_has_no_name_any_more_takes_no_room() {
        let mut tree = Tree::new();
        let gone = file(&mut tree, "gone");
        tree.flush(ROOT).unwrap();
        tree.opened(gone).unwrap();
        tree.remove(ROOT, "gone".as_ref()).unwrap();
        tree.write(gone, 0, b"still open").unwrap();
        tree.flush(ROOT).unwrap();
        assert!(tree.node(gone).is_ok());
        tree.closed(gone).unwrap();
        assert!(tree.node(gone).is_err());
    }
}
