//! Named bytes: the contract that every store keeps, and the local one.
//!
//! Objects are written once and never changed. What this contract asks for is all that the engine relies on: an object
//! that was published is durable, and is found by every later read and listing. No renames, no conditions, no times.

mod around;
pub mod conformance;
mod direct;
mod disk;
mod folder;
mod layer;
mod local;
mod memory;
mod together;

pub use around::{Around, Request, Surrounded, Verb};
pub use disk::{Disk, DiskEntry, EntryKind, NewFile, StoredFile};
pub(crate) use folder::InFolder;
pub use layer::{Layer, Layered};
pub use local::LocalStore;
pub use memory::{Call, MemoryStore};
pub(crate) use together::{both, each};

use std::io;

use crate::error::{Kind, Result};
use crate::format::names;

/// Bytes that a store sets aside: leases, marks and lists of a large prune, and the folders that they need.
pub const RESERVE_LEN: u64 = 1 << 20;

/// An object in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    pub name: String,
    pub len: u64,
}

/// Whether a file of this name in a directory can be an object, or a folder of objects. Systems and programs leave others where they please
/// (`.DS_Store`, `Thumbs.db`): they are nothing of a repository, and stand in nobody's way.
pub fn is_part(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && name.bytes().all(names::is_of_name)
}

/// Where a repository's objects live. Names are relative, made of `/`-separated parts of `[0-9a-z.-]`.
///
/// Errors are the store's own: an [`io::Error`] of kind `NotFound` means that the object is known to be absent, and
/// `InvalidData` that what has its name cannot be the object, `ResourceBusy` that the object is there and must be brought back from a
/// cold storage class before it can be read; any doubt must be another kind. Implementations retry what
/// is worth retrying themselves.
pub trait Store: Send + Sync {
    /// Where the store is, in words that people recognise.
    fn location(&self) -> String;

    /// Begins an object whose name is not known yet. Nothing is visible until [`Upload::publish`].
    fn upload(&self) -> io::Result<Box<dyn Upload>>;

    /// Writes a small object at once; durable and visible when this returns.
    fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut upload = self.upload()?;
        upload.write(bytes)?;
        upload.publish(name)
    }

    /// The same as [`Store::upload`] of what will be wanted again soon: a store that is far away may keep a copy near.
    fn upload_kept(&self) -> io::Result<Box<dyn Upload>> {
        self.upload()
    }

    /// Length of an object.
    fn len(&self, name: &str) -> io::Result<u64>;

    /// Fills `buffer` from an object, beginning at `offset`; anything less is an error of kind `UnexpectedEof`.
    fn read_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<()>;

    /// The same of what will be wanted again: a store that is far away may keep it near. Never for those who look whether what
    /// is stored is sound.
    fn read_kept_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.read_at(name, offset, buffer)
    }

    /// Reads a whole object of at most `limit` bytes.
    fn read(&self, name: &str, limit: u64) -> io::Result<Vec<u8>> {
        let len = self.len(name)?;
        if len > limit {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("{len} bytes exceed the limit of {limit}")));
        }
        let mut bytes = vec![0; len as usize];
        self.read_at(name, 0, &mut bytes)?;
        Ok(bytes)
    }

    /// The same of what will be wanted again, and is true for good once it is found to be what it should be. Whoever finds that it is not says so
    /// by [`Store::forget_kept`].
    fn read_kept(&self, name: &str, limit: u64) -> io::Result<Vec<u8>> {
        self.read(name, limit)
    }

    /// Forgets what was kept of an object, because it is not what it should be; answers whether there was anything, so that it is
    /// worth reading once more.
    fn forget_kept(&self, _name: &str) -> bool {
        false
    }

    /// Lists every object whose name begins with `prefix`, a folder (ending in `/`), in no particular order. A folder
    /// that was never written to is empty; one that cannot be read is an error.
    fn list(&self, prefix: &str) -> io::Result<Vec<Object>>;

    /// Deletes an object; one that is already gone is no error. When this returns it does not come back, and neither does
    /// any that was deleted before.
    fn delete(&self, name: &str) -> io::Result<()>;

    /// Makes sure that an object that can be seen is durable: whoever published it may have been killed, or have failed,
    /// before it knew. Of a folder (ending in `/`), that what is listed there, and what is not, stays so.
    fn make_durable(&self, _name: &str) -> io::Result<()> {
        Ok(())
    }

    /// Puts bytes in the place of an object that is damaged, for a repair that has them: everything else is written once. A store
    /// that can do it without a moment in which there is no object does so.
    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.delete(name)?;
        self.put(name, bytes)
    }

    /// Removes what uploads that never were published have left. Call it while no other session is open.
    fn clear_staging(&self) -> io::Result<()> {
        Ok(())
    }

    /// Sets a little space aside, if it is not set aside yet, for the day when the store is full.
    fn keep_reserve(&self) -> io::Result<()> {
        Ok(())
    }

    /// Bytes that are set aside.
    fn reserve_len(&self) -> io::Result<u64> {
        Ok(0)
    }

    /// Gives that space free, so that what frees more can be written; answers whether there was any.
    fn release_reserve(&self) -> io::Result<bool> {
        Ok(false)
    }

    /// How many objects a writer had best have on their way at once. More than one hides the time that a request takes; on a
    /// disk that does the same work, one after the other is as fast, and every run the same.
    fn publishes_at_once(&self) -> usize {
        1
    }

    /// Asks the store to refuse to delete an object before a moment (nanoseconds since the epoch), whoever asks. What it keeps already
    /// is never shortened.
    fn lock(&self, _name: &str, _until: i64, _mode: LockMode) -> io::Result<Lock> {
        Ok(Lock::Unsupported)
    }

    /// When an object was written, by the clock of the store, where that is another one than this machine's.
    fn written_at(&self, _name: &str) -> io::Result<Option<i64>> {
        Ok(None)
    }

    /// Makes place for a new repository, or says why this is none.
    fn prepare(&self) -> io::Result<Vacancy>;

    /// Removes the folders that are left once every object was deleted, the store's own too; one that is not empty stays, and is
    /// an error.
    fn remove_emptied(&self) -> io::Result<()> {
        Ok(())
    }

    /// What this store cannot promise and others can, in sentences for people.
    fn caveats(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Who may take a lock off again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockMode {
    /// Whoever has a special right for it.
    Governance,
    /// Nobody.
    Compliance,
    /// As the object is locked already; nobody, where it is not.
    AsBefore,
}

/// What came of asking a store to keep an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lock {
    /// The store itself refuses to delete it.
    Set,
    /// The store has no such thing, or it is not switched on.
    Unsupported,
}

/// What a store holds before a repository is created in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vacancy {
    Empty,
    /// A repository, whole or begun.
    Repository,
    /// Something else.
    Foreign,
}

/// An object being written.
pub trait Upload: Send {
    /// Appends bytes.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Makes the object durable, then visible under its name. A name that exists already is an error of kind
    /// `AlreadyExists`. After any error the object is given up: nothing is retried on the same bytes.
    fn publish(self: Box<Self>, name: &str) -> io::Result<()>;
}

/// Reads something, and once more where what was read is damaged and may have been a copy that is near.
pub(crate) fn read_through<T>(store: &dyn Store, name: &str, mut read: impl FnMut() -> Result<T>) -> Result<T> {
    match read() {
        Err(error) if error.kind() == Kind::Corrupt && store.forget_kept(name) => read(),
        read => read,
    }
}

/// Whether the disk says that it cannot read this place any more: damage, and no failure of the store.
pub(crate) fn is_bad_sector(error: &io::Error) -> bool {
    rustix::io::Errno::from_io_error(error) == Some(rustix::io::Errno::IO)
}

/// Whether it is these bytes that are lost: the object or its end is gone, or the disk cannot read them any more.
pub(crate) fn is_lost_on_disk(error: &io::Error) -> bool {
    let is_gone =
        matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData);
    is_gone || is_bad_sector(error)
}

/// There is no object of that name.
pub(crate) fn is_absent(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}

/// An object is written once, and its name is taken.
pub(crate) fn is_present(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AlreadyExists
}

#[cfg(test)]
mod tests;
