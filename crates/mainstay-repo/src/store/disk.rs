//! The few operations of a file system that the local store is made of.
//!
//! Owns the border between the store's protocol and the kernel, so that the protocol can be run on a file system that is
//! simulated: one that loses what was not synced. Decides nothing. Paths are whole; nothing is retried.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{CWD, FlockOperation, OFlags, RenameFlags, flock, renameat_with};
use rustix::io::Errno;

use super::direct::{Buffers, DirectFile};

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    File,
    Directory,
    /// A link, a FIFO and the like.
    Other,
}

/// What a directory holds under one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskEntry {
    pub name: OsString,
    pub kind: EntryKind,
}

/// A file system. Errors are its own; what is not synced may be lost, in part or as a whole.
pub trait Disk: std::fmt::Debug + Send + Sync {
    /// Creates a file that nobody else may read; a name that is taken is an error.
    fn create(&self, path: &Path) -> io::Result<Box<dyn NewFile>>;

    /// Whether somebody is still writing a file that was created here. One that was created and not locked yet is taken for
    /// abandoned: then the write of the session that begins just now fails, and says so.
    fn is_being_written(&self, _: &Path) -> io::Result<bool> {
        Ok(false)
    }

    /// Opens a file to be read. What stands in its place and is no file is an error of kind `InvalidData`.
    fn open(&self, path: &Path) -> io::Result<Box<dyn StoredFile>>;

    /// Kind and length of what has a name; links are not followed.
    fn status(&self, path: &Path) -> io::Result<(EntryKind, u64)>;

    fn list(&self, path: &Path) -> io::Result<Vec<DiskEntry>>;

    /// Creates a directory that nobody else may read; a name that is taken is an error.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// Makes durable which names a directory holds.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// Gives a file another name, which must be free.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// The same where a file may bear that name, which then is this one.
    fn rename_over(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.remove_file(to)?;
        self.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()>;

    /// Removes a directory that is empty.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;
}

/// A file that is being written from its start to its end.
pub trait NewFile: Send {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Writes what is left and makes the content durable. After an error nothing is known of it.
    fn finish(&mut self) -> io::Result<()>;
}

/// A file that is read.
pub trait StoredFile: Send {
    /// In bytes.
    fn size(&self) -> io::Result<u64>;

    /// Fills the buffer; anything less is an error of kind `UnexpectedEof`.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;
}

/// The kernel's.
#[derive(Debug, Default)]
pub struct KernelDisk {
    buffers: Buffers,
}

impl Disk for KernelDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn NewFile>> {
        let file = fs::OpenOptions::new().write(true).read(true).create_new(true).mode(0o600).open(path)?;
        // Shows whoever clears the folder that somebody is writing here; file systems without locks are cleared only while
        // nobody is at work.
        let _ = flock(&file, FlockOperation::NonBlockingLockExclusive);
        Ok(Box::new(DirectFile::new(file, self.buffers.clone())))
    }

    fn is_being_written(&self, path: &Path) -> io::Result<bool> {
        match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            opened => Ok(flock(&opened?, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK)),
        }
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn StoredFile>> {
        // A FIFO would wait for ever.
        let flags = OFlags::NONBLOCK | OFlags::NOFOLLOW;
        let opened = fs::OpenOptions::new().read(true).custom_flags(flags.bits() as i32).open(path);
        let file = opened.map_err(|error| match Errno::from_io_error(&error) {
            // A symbolic link and a socket.
            Some(Errno::LOOP | Errno::NXIO) => not_a_file(),
            _ => error,
        })?;
        if file.metadata()?.is_file() { Ok(Box::new(file)) } else { Err(not_a_file()) }
    }

    fn status(&self, path: &Path) -> io::Result<(EntryKind, u64)> {
        let metadata = fs::symlink_metadata(path)?;
        Ok((kind_of(metadata.file_type()), metadata.len()))
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DiskEntry>> {
        let entries = fs::read_dir(path)?;
        entries
            .map(|entry| {
                let entry = entry?;
                Ok(DiskEntry { name: entry.file_name(), kind: kind_of(entry.file_type()?) })
            })
            .collect()
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        fs::DirBuilder::new().mode(0o700).create(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            // Some network file systems lack the flag; names are unique, so a hard link does the same.
            Err(Errno::INVAL | Errno::NOSYS) => {
                fs::hard_link(from, to)?;
                fs::remove_file(from)
            }
            renamed => Ok(renamed?),
        }
    }

    fn rename_over(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir(path)
    }
}

impl NewFile for DirectFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        DirectFile::write(self, bytes)
    }

    fn finish(&mut self) -> io::Result<()> {
        DirectFile::finish(self)
    }
}

impl StoredFile for File {
    fn size(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.read_exact_at(buffer, offset)
    }
}

fn kind_of(kind: fs::FileType) -> EntryKind {
    if kind.is_file() {
        EntryKind::File
    } else if kind.is_dir() {
        EntryKind::Directory
    } else {
        EntryKind::Other
    }
}

pub fn not_a_file() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "it is not a regular file")
}
