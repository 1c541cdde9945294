//! A simulated disk that fails at one of its operations, or from one on.
//!
//! Owns the wrapping only; which operation fails and how is the [`Trigger`]'s.

use std::io;
use std::path::Path;

use mainstay_repo::store::{Disk, DiskEntry, EntryKind, NewFile, StoredFile};

use crate::fault_store::Trigger;
use crate::sim_disk::SimDisk;

#[derive(Clone, Debug)]
pub struct FaultDisk {
    pub disk: SimDisk,
    pub trigger: Trigger,
}

impl Disk for FaultDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn NewFile>> {
        let file = self.trigger.call(|| self.disk.create(path))?;
        Ok(Box::new(FaultFile { file, trigger: self.trigger.clone() }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn StoredFile>> {
        let file = self.trigger.call(|| self.disk.open(path))?;
        Ok(Box::new(FaultStored { file, trigger: self.trigger.clone() }))
    }

    fn status(&self, path: &Path) -> io::Result<(EntryKind, u64)> {
        self.trigger.call(|| self.disk.status(path))
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DiskEntry>> {
        self.trigger.call(|| self.disk.list(path))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.trigger.call(|| self.disk.create_dir(path))
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.trigger.call(|| self.disk.sync_dir(path))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.trigger.call(|| self.disk.rename(from, to))
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.trigger.call(|| self.disk.remove_file(path))
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.trigger.call(|| self.disk.remove_dir(path))
    }
}

struct FaultFile {
    file: Box<dyn NewFile>,
    trigger: Trigger,
}

impl NewFile for FaultFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Self { file, trigger } = self;
        trigger.write(bytes, |bytes| file.write(bytes))
    }

    fn finish(&mut self) -> io::Result<()> {
        let Self { file, trigger } = self;
        trigger.call(|| file.finish())
    }
}

struct FaultStored {
    file: Box<dyn StoredFile>,
    trigger: Trigger,
}

impl StoredFile for FaultStored {
    fn size(&self) -> io::Result<u64> {
        self.trigger.call(|| self.file.size())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.trigger.fill(buffer, |buffer| self.file.read_at(offset, buffer))
    }
}
