//! Reading directories ahead of the walk: the source's listing and, beside it, the parent snapshot's nodes.
//!
//! Owns a few threads and the order in which they read: depth first, like the walk, so that what is ready is what is
//! needed next. Waiting for a cold disk overlaps with work this way. A large directory is read in parts. Safety: the walk never waits for work that nobody
//! has begun, because it then does it itself; the threads stop reading ahead at a bound.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use mainstay_repo::{Content, Node, NodeKind, TreeReader, limits};
use mainstay_sources::{Directory, Entry, Kind, LeftOut, Listing, Rest, Warning};

use super::previous::{Beside, Previous};
use crate::{Error, Outlook, Progress, Result};

/// Threads that read ahead. Listing a cold source tree takes 1.1 s with one and 0.24 s with eight.
pub const SCAN_THREADS: usize = 4;
/// Entries that may be read ahead.
pub const AHEAD: usize = 50_000;

/// A directory, or the rest of one, that somebody will read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ticket(u64);

/// A directory that was read, or a part of one.
pub struct Scanned {
    pub directory: Arc<dyn Directory>,
    pub entries: Vec<Entry>,
    pub warnings: Vec<Warning>,
    pub excluded: u64,
    pub left_out: Vec<LeftOut>,
    /// What the parent snapshot has beside these entries.
    pub beside: Beside,
    /// Where the subdirectories among them will be found, in their order; none for those that lie too deep.
    pub tickets: Vec<Ticket>,
    /// Where the entries that come after these will be found.
    pub rest: Option<Ticket>,
}

/// What the walk gets: a directory that cannot be read is the source's problem, a tree that cannot be read is ours.
pub type Scan = Result<Scanned, mainstay_sources::Error>;

enum Request {
    Subdirectory { parent: Arc<dyn Directory>, name: Vec<u8>, previous: Option<Content>, depth: usize },
    Rest { rest: Box<dyn Rest>, reading: Reading },
}

/// A directory whose entries are not all read yet.
struct Reading {
    directory: Arc<dyn Directory>,
    previous: Previous,
    /// How many directories lie above it.
    depth: usize,
}

#[derive(Default)]
struct State {
    next: u64,
    /// Not begun.
    requested: HashMap<Ticket, Request>,
    /// Tickets to begin, the next one last; those begun by the walk itself are skipped.
    stack: Vec<Ticket>,
    done: HashMap<Ticket, Result<Scan>>,
    entries_ahead: usize,
    /// Subdirectories that were found and not listed yet.
    unlisted: usize,
    /// Threads that wait for something to read: to wake one costs a system call, and often there is none.
    idle: usize,
    /// What the walk waits for.
    awaited: Option<Ticket>,
    closed: bool,
}

/// Shared by the walk and its reading threads.
pub struct Scanner<'a> {
    trees: Option<&'a TreeReader>,
    /// Told what is found, where nothing else says what a run will come to.
    counts: Option<&'a dyn Progress>,
    state: Mutex<State>,
    /// There is something to read, or nothing more to do.
    work: Condvar,
    /// What the walk waits for was read, or will not be.
    ready: Condvar,
}

impl<'a> Scanner<'a> {
    pub fn new(trees: Option<&'a TreeReader>, counts: Option<&'a dyn Progress>) -> Self {
        Self { trees, counts, state: Mutex::default(), work: Condvar::new(), ready: Condvar::new() }
    }

    /// Reads the root; the threads go on from there.
    pub fn root(&self, directory: Arc<dyn Directory>, previous: Option<&Content>) -> Result<Scan> {
        self.tell(Outlook::AtLeast);
        self.lock().unlisted = 1;
        let scan = self.read(directory, previous, 0);
        self.finish_one();
        scan
    }

    /// Takes what was read under a ticket, reading it now if nobody has begun.
    pub fn take(&self, ticket: Ticket) -> Result<Scan> {
        let mut state = self.lock();
        // Whatever is begun by a thread that ended never comes, and may be far ahead: the walk does not go on alone.
        if !state.closed
            && let Some(request) = state.requested.remove(&ticket)
        {
            drop(state);
            return self.serve(request);
        }
        loop {
            if let Some(scan) = state.done.remove(&ticket) {
                state.awaited = None;
                let was_full = state.entries_ahead >= AHEAD;
                state.entries_ahead = state.entries_ahead.saturating_sub(weight(&scan));
                if was_full && state.entries_ahead < AHEAD {
                    self.work.notify_all();
                }
                return scan;
            }
            if state.closed {
                return Err(Error::Invalid("internal error: a thread that reads directories ended".to_owned()));
            }
            state.awaited = Some(ticket);
            state = self.ready.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// One reading thread; returns when the scanner is closed.
    pub fn run(&self) {
        // Should this thread panic, nobody waits for what it had begun.
        let _closing = Closing(self);
        let mut state = self.lock();
        while !state.closed {
            let next = if state.entries_ahead < AHEAD { state.stack.pop() } else { None };
            let Some(ticket) = next else {
                state.idle += 1;
                state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.idle -= 1;
                continue;
            };
            let Some(request) = state.requested.remove(&ticket) else { continue };
            drop(state);
            let scan = self.serve(request);
            state = self.lock();
            state.entries_ahead += weight(&scan);
            state.done.insert(ticket, scan);
            if state.awaited == Some(ticket) {
                self.ready.notify_one();
            }
        }
    }

    /// Ends the reading threads.
    pub fn close(&self) {
        self.lock().closed = true;
        self.work.notify_all();
        self.ready.notify_all();
    }

    fn serve(&self, request: Request) -> Result<Scan> {
        let scan = match request {
            Request::Subdirectory { parent, name, previous, depth } => match parent.open_dir(&name) {
                Ok(directory) => self.read(directory, previous.as_ref(), depth),
                Err(error) => Ok(Err(error)),
            },
            Request::Rest { rest, reading } => self.complete(rest.list(), reading).map(Ok),
        };
        self.finish_one();
        scan
    }

    /// One listing is there; the last one, whoever makes it, completes what is expected.
    fn finish_one(&self) {
        let mut state = self.lock();
        state.unlisted -= 1;
        let is_all = state.unlisted == 0;
        drop(state);
        if is_all {
            self.tell(Outlook::InAll);
        }
    }

    fn tell(&self, outlook: Outlook) {
        if let Some(progress) = self.counts {
            progress.outlook(outlook);
        }
    }

    fn count(&self, listing: &Listing) {
        if let Some(progress) = self.counts {
            let files = listing.entries.iter().filter(|entry| entry.kind == Kind::File);
            let (files, bytes) =
                files.fold((0, 0_u64), |(files, bytes), file| (files + 1, bytes.saturating_add(file.size)));
            progress.expect(files, bytes);
        }
    }

    fn read(&self, directory: Arc<dyn Directory>, previous: Option<&Content>, depth: usize) -> Result<Scan> {
        let listing = match directory.list() {
            Ok(listing) => listing,
            Err(error) => return Ok(Err(error)),
        };
        let previous = match (self.trees, previous) {
            (Some(trees), Some(content)) => Previous::open(trees, content)?,
            _ => Previous::default(),
        };
        self.complete(listing, Reading { directory, previous, depth }).map(Ok)
    }

    /// Adds to a listing what the parent has, and asks for what comes next.
    fn complete(&self, listing: Listing, mut reading: Reading) -> Result<Scanned> {
        self.count(&listing);
        let Listing { entries, warnings, excluded, left_out, rest } = listing;
        let mut beside = match self.trees {
            Some(trees) => reading.previous.take_beside(trees, &entries)?,
            None => Beside::default(),
        };
        let directory = reading.directory.clone();
        let subdirectories = subdirectories(&reading, &entries, &beside.nodes);
        if rest.is_none() {
            beside.is_changed |= !reading.previous.is_at_end();
        }
        let rest = rest.map(|rest| Request::Rest { rest, reading });
        let (tickets, rest) = self.request(subdirectories, rest);
        Ok(Scanned { directory, entries, warnings, excluded, left_out, beside, tickets, rest })
    }

    /// Asks for subdirectories, and for the rest of their directory after them.
    fn request(&self, subdirectories: Vec<Request>, rest: Option<Request>) -> (Vec<Ticket>, Option<Ticket>) {
        let count = subdirectories.len() + usize::from(rest.is_some());
        if count == 0 {
            return (Vec::new(), None);
        }
        let mut state = self.lock();
        let first = state.next;
        state.next += count as u64;
        state.unlisted += count;
        let mut tickets: Vec<Ticket> = (first..state.next).map(Ticket).collect();
        state.stack.extend(tickets.iter().rev());
        let has_rest = rest.is_some();
        state.requested.extend(tickets.iter().copied().zip(subdirectories.into_iter().chain(rest)));
        let woken = state.idle.min(count);
        drop(state);
        (0..woken).for_each(|_| self.work.notify_one());
        let rest = if has_rest { tickets.pop() } else { None };
        (tickets, rest)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes the scanner when a reading thread ends.
struct Closing<'s, 'a>(&'s Scanner<'a>);

impl Drop for Closing<'_, '_> {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// One request for each directory among the entries. One that lies too deep is not asked for, so that nobody reads ahead
/// there.
fn subdirectories(reading: &Reading, entries: &[Entry], previous: &[Node]) -> Vec<Request> {
    let depth = reading.depth + 1;
    if depth >= limits::TREE_DEPTH {
        return Vec::new();
    }
    let directories = entries.iter().filter(|entry| entry.kind == Kind::Directory);
    let request = |entry: &Entry| Request::Subdirectory {
        parent: reading.directory.clone(),
        name: entry.name.clone(),
        previous: find_directory(previous, &entry.name).map(|node| node.content.clone()),
        depth,
    };
    directories.map(request).collect()
}

fn find_directory<'n>(nodes: &'n [Node], name: &[u8]) -> Option<&'n Node> {
    let position = nodes.binary_search_by(|node| node.name.as_slice().cmp(name)).ok()?;
    nodes.get(position).filter(|node| node.kind == NodeKind::Directory)
}

fn weight(scan: &Result<Scan>) -> usize {
    match scan {
        Ok(Ok(scanned)) => scanned.entries.len() + 1,
        _ => 1,
    }
}
