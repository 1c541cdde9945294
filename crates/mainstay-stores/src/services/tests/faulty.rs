//! A service in memory whose next answers are written down.
//!
//! Owns the faults of calls, in the order in which calls of their kind are made. Decides nothing.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use opendal::Operator;
use opendal::services::Memory;

use super::super::operator::OperatorRemote;
use super::super::remote::{Depth, Found, Listing, Novelty, Remote};
use crate::repeat::Trouble;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    Stat,
    Read,
    Write,
    List,
    Delete,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    None,
    /// It is done, and the answer is lost.
    ReplyLost,
    /// It is not done, and that may pass.
    Broken,
    /// Half of the bytes.
    Cut,
    /// "There is no such thing."
    Absent,
    /// A listing of nothing.
    Empty,
    /// It is not done, and said to be done.
    Ignored,
}

pub type Faults = Arc<Mutex<Vec<(Call, Fault)>>>;

pub struct Faulty {
    remote: OperatorRemote,
    faults: Faults,
}

pub fn in_memory(lists_whole: bool) -> OperatorRemote {
    let operator = Operator::new(Memory::default()).unwrap();
    OperatorRemote::new(operator, lists_whole, Duration::from_secs(60)).unwrap()
}

impl Faulty {
    pub fn over(remote: OperatorRemote) -> Self {
        Self { remote, faults: Faults::default() }
    }

    pub fn with(remote: OperatorRemote, faults: &[(Call, Fault)]) -> Self {
        Self { remote, faults: Arc::new(Mutex::new(faults.to_vec())) }
    }

    pub fn faults(&self) -> Faults {
        Arc::clone(&self.faults)
    }

    fn next(&self, call: Call) -> Fault {
        let mut faults = self.faults.lock().unwrap();
        let at = faults.iter().position(|(of, _)| *of == call);
        at.map_or(Fault::None, |at| faults.remove(at).1)
    }
}

fn broken() -> Trouble {
    Trouble::passing("the connection broke")
}

impl Remote for Faulty {
    fn stat(&self, name: &str) -> Result<Found, Trouble> {
        match self.next(Call::Stat) {
            Fault::Absent => Err(Trouble::lasting(std::io::ErrorKind::NotFound.into())),
            _ => self.remote.stat(name),
        }
    }

    fn read(&self, name: &str, offset: u64, len: u64) -> Result<Vec<u8>, Trouble> {
        match self.next(Call::Read) {
            Fault::Broken => Err(broken()),
            Fault::Cut => self.remote.read(name, offset, len / 2),
            _ => self.remote.read(name, offset, len),
        }
    }

    fn write(&self, name: &str, parts: &[Bytes], novelty: Novelty) -> Result<(), Trouble> {
        match self.next(Call::Write) {
            Fault::Broken => Err(broken()),
            Fault::ReplyLost => self.remote.write(name, parts, novelty).and(Err(broken())),
            Fault::Cut => self.remote.write(name, &[parts[0].slice(..parts[0].len() / 2)], novelty),
            _ => self.remote.write(name, parts, novelty),
        }
    }

    fn list(&self, folder: &str, depth: Depth) -> Result<Listing, Trouble> {
        match self.next(Call::List) {
            Fault::Empty => Ok(Listing::default()),
            _ => self.remote.list(folder, depth),
        }
    }

    fn delete(&self, name: &str) -> Result<(), Trouble> {
        match self.next(Call::Delete) {
            Fault::Ignored => Ok(()),
            _ => self.remote.delete(name),
        }
    }

    fn lists_whole(&self) -> bool {
        self.remote.lists_whole()
    }

    fn refuses_taken(&self) -> bool {
        self.remote.refuses_taken()
    }
}
