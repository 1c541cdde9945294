//! A store that fails at one of its calls, or from one on.
//!
//! Owns the kinds of fault and the counting of calls, for stores and for disks. Every call counts, each write to an
//! unfinished object too.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mainstay_repo::Store;
use mainstay_repo::store::{Object, Upload, Vacancy};

pub const EINTR: i32 = 4;
pub const EIO: i32 = 5;
pub const EMFILE: i32 = 24;
pub const ENOSPC: i32 = 28;
pub const EDQUOT: i32 = 122;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The call does nothing and answers with this error.
    Error(i32),
    /// The call does its work, and answers with this error all the same.
    LostReply(i32),
    /// A write writes half and then finds the disk full.
    ShortWrite,
    /// A read has half of the bytes, and an object that is read whole is half as long as it was.
    ShortRead,
}

pub const FAULTS: [Fault; 8] = [
    Fault::Error(ENOSPC),
    Fault::Error(EIO),
    Fault::Error(EDQUOT),
    Fault::Error(EMFILE),
    Fault::Error(EINTR),
    Fault::LostReply(EIO),
    Fault::ShortWrite,
    Fault::ShortRead,
];

/// When it goes wrong, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub fault: Fault,
    /// The call, counted from 0.
    pub at: u64,
    /// All later calls as well.
    pub lasts: bool,
}

/// Counts calls, and says which of them fail. Clones share the counter.
#[derive(Clone, Debug)]
pub struct Trigger {
    plan: Option<Plan>,
    calls: Arc<AtomicU64>,
}

impl Trigger {
    pub fn new(plan: Option<Plan>) -> Self {
        Self { plan, calls: Arc::default() }
    }

    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }

    /// The fault of the call that is being made, if it has one.
    pub fn pull(&self) -> Option<Fault> {
        let number = self.calls.fetch_add(1, Ordering::SeqCst);
        let plan = self.plan.filter(|plan| if plan.lasts { number >= plan.at } else { number == plan.at });
        plan.map(|plan| plan.fault)
    }

    /// A call that is neither a read nor a write of content.
    pub fn call<T>(&self, work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        match self.pull() {
            None | Some(Fault::ShortRead) => work(),
            Some(Fault::LostReply(error)) => work().and(Err(io::Error::from_raw_os_error(error))),
            Some(Fault::Error(error)) => Err(io::Error::from_raw_os_error(error)),
            Some(Fault::ShortWrite) => Err(io::Error::from_raw_os_error(ENOSPC)),
        }
    }

    /// A write of content, by `write`.
    pub fn write(&self, bytes: &[u8], mut write: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        match self.pull() {
            None | Some(Fault::ShortRead) => write(bytes),
            Some(Fault::LostReply(error)) => write(bytes).and(Err(io::Error::from_raw_os_error(error))),
            Some(Fault::Error(error)) => Err(io::Error::from_raw_os_error(error)),
            Some(Fault::ShortWrite) => {
                write(bytes.get(..bytes.len() / 2).unwrap_or_default())?;
                Err(io::Error::from_raw_os_error(ENOSPC))
            }
        }
    }

    /// A read that fills a buffer, by `read`.
    pub fn fill(&self, buffer: &mut [u8], read: impl FnOnce(&mut [u8]) -> io::Result<()>) -> io::Result<()> {
        match self.pull() {
            None | Some(Fault::ShortWrite) => read(buffer),
            Some(Fault::ShortRead) => {
                let half = buffer.len() / 2;
                read(buffer.get_mut(..half).unwrap_or_default())?;
                Err(io::ErrorKind::UnexpectedEof.into())
            }
            Some(Fault::Error(error) | Fault::LostReply(error)) => Err(io::Error::from_raw_os_error(error)),
        }
    }
}

/// Clones share the counter.
#[derive(Clone)]
pub struct FaultStore {
    pub store: Arc<dyn Store>,
    pub trigger: Trigger,
}

impl Store for FaultStore {
    fn location(&self) -> String {
        "a store that fails".to_owned()
    }

    fn upload(&self) -> io::Result<Box<dyn Upload>> {
        let upload = self.trigger.call(|| self.store.upload())?;
        Ok(Box::new(FaultUpload { trigger: self.trigger.clone(), upload }))
    }

    fn len(&self, name: &str) -> io::Result<u64> {
        self.trigger.call(|| self.store.len(name))
    }

    fn read_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.trigger.fill(buffer, |buffer| self.store.read_at(name, offset, buffer))
    }

    fn read(&self, name: &str, limit: u64) -> io::Result<Vec<u8>> {
        match self.trigger.pull() {
            None | Some(Fault::ShortWrite) => self.store.read(name, limit),
            Some(Fault::ShortRead) => {
                let bytes = self.store.read(name, limit)?;
                Ok(bytes.get(..bytes.len() / 2).unwrap_or_default().to_vec())
            }
            Some(Fault::Error(error) | Fault::LostReply(error)) => Err(io::Error::from_raw_os_error(error)),
        }
    }

    fn list(&self, prefix: &str) -> io::Result<Vec<Object>> {
        self.trigger.call(|| self.store.list(prefix))
    }

    fn delete(&self, name: &str) -> io::Result<()> {
        self.trigger.call(|| self.store.delete(name))
    }

    fn make_durable(&self, name: &str) -> io::Result<()> {
        self.trigger.call(|| self.store.make_durable(name))
    }

    fn clear_staging(&self) -> io::Result<()> {
        self.trigger.call(|| self.store.clear_staging())
    }

    fn keep_reserve(&self) -> io::Result<()> {
        self.trigger.call(|| self.store.keep_reserve())
    }

    fn reserve_len(&self) -> io::Result<u64> {
        self.trigger.call(|| self.store.reserve_len())
    }

    fn release_reserve(&self) -> io::Result<bool> {
        self.trigger.call(|| self.store.release_reserve())
    }

    fn prepare(&self) -> io::Result<Vacancy> {
        self.trigger.call(|| self.store.prepare())
    }
}

struct FaultUpload {
    trigger: Trigger,
    upload: Box<dyn Upload>,
}

impl Upload for FaultUpload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Self { trigger, upload } = self;
        trigger.write(bytes, |bytes| upload.write(bytes))
    }

    fn publish(self: Box<Self>, name: &str) -> io::Result<()> {
        let Self { trigger, upload } = *self;
        trigger.call(|| upload.publish(name))
    }
}
