//! Objects that must be new, on servers that may not know how to refuse others.
//!
//! Owns how a server is asked not to write over what is there. The condition "only if new" is ignored by some without a word, and by others when
//! several ask at once: so the first object that a process puts is put twice at the same time. A server that keeps the condition refuses one of
//! both; from one that takes both, which does no harm since they are the same, names are looked for from then on. Nothing that is
//! published relies on it: names are unique. It keeps a mistake from writing over what is there.

use std::io;
use std::sync::atomic::{AtomicU8, Ordering};

use object_store::{PutMode, PutPayload};

use super::Inner;
use crate::address::{Cloud, CloudAddress, Setting};

/// Objects up to this length are sent twice without harm: leases, key slots.
const SHORT: usize = 64 << 10;

/// What is known of a server.
pub struct Conditions(AtomicU8);

const UNKNOWN: u8 = 0;
const KEPT: u8 = 1;
const IGNORED: u8 = 2;
/// The server does not know the condition, and says so.
const REFUSED: u8 = 3;

impl Conditions {
    pub fn of(address: &CloudAddress) -> Self {
        let known = match address.settings.get(&Setting::Conditions).map(String::as_str) {
            Some("off") => REFUSED,
            Some(_) => KEPT,
            // The two others are served by nobody else.
            None if address.cloud != Cloud::S3 => KEPT,
            None => UNKNOWN,
        };
        Self(AtomicU8::new(known))
    }

    fn learn(&self, known: u8) {
        self.0.store(known, Ordering::Relaxed);
    }
}

impl Inner {
    /// Puts an object once, if its name is free.
    pub(super) fn put_if_new(&self, name: &str, bytes: PutPayload) -> io::Result<()> {
        match self.conditions.0.load(Ordering::Relaxed) {
            KEPT => self.put(name, bytes, PutMode::Create),
            UNKNOWN if bytes.content_length() <= SHORT => self.put_twice(name, bytes),
            REFUSED => self.require_free(name).and_then(|()| self.put(name, bytes, PutMode::Overwrite)),
            _ => self.require_free(name).and_then(|()| self.put(name, bytes, PutMode::Create)),
        }
    }

    fn require_free(&self, name: &str) -> io::Result<()> {
        match self.len(name) {
            Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Puts it twice at once, and learns from what comes back.
    fn put_twice(&self, name: &str, bytes: PutPayload) -> io::Result<()> {
        let send = || self.send(name, bytes.clone(), PutMode::Create);
        let is_taken = |error: &io::Error| error.kind() == io::ErrorKind::AlreadyExists;
        match self.runtime.block_on(futures_util::future::join(send(), send())) {
            (Ok(()), Ok(())) => self.conditions.learn(IGNORED),
            (Ok(()), Err(error)) | (Err(error), Ok(())) if is_taken(&error) => self.conditions.learn(KEPT),
            // Of the other one nothing is known; the next object tells.
            (Ok(()), Err(_)) | (Err(_), Ok(())) => {}
            (Err(error), Err(other)) => return Err(if is_taken(&other) { other } else { error }),
        }
        Ok(())
    }
}
