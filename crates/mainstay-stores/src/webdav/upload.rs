//! The way of an object to its name: put aside, looked at, moved.
//!
//! Owns what happens when an answer is lost. Each attempt has a name of its own in the staging collection, so that what an
//! earlier one is still sending, or a server clears away after it, has nothing to do with a later one. Invariant: a name that
//! must be free is never written over by a request that knows the condition, and what is read back decides.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use mainstay_repo::store::Upload;
use reqwest::StatusCode;

use crate::repeat::Trouble;

use super::client::Refusal;
use super::places::Place;
use super::{Inner, STAGING};

/// Whether a name must be free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    Free,
    Over,
}

/// An object that waits for its name: its length must be known before it is sent, and a pack is at most a few times 16 MiB.
pub struct WebdavUpload {
    inner: Arc<Inner>,
    bytes: Vec<u8>,
}

impl WebdavUpload {
    pub fn new(inner: Arc<Inner>) -> Self {
        Self { inner, bytes: Vec::new() }
    }
}

impl Upload for WebdavUpload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn publish(self: Box<Self>, name: &str) -> io::Result<()> {
        self.inner.publish(name, &Bytes::from(self.bytes), Naming::Free)
    }
}

impl Inner {
    /// Brings an object to its name.
    ///
    /// # Errors
    /// Of kind `AlreadyExists` where the name must be free and has other bytes.
    pub fn publish(&self, name: &str, bytes: &Bytes, naming: Naming) -> io::Result<()> {
        let place = self.place(name)?;
        let mut pauses = self.patience.pauses();
        loop {
            let staged = self.stage(bytes)?;
            if let Some(parent) = place.parent() {
                self.make(&parent)?;
            }
            let Err(refusal) = self.move_to(&staged, &place, naming) else { return Ok(()) };
            // What stays behind is harmless, and `clear_staging` finds it.
            let _ = self.client.send(self.client.request("DELETE", &staged.encoded()));
            let trouble = self.after_refusal(refusal, name, bytes, naming)?;
            let Some(trouble) = trouble else { return Ok(()) };
            pauses.wait(trouble)?;
        }
    }

    /// Puts an object aside under a name that nobody else has, and makes sure of its length.
    fn stage(&self, bytes: &Bytes) -> io::Result<Place> {
        let staging = self.place(STAGING)?;
        self.make(&staging)?;
        let put = self.repeat(|| {
            let number = getrandom::u64().map_err(|error| Trouble::lasting(io::Error::other(error)))?;
            let name = format!("{STAGING}/{number:016x}");
            let place = self.place(&name).map_err(Trouble::lasting)?;
            let request = self.client.request("PUT", &place.encoded()).body(bytes.clone());
            match self.client.send(request.header("If-None-Match", "*")) {
                Ok(_) => Ok((place, name)),
                Err(mut refusal) => {
                    // Somebody removed the collection.
                    if matches!(refusal.status, Some(StatusCode::CONFLICT | StatusCode::NOT_FOUND)) {
                        self.made().remove(&staging);
                        self.make(&staging).map_err(Trouble::lasting)?;
                        refusal.trouble.is_passing = true;
                    }
                    Err(refusal)
                }
            }
        });
        let (place, name) = put.map_err(|refusal| refusal.trouble.error)?;
        // The length is told by the server's own list: that it took the bytes may be anybody's answer.
        let looked = self.len(&name).map_err(|error| match error.kind() {
            // Absent is what was put aside; of the object that is to be that says nothing.
            io::ErrorKind::NotFound => io::Error::other("what was put aside is gone: does somebody clear tmp/?"),
            _ => error,
        });
        let (expected, got) = (bytes.len() as u64, looked?);
        if expected != got {
            let message = format!("expected {expected} bytes after an upload, got {got}");
            return Err(io::Error::other(message));
        }
        Ok(place)
    }

    /// Moves an object to its name, once.
    fn move_to(&self, staged: &Place, place: &Place, naming: Naming) -> Result<(), Refusal> {
        let overwrite = if naming == Naming::Over { "T" } else { "F" };
        let request = self.client.request("MOVE", &staged.encoded());
        let request = request.header("Destination", self.client.url(&place.encoded())).header("Overwrite", overwrite);
        match self.client.send(request)?.status() {
            StatusCode::CREATED | StatusCode::NO_CONTENT => Ok(()),
            // No answer to a move: what is there decides.
            status => Err(Trouble::passing(format!("expected 201 as the answer to a move, got {status}")).into()),
        }
    }

    /// What a move that was refused, or whose answer was lost, has come to: nothing more to do, or to be tried again.
    fn after_refusal(
        &self,
        refusal: Refusal,
        name: &str,
        bytes: &Bytes,
        naming: Naming,
    ) -> io::Result<Option<Trouble>> {
        let Refusal { status, mut trouble } = refusal;
        let is_taken = status == Some(StatusCode::PRECONDITION_FAILED);
        let is_gone = matches!(status, Some(StatusCode::NOT_FOUND | StatusCode::CONFLICT));
        if !is_taken && !is_gone && !trouble.is_passing {
            return Err(trouble.error);
        }
        if is_gone {
            // A collection that was there may have been removed.
            self.made().clear();
        }
        trouble.is_passing = true;
        match self.read(name, bytes.len() as u64) {
            Ok(there) if there == bytes[..] => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Some(trouble)),
            Err(error) if error.kind() != io::ErrorKind::InvalidData => Err(error),
            // Other bytes, or more of them.
            _ if naming == Naming::Free => Err(io::Error::new(io::ErrorKind::AlreadyExists, trouble.error)),
            _ => Ok(Some(trouble)),
        }
    }
}
