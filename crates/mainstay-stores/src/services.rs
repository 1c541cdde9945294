//! Services that have no store of their own here, by OpenDAL.
//!
//! Owns how the contract of a store is kept by whole calls: `publish` the way of an object, `absence` what is not there.
//! `operator` makes the calls, `connect` makes the operator ready, `http` carries its requests. Nothing is repeated within a
//! call: OpenDAL's writers lose what they hold when they are asked again, so a call is made anew, with all its bytes.
//! Invariant: that nothing is there is believed only where the service tells of something else in the same place.
//!
//! What these services lack: none of them refuses a name that is taken, so it is looked for before; and an object is durable
//! by the service's word alone.

mod absence;
mod connect;
mod http;
mod operator;
mod publish;
mod remote;

use std::io;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use mainstay_repo::store::{Object, Upload, Vacancy};
use mainstay_repo::{Store, names};

use crate::address::ServiceAddress;
use crate::patience::Patience;
use crate::repeat::Trouble;
use crate::settings::Surroundings;

use remote::{Depth, Found, Novelty, Remote};

#[cfg(test)]
mod tests;

/// Uploads on their way at once: with a request of 50 ms and packs of 16 MiB four fill 1 Gbit/s.
const UPLOADS: usize = 4;

/// Objects in a service.
pub struct ServiceStore {
    inner: Arc<Inner>,
    /// What is known of the service.
    caveat: Option<&'static str>,
}

struct Inner {
    location: String,
    remote: Box<dyn Remote>,
    patience: Patience,
    /// An object that is known to be there, so that a place that looks empty is found out.
    witness: Mutex<Option<String>>,
}

impl ServiceStore {
    /// Makes ready to send requests; sends none.
    ///
    /// # Errors
    /// When settings or credentials are missing or contradict each other.
    pub fn new(address: ServiceAddress, surroundings: &Surroundings) -> io::Result<Self> {
        let remote = connect::remote(&address, surroundings)?;
        let store = Self::over(address.to_string(), Box::new(remote), surroundings.patience);
        Ok(Self { caveat: Some(address.service.caveat()), ..store })
    }

    fn over(location: String, remote: Box<dyn Remote>, patience: Patience) -> Self {
        Self { inner: Arc::new(Inner { location, remote, patience, witness: Mutex::default() }), caveat: None }
    }
}

impl Inner {
    fn repeat<T>(&self, attempt: impl FnMut() -> Result<T, Trouble>) -> io::Result<T> {
        self.patience.repeat(attempt)
    }

    /// The length of an object and when it came.
    fn find(&self, name: &str) -> Result<(u64, Option<i64>), Trouble> {
        match self.remote.stat(name) {
            Ok(Found::Object { len, written }) => {
                self.saw(name);
                Ok((len, written))
            }
            Ok(Found::Folder) => Err(Trouble::lasting(io::Error::other("expected an object, got a folder"))),
            Err(trouble) if is_absence(&trouble) => Err(self.confirm_absence(name)),
            Err(trouble) => Err(trouble),
        }
    }

    /// Reads a range; how a service refuses one beyond the end each says in its own way, so that the length tells.
    fn read_range(&self, name: &str, offset: u64, len: u64) -> Result<Vec<u8>, Trouble> {
        let trouble = match self.remote.read(name, offset, len) {
            Ok(bytes) if bytes.len() as u64 == len => {
                self.saw(name);
                return Ok(bytes);
            }
            Ok(bytes) => Trouble::passing(format!("{} of {len} bytes came", bytes.len())),
            Err(trouble) if is_absence(&trouble) => return Err(self.confirm_absence(name)),
            Err(trouble) => trouble,
        };
        match self.find(name) {
            Ok((whole, _)) if offset.checked_add(len).is_none_or(|end| whole < end) => {
                Err(Trouble::lasting(io::Error::new(io::ErrorKind::UnexpectedEof, trouble.error)))
            }
            Err(other) if is_absence(&other) => Err(other),
            _ => Err(trouble),
        }
    }

    fn delete(&self, name: &str) -> Result<(), Trouble> {
        match self.remote.delete(name) {
            Err(trouble) if !is_absence(&trouble) => return Err(trouble),
            _ => self.forget(name),
        }
        // Some take "no such page", whoever says it, for a deletion.
        match self.remote.stat(name) {
            Err(trouble) if is_absence(&trouble) => Ok(()),
            Err(trouble) => Err(trouble),
            Ok(_) => Err(Trouble::passing("the object is there after the service said that it deleted it")),
        }
    }

    /// Whether there is nothing in a place but what a creation that was interrupted has left.
    fn is_vacant(&self) -> Result<bool, Trouble> {
        let among = |folder: &str| self.remote.list(folder, Depth::Children);
        for entry in among("")?.entries {
            if entry.name == "keys/" {
                let slots = among(&entry.name)?.entries;
                if slots.iter().any(|slot| slot.name != names::KEY_SLOTS) {
                    return Ok(false);
                }
            } else if !entry.is_folder() || !self.gather(&entry.name)?.is_empty() {
                // Folders that hold nothing stay in some services when their last object goes.
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn is_absence(trouble: &Trouble) -> bool {
    trouble.error.kind() == io::ErrorKind::NotFound
}

impl Store for ServiceStore {
    fn location(&self) -> String {
        self.inner.location.clone()
    }

    fn upload(&self) -> io::Result<Box<dyn Upload>> {
        Ok(Box::new(ServiceUpload { inner: Arc::clone(&self.inner), parts: Vec::new() }))
    }

    fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.inner.put_new(name, &[Bytes::copy_from_slice(bytes)])
    }

    fn len(&self, name: &str) -> io::Result<u64> {
        self.inner.repeat(|| self.inner.find(name)).map(|(len, _)| len)
    }

    fn read_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let len = buffer.len() as u64;
        let end = offset.checked_add(len).ok_or(io::ErrorKind::UnexpectedEof)?;
        if len == 0 {
            return if self.len(name)? < end { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) };
        }
        let bytes = self.inner.repeat(|| self.inner.read_range(name, offset, len))?;
        buffer.copy_from_slice(&bytes);
        Ok(())
    }

    fn list(&self, prefix: &str) -> io::Result<Vec<Object>> {
        self.inner.list(prefix)
    }

    fn delete(&self, name: &str) -> io::Result<()> {
        self.inner.repeat(|| self.inner.delete(name))
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let parts = [Bytes::copy_from_slice(bytes)];
        self.inner.repeat(|| {
            self.inner.remote.write(name, &parts, Novelty::Any)?;
            self.inner.confirm(name, bytes.len() as u64)
        })
    }

    /// The service's clock has written when an object came.
    fn written_at(&self, name: &str) -> io::Result<Option<i64>> {
        self.inner.repeat(|| self.inner.find(name)).map(|(_, written)| written)
    }

    fn publishes_at_once(&self) -> usize {
        UPLOADS
    }

    fn prepare(&self) -> io::Result<Vacancy> {
        match self.len(names::CONFIG) {
            Ok(_) => return Ok(Vacancy::Repository),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let is_vacant = self.inner.repeat(|| self.inner.is_vacant())?;
        Ok(if is_vacant { Vacancy::Empty } else { Vacancy::Foreign })
    }

    fn caveats(&self) -> Vec<String> {
        let mut caveats =
            vec!["what the service says that it has is taken to be durable: it knows no word for it".to_owned()];
        if !self.inner.remote.refuses_taken() {
            caveats.push(
                "it knows no condition \"only if new\": a name is looked for before it is written, and of two who write \
                one at the same moment the later wins; nothing in a repository relies on that"
                    .to_owned(),
            );
        }
        caveats.extend(self.caveat.map(str::to_owned));
        caveats
    }
}

/// An object that waits for its name; a pack is at most a few times 16 MiB.
struct ServiceUpload {
    inner: Arc<Inner>,
    parts: Vec<Bytes>,
}

impl Upload for ServiceUpload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.parts.push(Bytes::copy_from_slice(bytes));
        Ok(())
    }

    fn publish(self: Box<Self>, name: &str) -> io::Result<()> {
        self.inner.put_new(name, &self.parts)
    }
}
