//! A collection on a WebDAV server (RFC 4918).
//!
//! Owns how the contract of a store is kept by requests: an object is put under a name of its own in `tmp/`, and moved to its
//! name, which must be free. `client` owns the requests, `multistatus` what a server tells of what there is, `places` the
//! names, `upload` the way of an object. The layout is that of a directory, so one and the same may be reached either way.
//! Invariant: nothing is absent because a server said 404, which every server says to what it does not know; it is where a
//! collection that leads to it was told to be there.
//!
//! Durability: a server that says that it has an object may have it in memory alone. WebDAV knows no word for more.

mod client;
mod multistatus;
mod places;
mod reading;
mod upload;

use std::collections::HashSet;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use mainstay_repo::store::{Object, Upload, Vacancy};
use mainstay_repo::{Store, names};
use reqwest::StatusCode;

use crate::address::WebdavAddress;
use crate::patience::Patience;
use crate::repeat::Trouble;
use crate::settings::Surroundings;

use client::{Client, Refusal};
use multistatus::{Kind, Member};
use places::{Depth, Place};
use upload::{Naming, WebdavUpload};

#[cfg(test)]
mod tests;

/// Uploads on their way at once: with a request of 50 ms and packs of 16 MiB four fill 1 Gbit/s.
const UPLOADS: usize = 4;
/// Where objects wait for their names.
const STAGING: &str = "tmp";
/// More objects than an interrupted creation leaves.
const FEW: usize = 100;

/// Objects beneath a collection.
pub struct WebdavStore {
    inner: Arc<Inner>,
}

struct Inner {
    address: WebdavAddress,
    client: Client,
    patience: Patience,
    /// Collections that are known to be there.
    made: Mutex<HashSet<Place>>,
}

impl WebdavStore {
    /// Makes ready to send requests; sends none.
    ///
    /// # Errors
    /// When credentials cannot be read, or must not be sent.
    pub fn new(address: WebdavAddress, surroundings: &Surroundings) -> io::Result<Self> {
        Self::with_patience(address, surroundings, surroundings.patience)
    }

    fn with_patience(address: WebdavAddress, surroundings: &Surroundings, patience: Patience) -> io::Result<Self> {
        let client = Client::new(&address, surroundings)?;
        Ok(Self { inner: Arc::new(Inner { address, client, patience, made: Mutex::default() }) })
    }
}

impl Inner {
    fn root(&self) -> Place {
        Place::new(&self.address.path)
    }

    /// The place of a name.
    fn place(&self, name: &str) -> io::Result<Place> {
        self.root().beneath(name).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a name that is none"))
    }

    fn made(&self) -> std::sync::MutexGuard<'_, HashSet<Place>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a request that may be sent again, until it is answered.
    fn ask(&self, method: &str, path: &str) -> Result<StatusCode, Refusal> {
        self.repeat(|| self.client.send(self.client.request(method, path)).map(|answer| answer.status()))
    }

    fn repeat<T>(&self, mut attempt: impl FnMut() -> Result<T, Refusal>) -> Result<T, Refusal> {
        let mut status = None;
        let done = self.patience.repeat(|| {
            attempt().map_err(|refusal| {
                status = refusal.status;
                refusal.trouble
            })
        });
        done.map_err(|error| Refusal { status, trouble: Trouble::lasting(error) })
    }

    /// Makes a collection, and what leads to it.
    fn make(&self, place: &Place) -> io::Result<()> {
        if self.made().contains(place) {
            return Ok(());
        }
        let path = place.as_collection();
        let made = match (self.ask("MKCOL", &path), place.parent()) {
            (Err(Refusal { status: Some(StatusCode::CONFLICT | StatusCode::NOT_FOUND), .. }), Some(parent)) => {
                self.make(&parent)?;
                self.ask("MKCOL", &path)
            }
            (made, _) => made,
        };
        match made {
            Ok(StatusCode::CREATED) => {}
            // It is there already, which many say in many ways: then it tells so itself.
            Ok(_) | Err(Refusal { status: Some(StatusCode::METHOD_NOT_ALLOWED), .. }) => {
                self.require_collection(place)?
            }
            Err(refusal) => return Err(refusal.trouble.error),
        }
        self.made().insert(place.clone());
        Ok(())
    }

    fn require_collection(&self, place: &Place) -> io::Result<()> {
        let told = self.tell(&place.as_collection(), place, Depth::Itself).map_err(|refusal| refusal.trouble.error)?;
        match told.first() {
            Some(Member { kind: Kind::Collection, .. }) => Ok(()),
            _ => Err(io::Error::other(format!("expected a collection, got something else at {}", place.encoded()))),
        }
    }

    /// Deletes what is at a path; what is known not to be there is no error.
    fn delete(&self, path: &str) -> io::Result<()> {
        match self.ask("DELETE", path) {
            Ok(StatusCode::NO_CONTENT) => Ok(()),
            Ok(status) => Err(io::Error::other(format!("expected 204 after a deletion, got {status}"))),
            Err(refusal) => Err(refusal.trouble.error),
        }
    }

    fn delete_object(&self, name: &str) -> io::Result<()> {
        let place = self.place(name)?;
        match self.ask("DELETE", &place.encoded()) {
            Ok(StatusCode::NO_CONTENT) => Ok(()),
            // Who says so might be anybody: a page that asks for a password does.
            Ok(StatusCode::OK) => match self.len(name) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                Ok(_) => Err(io::Error::other("the object is there after the server said that it deleted it")),
                Err(error) => Err(error),
            },
            Ok(status) => Err(io::Error::other(format!("expected 204 after a deletion, got {status}"))),
            Err(Refusal { status: Some(StatusCode::NOT_FOUND), .. }) => self.confirm_absence(&place),
            Err(refusal) => Err(refusal.trouble.error),
        }
    }
}

impl Store for WebdavStore {
    fn location(&self) -> String {
        self.inner.address.to_string()
    }

    fn upload(&self) -> io::Result<Box<dyn Upload>> {
        Ok(Box::new(WebdavUpload::new(Arc::clone(&self.inner))))
    }

    fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.inner.publish(name, &Bytes::copy_from_slice(bytes), Naming::Free)
    }

    fn len(&self, name: &str) -> io::Result<u64> {
        self.inner.len(name)
    }

    fn read_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let len = buffer.len() as u64;
        let end = offset.checked_add(len).ok_or(io::ErrorKind::UnexpectedEof)?;
        if len == 0 {
            return if self.inner.len(name)? < end { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) };
        }
        let part = self.inner.get(name, offset, len)?;
        if part.bytes.len() != buffer.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        buffer.copy_from_slice(&part.bytes);
        Ok(())
    }

    fn read(&self, name: &str, limit: u64) -> io::Result<Vec<u8>> {
        self.inner.read(name, limit)
    }

    fn list(&self, prefix: &str) -> io::Result<Vec<Object>> {
        self.inner.list(prefix, usize::MAX)
    }

    fn delete(&self, name: &str) -> io::Result<()> {
        self.inner.delete_object(name)
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.inner.publish(name, &Bytes::copy_from_slice(bytes), Naming::Over)
    }

    fn clear_staging(&self) -> io::Result<()> {
        self.inner.list(&format!("{STAGING}/"), usize::MAX)?.iter().try_for_each(|left| self.delete(&left.name))
    }

    fn publishes_at_once(&self) -> usize {
        UPLOADS
    }

    fn remove_emptied(&self) -> io::Result<()> {
        if !self.inner.list("", 1)?.is_empty() {
            return Err(io::Error::new(io::ErrorKind::DirectoryNotEmpty, "the place still holds something"));
        }
        self.inner.delete(&self.inner.root().as_collection())
    }

    fn prepare(&self) -> io::Result<Vacancy> {
        self.inner.make(&self.inner.root())?;
        match self.inner.len(names::CONFIG) {
            Ok(_) => return Ok(Vacancy::Repository),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        // What a creation that was interrupted has left is no repository yet.
        let found = self.inner.list("", FEW)?;
        let is_begun = |object: &Object| object.name.starts_with(names::KEY_SLOTS);
        Ok(if found.iter().all(is_begun) { Vacancy::Empty } else { Vacancy::Foreign })
    }
}
