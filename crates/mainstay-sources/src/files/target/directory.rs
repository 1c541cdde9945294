//! One directory beneath a target: what can be made, opened and removed in it.
//!
//! Every call takes the name of one entry, checked first, relative to this directory's descriptor; no link is followed.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Statx};
use rustix::io::{self, Errno};

use super::Shared;
use super::apply::{Handle, Subject, apply};
use super::birth::Birth;
use super::direct::Direct;
use super::file::{Replacement, TargetFile};
use super::metadata::{Applied, Metadata, Ownership, Preserve};
use super::staged::{InTheWay, Staged};
use super::{removal, walk};
use crate::files::attributes::descriptor_path;
use crate::files::open_directory::OpenDirectory;
use crate::files::{details, listing, paths, status};
use crate::{Entry, Kind, Listing, Owner, Result, Timestamp};

/// Until the recorded mode is set, nobody else may look in.
const FILE_MODE: u32 = 0o600;
const DIRECTORY_MODE: u32 = 0o700;

const ENTRY: OFlags = OFlags::NOFOLLOW.union(OFlags::CLOEXEC);
const NEW_FILE: OFlags = ENTRY.union(OFlags::CREATE).union(OFlags::EXCL).union(OFlags::WRONLY);
const EXISTING_FILE: OFlags = ENTRY.union(OFlags::RDWR).union(OFlags::NONBLOCK);
const READ_FILE: OFlags = ENTRY.union(OFlags::RDONLY).union(OFlags::NONBLOCK);

/// What [`TargetDirectory::create_directory`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Creation {
    Created,
    /// A directory was there already; its metadata is untouched.
    Existing,
}

/// Whether a file may be opened for writing that has other names, perhaps outside the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HardLinks {
    Refuse,
    Allow,
}

/// An open directory beneath a target. Stays usable while the tree around it changes.
pub struct TargetDirectory {
    /// Opened with `O_PATH`.
    pub(super) descriptor: OwnedFd,
    path: Arc<[u8]>,
    pub(super) shared: Arc<Shared>,
    /// What new files get here, known once the first was made.
    birth: OnceLock<Birth>,
}

impl TargetDirectory {
    pub(super) fn new(descriptor: OwnedFd, path: Arc<[u8]>, shared: Arc<Shared>) -> Self {
        Self { descriptor, path, shared, birth: OnceLock::new() }
    }

    /// The path shown to people.
    pub fn display_path(&self) -> String {
        paths::shown(&self.path)
    }

    /// Opens a subdirectory.
    ///
    /// # Errors
    /// When there is none, or a link or a file has its name.
    pub fn open_directory(&self, name: &[u8]) -> Result<Arc<TargetDirectory>> {
        self.check("open", name)?;
        let descriptor = walk::open_child(self.borrow(), name).map_err(|errno| walk::error(&self.path, name, errno))?;
        let path = paths::join_bounded(&self.path, name).into();
        Ok(Arc::new(Self::new(descriptor, path, Arc::clone(&self.shared))))
    }

    /// Looks at an entry; `None` when there is none.
    ///
    /// # Errors
    /// When it cannot be examined.
    pub fn stat(&self, name: &[u8]) -> Result<Option<Entry>> {
        self.check("examine", name)?;
        match status::of_bytes(self.borrow(), name) {
            Ok(status) => Ok(status::entry(name.to_vec(), &status)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(self.error("examine", name, errno)),
        }
    }

    /// Looks at all of an entry but its content; `None` when there is none.
    ///
    /// # Errors
    /// When it cannot be examined.
    pub fn examine(&self, name: &[u8]) -> Result<Option<Metadata>> {
        let Some(entry) = self.stat(name)? else { return Ok(None) };
        let details = details::read(self.borrow(), &self.path, &entry)?;
        Ok(Some(Metadata::new(&entry, details)))
    }

    /// Reads all entries, as a source would.
    ///
    /// # Errors
    /// When the directory may not be read.
    pub fn list(&self) -> Result<Listing> {
        let flags = ENTRY | OFlags::RDONLY | OFlags::DIRECTORY;
        let descriptor = rustix::fs::openat(&self.descriptor, c".", flags, Mode::empty())
            .map_err(|errno| self.error("list", b"", errno))?;
        listing::list(&Arc::new(OpenDirectory { descriptor, path: Arc::clone(&self.path) }), None)
    }

    /// Makes a directory with the mode 0700; one that is there already will do.
    ///
    /// # Errors
    /// When something else has the name, or it cannot be made.
    pub fn create_directory(&self, name: &[u8]) -> Result<Creation> {
        self.check("create", name)?;
        let mode = Mode::from_raw_mode(DIRECTORY_MODE);
        match rustix::fs::mkdirat(&self.descriptor, name, mode) {
            Ok(()) => return Ok(Creation::Created),
            Err(Errno::EXIST) => {}
            Err(errno) => return Err(self.error("create directory", name, errno)),
        }
        match self.stat(name)? {
            Some(entry) if entry.kind == Kind::Directory => Ok(Creation::Existing),
            _ => Err(paths::refused("create directory", &self.path, name, "something else has its name")),
        }
    }

    /// Makes a new, empty regular file, to be written by one thread or many and then finished. Its mode is 0600 till then.
    ///
    /// # Errors
    /// When anything has that name, or it cannot be made.
    pub fn create_file(&self, name: &[u8]) -> Result<TargetFile> {
        self.create_file_with(name, FILE_MODE)
    }

    /// Makes a new regular file with its final mode at once where that is safe, which saves a system call at the end.
    /// For files that are written and finished without being opened again: the mode may not permit that.
    ///
    /// # Errors
    /// As [`TargetDirectory::create_file`].
    pub fn create_file_for(&self, name: &[u8], metadata: &Metadata, preserve: &Preserve) -> Result<TargetFile> {
        let is_final = self.birth.get().is_some_and(|birth| {
            let keeps_owner = preserve.owner == Ownership::Skip || birth.owner == metadata.owner;
            birth.is_plain && keeps_owner
        });
        // Attributes are set by someone who may write the file, set-id bits only when its owner is right.
        let is_simple = metadata.attributes.is_empty() && metadata.mode & 0o7000 == 0;
        let mode = if is_final && is_simple { metadata.mode & 0o777 } else { FILE_MODE };
        self.create_file_with(name, mode)
    }

    /// Makes a new regular file beside an entry, whose place it takes when it is finished.
    ///
    /// # Errors
    /// As [`TargetDirectory::create_file`].
    pub fn replace_file(self: &Arc<Self>, name: &[u8], in_the_way: InTheWay) -> Result<TargetFile> {
        let staged = self.stage(name)?;
        let mut file = self.create_file(staged.temporary())?;
        file.name = name.to_vec();
        file.staged = Some(Replacement { staged, in_the_way });
        Ok(file)
    }

    /// Finds a temporary name for something that will replace an entry.
    ///
    /// # Errors
    /// When the name is not one.
    pub fn stage(self: &Arc<Self>, name: &[u8]) -> Result<Staged> {
        self.check("replace", name)?;
        Ok(Staged::new(Arc::clone(self), name))
    }

    /// Has a new file of this directory written past the page cache, for large pieces and where the file system lets us.
    pub fn write_past_cache(&self, file: &mut TargetFile) {
        let name = file.staged.as_ref().map_or(file.name.as_slice(), |replacement| replacement.staged.temporary());
        file.direct = Direct::open(self.borrow(), name, file.file.as_fd());
    }

    fn create_file_with(&self, name: &[u8], mode: u32) -> Result<TargetFile> {
        self.check("create", name)?;
        let file = rustix::fs::openat(&self.descriptor, name, NEW_FILE, Mode::from_raw_mode(mode))
            .map_err(|errno| self.error("create", name, errno))?;
        let process = &self.shared.process;
        let birth = match self.birth.get() {
            Some(birth) => *birth,
            None => {
                let birth =
                    Birth::of(file.as_fd(), mode, process).map_err(|errno| self.error("examine", name, errno))?;
                *self.birth.get_or_init(|| birth)
            }
        };
        Ok(TargetFile {
            file,
            directory: Arc::clone(&self.path),
            name: name.to_vec(),
            owner: birth.owner,
            // Where modes are not plain, none compares equal and the mode is always set.
            mode: if birth.is_plain { process.masked(mode) } else { u32::MAX },
            is_bare: birth.is_plain,
            is_root: process.is_root,
            size: 0,
            modified: None,
            is_changed: AtomicBool::new(false),
            staged: None,
            direct: None,
        })
    }

    /// Opens an existing regular file for reading and writing.
    ///
    /// # Errors
    /// When there is none, it is something else, it has other names and that is refused, or it may not be written.
    pub fn open_file(&self, name: &[u8], links: HardLinks) -> Result<TargetFile> {
        self.open_existing(name, links, EXISTING_FILE)
    }

    /// Opens an existing regular file for reading only.
    ///
    /// # Errors
    /// When there is none, it is something else, or it may not be read.
    pub fn open_file_to_read(&self, name: &[u8]) -> Result<TargetFile> {
        self.open_existing(name, HardLinks::Allow, READ_FILE)
    }

    fn open_existing(&self, name: &[u8], links: HardLinks, flags: OFlags) -> Result<TargetFile> {
        self.check("open", name)?;
        let not_a_file = || paths::refused("open", &self.path, name, "it is not a regular file");
        let file = rustix::fs::openat(&self.descriptor, name, flags, Mode::empty()).map_err(|errno| match errno {
            Errno::LOOP | Errno::NXIO | Errno::ISDIR => not_a_file(),
            errno => self.error("open", name, errno),
        })?;
        let status = status::of_open(file.as_fd()).map_err(|errno| self.error("examine", name, errno))?;
        if status::file_type(&status) != FileType::RegularFile {
            return Err(not_a_file());
        }
        if status.stx_nlink > 1 && links == HardLinks::Refuse {
            return Err(paths::refused("open", &self.path, name, "the file has other names"));
        }
        Ok(TargetFile {
            file,
            directory: Arc::clone(&self.path),
            name: name.to_vec(),
            owner: owner(&status),
            mode: u32::from(status.stx_mode) & 0o7777,
            is_bare: false,
            is_root: self.shared.process.is_root,
            size: status.stx_size,
            modified: Some(modified(&status)),
            is_changed: AtomicBool::new(false),
            staged: None,
            direct: None,
        })
    }

    /// Makes a symbolic link.
    ///
    /// # Errors
    /// When anything has that name, or the target is empty, contains a zero byte or is too long.
    pub fn symlink(&self, name: &[u8], target: &[u8]) -> Result<()> {
        self.check("create", name)?;
        rustix::fs::symlinkat(target, &self.descriptor, name).map_err(|errno| self.error("create link", name, errno))
    }

    /// Reads where a symbolic link leads to.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn read_link(&self, name: &[u8]) -> Result<Vec<u8>> {
        self.check("read link", name)?;
        let target = rustix::fs::readlinkat(&self.descriptor, name, Vec::new());
        target.map(std::ffi::CString::into_bytes).map_err(|errno| self.error("read link", name, errno))
    }

    /// Makes a FIFO, a socket or, where wanted, a device, with the mode 0600.
    ///
    /// # Errors
    /// When devices are not wanted, anything has that name, or this process may not.
    pub fn make_node(&self, name: &[u8], kind: Kind, preserve: &Preserve) -> Result<()> {
        self.check("create", name)?;
        let (file_type, device) = match kind {
            Kind::Fifo => (FileType::Fifo, 0),
            Kind::Socket => (FileType::Socket, 0),
            Kind::CharacterDevice { major, minor } => (FileType::CharacterDevice, rustix::fs::makedev(major, minor)),
            Kind::BlockDevice { major, minor } => (FileType::BlockDevice, rustix::fs::makedev(major, minor)),
            Kind::File | Kind::Directory | Kind::Symlink => {
                return Err(paths::refused("create", &self.path, name, "it is not a special file"));
            }
        };
        if !preserve.devices && !matches!(kind, Kind::Fifo | Kind::Socket) {
            return Err(paths::refused("create", &self.path, name, "devices are not restored unless asked for"));
        }
        let mode = Mode::from_raw_mode(FILE_MODE);
        rustix::fs::mknodat(&self.descriptor, name, file_type, mode, device)
            .map_err(|errno| self.error("create", name, errno))
    }

    /// Gives an entry of another directory of the target a second name here.
    ///
    /// # Errors
    /// When anything has that name, or the file system cannot.
    pub fn hard_link(&self, name: &[u8], from: &TargetDirectory, from_name: &[u8]) -> Result<()> {
        self.check("link", name)?;
        from.check("link", from_name)?;
        rustix::fs::linkat(&from.descriptor, from_name, &self.descriptor, name, AtFlags::empty())
            .map_err(|errno| self.error("link", name, errno))
    }

    /// Removes an entry that is not a directory, or an empty directory.
    ///
    /// # Errors
    /// When there is none, or it is a directory with entries.
    pub fn remove(&self, name: &[u8]) -> Result<()> {
        self.check("remove", name)?;
        let removed = match rustix::fs::unlinkat(&self.descriptor, name, AtFlags::empty()) {
            Err(Errno::ISDIR) => {
                self.shared.forget_directories();
                rustix::fs::unlinkat(&self.descriptor, name, AtFlags::REMOVEDIR)
            }
            removed => removed,
        };
        removed.map_err(|errno| self.error("remove", name, errno))
    }

    /// Removes an entry with everything beneath it, without following links or entering other file systems.
    ///
    /// # Errors
    /// At the first entry that cannot be removed.
    pub fn remove_tree(&self, name: &[u8]) -> Result<()> {
        self.check("remove", name)?;
        self.shared.forget_directories();
        removal::remove_tree(self.borrow(), &self.path, name)
    }

    /// Gives an entry its metadata; returns what of it did not work. For a directory it comes last, after its entries.
    ///
    /// # Errors
    /// When there is no entry of that name and kind.
    pub fn set_metadata(&self, name: &[u8], metadata: &Metadata, preserve: &Preserve) -> Result<Applied> {
        self.check("set metadata of", name)?;
        let (descriptor, is_open) =
            self.open_for_metadata(name, metadata.kind).map_err(|errno| self.error("set metadata of", name, errno))?;
        let status = status::of_open(descriptor.as_fd()).map_err(|errno| self.error("examine", name, errno))?;
        let is_same = status::entry(name.to_vec(), &status).is_some_and(|entry| entry.kind == metadata.kind);
        if !is_same {
            return Err(paths::replaced("set metadata of", &self.path, name, "what was restored"));
        }
        let subject = Subject {
            handle: if is_open {
                Handle::Open(descriptor.as_fd())
            } else {
                Handle::Located(descriptor.as_fd(), descriptor_path(descriptor.as_fd()))
            },
            directory: &self.path,
            name,
            owner: owner(&status),
            mode: u32::from(status.stx_mode) & 0o7777,
            is_bare: false,
            modified: Some(modified(&status)),
            is_root: self.shared.process.is_root,
        };
        if metadata.hands_on() {
            // What this directory gives to new files was learned before and is no longer true.
            self.shared.forget_directories();
        }
        Ok(apply(&subject, metadata, preserve))
    }

    /// Opens for reading what may be opened so, which works without `/proc`, and says whether it did. Opening a device
    /// could have effects, and what may not be read can still be located.
    fn open_for_metadata(&self, name: &[u8], kind: Kind) -> io::Result<(OwnedFd, bool)> {
        let open = |flags| rustix::fs::openat(&self.descriptor, name, ENTRY | flags, Mode::empty());
        if matches!(kind, Kind::File | Kind::Directory) {
            match open(OFlags::RDONLY | OFlags::NONBLOCK) {
                Err(Errno::ACCESS | Errno::LOOP | Errno::NXIO) => {}
                opened => return opened.map(|descriptor| (descriptor, true)),
            }
        }
        open(OFlags::PATH).map(|descriptor| (descriptor, false))
    }

    fn borrow(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }

    fn check(&self, verb: &'static str, name: &[u8]) -> Result<()> {
        match paths::fault_of_name(name) {
            Some(fault) => Err(paths::refused(verb, &self.path, name, fault)),
            None => Ok(()),
        }
    }

    pub(super) fn error(&self, verb: &'static str, name: &[u8], errno: Errno) -> crate::Error {
        paths::io_error(verb, &self.path, name, errno)
    }
}

fn modified(status: &Statx) -> Timestamp {
    Timestamp { seconds: status.stx_mtime.tv_sec, nanoseconds: status.stx_mtime.tv_nsec }
}

fn owner(status: &Statx) -> Owner {
    Owner { user: status.stx_uid, group: status.stx_gid }
}

#[cfg(test)]
mod tests;
