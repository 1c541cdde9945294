//! A store around each request of which something happens: it is counted, told, or held back.
//!
//! Owns which calls of the contract are requests, so that what is done around them needs not know it. Changes no answer by itself.

use std::io;
use std::sync::Arc;

use super::{Layer, Layered, Object, Store, Upload};

/// What a store is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    Put,
    Read,
    Len,
    List,
    Delete,
    Sync,
}

/// A request on its way to a store.
#[derive(Clone, Copy, Debug)]
pub struct Request<'r> {
    pub verb: Verb,
    /// The object, or the folder that is listed.
    pub name: &'r str,
    /// Bytes that go to the store.
    pub sent: u64,
}

/// What happens around requests.
pub trait Around: Send + Sync + 'static {
    /// Has a request done, which answers with what was asked for and how many bytes came back with it.
    ///
    /// # Errors
    /// Those of the request, and its own.
    fn request<T>(&self, request: Request<'_>, send: impl FnOnce() -> io::Result<(T, u64)>) -> io::Result<T>;
}

/// A store with something around its requests.
pub struct Surrounded<A> {
    store: Arc<dyn Store>,
    around: Arc<A>,
}

impl<A: Around> Surrounded<A> {
    pub fn over(store: Arc<dyn Store>, around: Arc<A>) -> Layered<Self> {
        Layered(Self { store, around })
    }

    fn ask<T>(&self, verb: Verb, name: &str, send: impl FnOnce() -> io::Result<(T, u64)>) -> io::Result<T> {
        self.around.request(Request { verb, name, sent: 0 }, send)
    }

    fn surround(&self, upload: Box<dyn Upload>) -> Box<dyn Upload> {
        Box::new(SurroundedUpload { upload, around: Arc::clone(&self.around), len: 0 })
    }

    /// A request that brings nothing back but that it was done.
    fn tell(&self, request: Request<'_>, send: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        self.around.request(request, || send().map(|()| ((), 0)))
    }
}

impl<A: Around> Layer for Surrounded<A> {
    fn beneath(&self) -> &dyn Store {
        &*self.store
    }

    fn upload(&self) -> io::Result<Box<dyn Upload>> {
        Ok(self.surround(self.store.upload()?))
    }

    fn upload_kept(&self) -> io::Result<Box<dyn Upload>> {
        Ok(self.surround(self.store.upload_kept()?))
    }

    fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let request = Request { verb: Verb::Put, name, sent: bytes.len() as u64 };
        self.tell(request, || self.store.put(name, bytes))
    }

    fn len(&self, name: &str) -> io::Result<u64> {
        self.ask(Verb::Len, name, || self.store.len(name).map(|len| (len, 0)))
    }

    fn read_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let len = buffer.len() as u64;
        self.ask(Verb::Read, name, || self.store.read_at(name, offset, buffer).map(|()| ((), len)))
    }

    fn read_kept_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let len = buffer.len() as u64;
        self.ask(Verb::Read, name, || self.store.read_kept_at(name, offset, buffer).map(|()| ((), len)))
    }

    fn read(&self, name: &str, limit: u64) -> io::Result<Vec<u8>> {
        self.ask(Verb::Read, name, || self.store.read(name, limit).map(with_len))
    }

    fn read_kept(&self, name: &str, limit: u64) -> io::Result<Vec<u8>> {
        self.ask(Verb::Read, name, || self.store.read_kept(name, limit).map(with_len))
    }

    fn list(&self, prefix: &str) -> io::Result<Vec<Object>> {
        self.ask(Verb::List, prefix, || self.store.list(prefix).map(|objects| (objects, 0)))
    }

    fn delete(&self, name: &str) -> io::Result<()> {
        self.tell(Request { verb: Verb::Delete, name, sent: 0 }, || self.store.delete(name))
    }

    fn make_durable(&self, name: &str) -> io::Result<()> {
        self.tell(Request { verb: Verb::Sync, name, sent: 0 }, || self.store.make_durable(name))
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let request = Request { verb: Verb::Put, name, sent: bytes.len() as u64 };
        self.tell(request, || self.store.replace(name, bytes))
    }
}

fn with_len(bytes: Vec<u8>) -> (Vec<u8>, u64) {
    let len = bytes.len() as u64;
    (bytes, len)
}

struct SurroundedUpload<A> {
    upload: Box<dyn Upload>,
    around: Arc<A>,
    len: u64,
}

impl<A: Around> Upload for SurroundedUpload<A> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.len += bytes.len() as u64;
        self.upload.write(bytes)
    }

    /// The request begins with the name: before that, nothing of it can be seen.
    fn publish(self: Box<Self>, name: &str) -> io::Result<()> {
        let Self { upload, around, len } = *self;
        around.request(Request { verb: Verb::Put, name, sent: len }, || upload.publish(name).map(|()| ((), 0)))
    }
}
