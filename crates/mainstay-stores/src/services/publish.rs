//! The way of an object to its name.
//!
//! Owns that a name is looked for before, and what was written after. Each attempt is a whole call with all bytes: what is there after
//! one of which no answer came is read back.

use std::io;

use bytes::Bytes;

use super::remote::{Found, Novelty};
use super::{Inner, is_absence};
use crate::repeat::Trouble;

impl Inner {
    /// Puts an object that must be new. A name that is taken by these very bytes is a reply that was lost.
    pub(super) fn put_new(&self, name: &str, parts: &[Bytes]) -> io::Result<()> {
        self.repeat(|| self.put_once(name, parts))
    }

    fn put_once(&self, name: &str, parts: &[Bytes]) -> Result<(), Trouble> {
        match self.remote.stat(name) {
            Ok(_) => return self.require_same(name, parts),
            Err(trouble) if is_absence(&trouble) => {}
            Err(trouble) => return Err(trouble),
        }
        match self.remote.write(name, parts, Novelty::New) {
            Ok(()) => self.confirm(name, len_of(parts)),
            Err(trouble) if trouble.error.kind() == io::ErrorKind::AlreadyExists => self.require_same(name, parts),
            Err(trouble) => Err(trouble),
        }
    }

    /// What was written is there, with the length that it was written with.
    pub(super) fn confirm(&self, name: &str, len: u64) -> Result<(), Trouble> {
        match self.remote.stat(name) {
            Ok(Found::Object { len: there, .. }) if there == len => {
                self.saw(name);
                Ok(())
            }
            Ok(Found::Object { len: there, .. }) => {
                Err(Trouble::lasting(io::Error::other(format!("{len} bytes were written, and {there} are there"))))
            }
            Ok(Found::Folder) => {
                Err(Trouble::lasting(io::Error::other("an object was written, and a folder is there")))
            }
            Err(trouble) if is_absence(&trouble) => Err(Trouble::passing("what was written is not there")),
            Err(trouble) => Err(trouble),
        }
    }

    fn require_same(&self, name: &str, parts: &[Bytes]) -> Result<(), Trouble> {
        let taken = || Trouble::lasting(io::Error::new(io::ErrorKind::AlreadyExists, "the name is taken"));
        let len = len_of(parts);
        match self.remote.stat(name)? {
            Found::Object { len: there, .. } if there == len => self.saw(name),
            _ => return Err(taken()),
        }
        if len == 0 || is_same(&self.read_range(name, 0, len)?, parts) { Ok(()) } else { Err(taken()) }
    }
}

fn len_of(parts: &[Bytes]) -> u64 {
    parts.iter().map(|part| part.len() as u64).sum()
}

fn is_same(there: &[u8], parts: &[Bytes]) -> bool {
    parts.iter().try_fold(there, |rest, part| rest.strip_prefix(&part[..])).is_some_and(<[u8]>::is_empty)
}
