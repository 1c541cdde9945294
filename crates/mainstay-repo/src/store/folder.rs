//! A folder of a store as a store of its own.
//!
//! Owns the way between names in the folder and names beneath. Hides everything that lies beside the folder.

use std::io;
use std::sync::Arc;

use super::{Layer, Object, Store, Upload};

/// What lies in a folder (ending in `/`), under the names that it has there.
pub struct InFolder {
    store: Arc<dyn Store>,
    folder: &'static str,
}

impl InFolder {
    pub fn new(store: Arc<dyn Store>, folder: &'static str) -> Self {
        Self { store, folder }
    }

    fn name_beneath(&self, name: &str) -> String {
        format!("{}{name}", self.folder)
    }

    fn named(&self, upload: Box<dyn Upload>) -> Box<dyn Upload> {
        Box::new(UploadInFolder { upload, folder: self.folder })
    }
}

impl Layer for InFolder {
    fn beneath(&self) -> &dyn Store {
        &*self.store
    }

    fn upload(&self) -> io::Result<Box<dyn Upload>> {
        self.store.upload().map(|upload| self.named(upload))
    }

    fn upload_kept(&self) -> io::Result<Box<dyn Upload>> {
        self.store.upload_kept().map(|upload| self.named(upload))
    }

    fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.store.put(&self.name_beneath(name), bytes)
    }

    fn len(&self, name: &str) -> io::Result<u64> {
        self.store.len(&self.name_beneath(name))
    }

    fn read_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.store.read_at(&self.name_beneath(name), offset, buffer)
    }

    fn read_kept_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.store.read_kept_at(&self.name_beneath(name), offset, buffer)
    }

    fn read(&self, name: &str, limit: u64) -> io::Result<Vec<u8>> {
        self.store.read(&self.name_beneath(name), limit)
    }

    fn read_kept(&self, name: &str, limit: u64) -> io::Result<Vec<u8>> {
        self.store.read_kept(&self.name_beneath(name), limit)
    }

    fn list(&self, prefix: &str) -> io::Result<Vec<Object>> {
        let mut objects = self.store.list(&self.name_beneath(prefix))?;
        objects.retain_mut(|object| match object.name.strip_prefix(self.folder) {
            Some(name) => {
                object.name = name.to_owned();
                true
            }
            None => false,
        });
        Ok(objects)
    }

    fn delete(&self, name: &str) -> io::Result<()> {
        self.store.delete(&self.name_beneath(name))
    }

    fn make_durable(&self, name: &str) -> io::Result<()> {
        self.store.make_durable(&self.name_beneath(name))
    }

    fn forget_kept(&self, name: &str) -> bool {
        self.store.forget_kept(&self.name_beneath(name))
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.store.replace(&self.name_beneath(name), bytes)
    }
}

struct UploadInFolder {
    upload: Box<dyn Upload>,
    folder: &'static str,
}

impl Upload for UploadInFolder {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.upload.write(bytes)
    }

    fn publish(self: Box<Self>, name: &str) -> io::Result<()> {
        self.upload.publish(&format!("{}{name}", self.folder))
    }
}
