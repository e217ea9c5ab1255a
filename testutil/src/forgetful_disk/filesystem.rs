//! A forgetful disk as the kernel asks for it.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fuser::{
    BackgroundSession, BsdFileFlags, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags,
    Generation, INodeNo, LockOwner, MountOption, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData,
    ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyWrite, Request, SessionACL, TimeOrNow,
    WriteFlags,
};

use super::disk::Disk;
use super::tree::{Content, File, Folder, Node, Owner, Tree};

/// How long the kernel may rely on what it was told: not at all.
const VALID: Duration = Duration::ZERO;
/// No page of a file is kept by the kernel.
const DIRECT: FopenFlags = FopenFlags::FOPEN_DIRECT_IO;
/// Nodes have no handles of their own, and numbers are given once.
const HANDLE: FileHandle = FileHandle(0);
const GENERATION: Generation = Generation(0);
const BLOCK: u32 = 4_096;

/// The thread that answers the kernel.
pub(super) struct Session {
    disk: Arc<Disk>,
    _answering: BackgroundSession,
}

impl Session {
    pub(super) fn mount(path: &Path) -> io::Result<Self> {
        let disk = Arc::new(Disk::new());
        let mut config = Config::default();
        let name = MountOption::FSName("forgetful".to_owned());
        config.mount_options = vec![name, MountOption::DefaultPermissions];
        if let crate::owner::Owner::Other(..) = crate::owner::Owner::find().map_err(io::Error::other)? {
            config.acl = SessionACL::All;
        }
        let answering = fuser::spawn_mount(Answers(Arc::clone(&disk)), path, &config)?;
        Ok(Self { disk, _answering: answering })
    }

    pub(super) fn disk(&self) -> &Disk {
        &self.disk
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

struct Answers(Arc<Disk>);

impl Answers {
    fn make(
        &self,
        request: &Request,
        (folder, name): (INodeNo, &OsStr),
        mode: u32,
        content: Content,
    ) -> Result<FileAttr, Errno> {
        let owner = Owner { user: request.uid(), group: request.gid(), mode: permissions(mode) };
        self.0.with(|tree| {
            let number = tree.make(folder, name, owner, content)?;
            Ok(attributes(number, tree.node(number)?))
        })
    }
}

fn permissions(mode: u32) -> u16 {
    (mode & 0o7777) as u16
}

fn attributes(number: INodeNo, node: &Node) -> FileAttr {
    let (kind, size) = match &node.content {
        Content::File(file) => (FileType::RegularFile, file.seen.len() as u64),
        Content::Folder(_) => (FileType::Directory, 0),
    };
    FileAttr {
        ino: number,
        size,
        blocks: size.div_ceil(512),
        atime: node.modified,
        mtime: node.modified,
        ctime: node.modified,
        crtime: node.modified,
        kind,
        perm: node.owner.mode,
        nlink: 1,
        uid: node.owner.user,
        gid: node.owner.group,
        rdev: 0,
        blksize: BLOCK,
        flags: 0,
    }
}

fn bytes(number: u64) -> Result<usize, Errno> {
    usize::try_from(number).map_err(|_| Errno::EINVAL)
}

fn done(result: Result<(), Errno>, reply: ReplyEmpty) {
    match result {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(error),
    }
}

fn entry(result: Result<FileAttr, Errno>, reply: ReplyEntry) {
    match result {
        Ok(attributes) => reply.entry(&VALID, &attributes, GENERATION),
        Err(error) => reply.error(error),
    }
}

impl Filesystem for Answers {
    fn lookup(&self, _: &Request, folder: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let found = self.0.with(|tree| {
            let number = tree.lookup(folder, name)?;
            Ok(attributes(number, tree.node(number)?))
        });
        entry(found, reply);
    }

    fn getattr(&self, _: &Request, number: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.0.with(|tree| Ok(attributes(number, tree.node(number)?))) {
            Ok(attributes) => reply.attr(&VALID, &attributes),
            Err(error) => reply.error(error),
        }
    }

    fn setattr(
        &self,
        _: &Request,
        number: INodeNo,
        mode: Option<u32>,
        user: Option<u32>,
        group: Option<u32>,
        size: Option<u64>,
        _: Option<TimeOrNow>,
        modified: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let set = |tree: &mut Tree| {
            if let Some(size) = size {
                tree.set_length(number, usize::try_from(size).map_err(|_| Errno::EFBIG)?)?;
            }
            let node = tree.node_mut(number)?;
            node.owner = Owner {
                user: user.unwrap_or(node.owner.user),
                group: group.unwrap_or(node.owner.group),
                mode: mode.map_or(node.owner.mode, permissions),
            };
            node.modified = match modified {
                Some(TimeOrNow::SpecificTime(time)) => time,
                Some(TimeOrNow::Now) => SystemTime::now(),
                None => node.modified,
            };
            Ok(attributes(number, node))
        };
        match self.0.with(set) {
            Ok(attributes) => reply.attr(&VALID, &attributes),
            Err(error) => reply.error(error),
        }
    }

    fn mkdir(
        &self,
        request: &Request,
        folder: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        reply: ReplyEntry,
    ) {
        let content = Content::Folder(Folder::default());
        entry(self.make(request, (folder, name), mode & !umask, content), reply);
    }

    fn unlink(&self, _: &Request, folder: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        done(self.0.with(|tree| tree.remove(folder, name)), reply);
    }

    fn rmdir(&self, _: &Request, folder: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        done(self.0.with(|tree| tree.remove(folder, name)), reply);
    }

    fn rename(
        &self,
        _: &Request,
        folder: INodeNo,
        name: &OsStr,
        new_folder: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        // One that may not replace, or that exchanges: no server asks for it.
        if !flags.is_empty() {
            return reply.error(Errno::EINVAL);
        }
        done(self.0.with(|tree| tree.rename((folder, name), (new_folder, new_name))), reply);
    }

    fn link(&self, _: &Request, number: INodeNo, folder: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let linked = self.0.with(|tree| {
            tree.link(number, folder, name)?;
            Ok(attributes(number, tree.node(number)?))
        });
        entry(linked, reply);
    }

    fn open(&self, _: &Request, number: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        match self.0.with(|tree| tree.opened(number)) {
            Ok(()) => reply.opened(HANDLE, DIRECT),
            Err(error) => reply.error(error),
        }
    }

    fn create(
        &self,
        request: &Request,
        folder: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        _: i32,
        reply: ReplyCreate,
    ) {
        let made = self.make(request, (folder, name), mode & !umask, Content::File(File::default()));
        match made.and_then(|made| self.0.with(|tree| tree.opened(made.ino)).map(|()| made)) {
            Ok(attributes) => reply.created(&VALID, &attributes, GENERATION, HANDLE, DIRECT),
            Err(error) => reply.error(error),
        }
    }

    fn release(
        &self,
        _: &Request,
        number: INodeNo,
        _: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        done(self.0.closed(number), reply);
    }

    fn read(
        &self,
        _: &Request,
        number: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let read = |tree: &mut Tree| Ok(tree.read(number, bytes(offset)?, size as usize)?.to_vec());
        match self.0.with(read) {
            Ok(data) => reply.data(&data),
            Err(error) => reply.error(error),
        }
    }

    fn write(
        &self,
        _: &Request,
        number: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        flags: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let is_synced = flags.0 & nix::fcntl::OFlag::O_DSYNC.bits() != 0;
        match bytes(offset).and_then(|offset| self.0.written(number, offset, data, is_synced)) {
            Ok(()) => reply.written(u32::try_from(data.len()).unwrap_or(u32::MAX)),
            Err(error) => reply.error(error),
        }
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        // A close, which makes nothing safe.
        reply.ok();
    }

    fn fsync(&self, _: &Request, number: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        done(self.0.with(|tree| tree.flush(number)), reply);
    }

    fn fsyncdir(&self, _: &Request, number: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        done(self.0.with(|tree| tree.flush(number)), reply);
    }

    fn readdir(&self, _: &Request, number: INodeNo, _: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let list = |tree: &mut Tree| {
            let names = tree.folder(number)?.seen.iter().map(|(name, number)| (*number, name.as_os_str()));
            let around = [(number, OsStr::new(".")), (number, OsStr::new(".."))];
            for (at, (number, name)) in around.into_iter().chain(names).enumerate().skip(bytes(offset)?) {
                let kind = match &tree.node(number)?.content {
                    Content::File(_) => FileType::RegularFile,
                    Content::Folder(_) => FileType::Directory,
                };
                if reply.add(number, at as u64 + 1, kind, name) {
                    break;
                }
            }
            Ok(())
        };
        match self.0.with(list) {
            Ok(()) => reply.ok(),
            Err(error) => reply.error(error),
        }
    }
}
