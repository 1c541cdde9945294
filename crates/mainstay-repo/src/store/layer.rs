//! Stores above stores.
//!
//! Owns handing on: a layer says only what it does in its own way, and every other call of the contract reaches the store
//! beneath. Whatever the contract gains has its way through all layers here, and none can forget it.

use std::io;

use super::{Lock, LockMode, Object, Store, Upload, Vacancy};

/// What lies above a store. Whatever it does not say itself the store beneath does.
pub trait Layer: Send + Sync {
    fn beneath(&self) -> &dyn Store;

    fn upload(&self) -> io::Result<Box<dyn Upload>> {
        self.beneath().upload()
    }

    fn upload_kept(&self) -> io::Result<Box<dyn Upload>> {
        self.beneath().upload_kept()
    }

    fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.beneath().put(name, bytes)
    }

    fn len(&self, name: &str) -> io::Result<u64> {
        self.beneath().len(name)
    }

    fn read_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.beneath().read_at(name, offset, buffer)
    }

    fn read_kept_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.beneath().read_kept_at(name, offset, buffer)
    }

    fn read(&self, name: &str, limit: u64) -> io::Result<Vec<u8>> {
        self.beneath().read(name, limit)
    }

    fn read_kept(&self, name: &str, limit: u64) -> io::Result<Vec<u8>> {
        self.beneath().read_kept(name, limit)
    }

    fn list(&self, prefix: &str) -> io::Result<Vec<Object>> {
        self.beneath().list(prefix)
    }

    fn delete(&self, name: &str) -> io::Result<()> {
        self.beneath().delete(name)
    }

    fn make_durable(&self, name: &str) -> io::Result<()> {
        self.beneath().make_durable(name)
    }

    fn forget_kept(&self, name: &str) -> bool {
        self.beneath().forget_kept(name)
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.beneath().replace(name, bytes)
    }

    fn publishes_at_once(&self) -> usize {
        self.beneath().publishes_at_once()
    }
}

/// A layer as a store.
pub struct Layered<L>(pub L);

impl<L: Layer> Store for Layered<L> {
    fn location(&self) -> String {
        self.0.beneath().location()
    }

    fn upload(&self) -> io::Result<Box<dyn Upload>> {
        self.0.upload()
    }

    fn upload_kept(&self) -> io::Result<Box<dyn Upload>> {
        self.0.upload_kept()
    }

    fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.0.put(name, bytes)
    }

    fn len(&self, name: &str) -> io::Result<u64> {
        self.0.len(name)
    }

    fn read_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.0.read_at(name, offset, buffer)
    }

    fn read_kept_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.0.read_kept_at(name, offset, buffer)
    }

    fn read(&self, name: &str, limit: u64) -> io::Result<Vec<u8>> {
        self.0.read(name, limit)
    }

    fn read_kept(&self, name: &str, limit: u64) -> io::Result<Vec<u8>> {
        self.0.read_kept(name, limit)
    }

    fn list(&self, prefix: &str) -> io::Result<Vec<Object>> {
        self.0.list(prefix)
    }

    fn delete(&self, name: &str) -> io::Result<()> {
        self.0.delete(name)
    }

    fn make_durable(&self, name: &str) -> io::Result<()> {
        self.0.make_durable(name)
    }

    fn forget_kept(&self, name: &str) -> bool {
        self.0.forget_kept(name)
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.0.replace(name, bytes)
    }

    fn clear_staging(&self) -> io::Result<()> {
        self.0.beneath().clear_staging()
    }

    fn keep_reserve(&self) -> io::Result<()> {
        self.0.beneath().keep_reserve()
    }

    fn reserve_len(&self) -> io::Result<u64> {
        self.0.beneath().reserve_len()
    }

    fn release_reserve(&self) -> io::Result<bool> {
        self.0.beneath().release_reserve()
    }

    fn publishes_at_once(&self) -> usize {
        self.0.publishes_at_once()
    }

    fn lock(&self, name: &str, until: i64, mode: LockMode) -> io::Result<Lock> {
        self.0.beneath().lock(name, until, mode)
    }

    fn written_at(&self, name: &str) -> io::Result<Option<i64>> {
        self.0.beneath().written_at(name)
    }

    fn prepare(&self) -> io::Result<Vacancy> {
        self.0.beneath().prepare()
    }

    fn remove_emptied(&self) -> io::Result<()> {
        self.0.beneath().remove_emptied()
    }

    fn caveats(&self) -> Vec<String> {
        self.0.beneath().caveats()
    }
}
