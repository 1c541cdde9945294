//! The walk: every entry of the source, in order, beside the same directory of the parent snapshot.
//!
//! Owns the decision what is believed and what is read. The walk is depth first and without recursion, and never reads
//! content. Two thread crossings lie between it and the store: walk ⇒ worker ⇒ packer.

use std::borrow::Cow;
use std::collections::HashMap;
use std::iter::Peekable;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, unbounded};
use mainstay_repo::{
    BlockId, BlockSet, Content, Extent, Node, NodeKind, Session, SnapshotEntry, SnapshotStatistics, TreeReader, limits,
};
use mainstay_sources::{Details, Directory, Entry, Kind, Source, Timestamp, Warning};

use super::buffers::Buffers;
use super::crew::run_beside;
use super::pages::{Change, Shelf};
use super::queue::{Batch, FileTask, Queue};
use super::scan::{Scan, Scanned, Scanner, Ticket};
use super::store_file::{SMALL_FILE_LEN, Stored, Worker, child_path, path_of};
use super::trees::{Above, Trees};
use super::{Ancestry, BackupRun, Warnings};
use crate::convert;
use crate::{Decision, Error, Result};

/// Threads that read and store files. Cold small files need a queue depth of eight.
pub const WORKERS: usize = 8;
/// A batch of small files is closed at this number or at about this many bytes.
pub const BATCH_FILES: usize = 128;
pub const BATCH_BYTES: u64 = 1 << 20;
/// Nodes that may wait for files which are not stored yet; more than the queue holds, so that only a file that takes long
/// makes the walk wait.
pub const NODES_AHEAD: usize = 32 * 1024;

/// What the walk counted.
#[derive(Default)]
pub struct Tally {
    pub statistics: SnapshotStatistics,
    pub warnings: Vec<Warning>,
}

/// The tree as it was stored.
pub struct Walked {
    pub root: Content,
    pub blocks: BlockSet,
    pub tally: Tally,
}

/// Walks the source and stores what is new.
pub fn walk(
    run: &BackupRun<'_>,
    source: &dyn Source,
    session: Option<&Session<'_>>,
    ancestry: &Ancestry<'_>,
) -> Result<Walked> {
    let believed = ancestry.believed;
    let trees = match (believed, session) {
        (None, _) => None,
        // What is believed is relied on later, so only copies count that the session's index leads to.
        (Some(_), Some(session)) => {
            Some(TreeReader::new(run.repository.block_reader(session.index()).without_other_copies()))
        }
        (Some(_), None) => Some(TreeReader::new(run.repository.block_reader(&run.repository.index()?))),
    };
    let copied = run.options.copied.as_ref();
    let expected = copied.map(|copied| &copied.original).or(ancestry.expected.map(|entry| &entry.snapshot));
    let counts = match expected {
        Some(snapshot) => {
            let statistics = snapshot.statistics;
            run.progress.expect(statistics.files, statistics.content_bytes);
            None
        }
        None => Some(run.progress),
    };
    let scanner = Scanner::new(trees.as_ref(), counts);
    let (queue, buffers, warnings) = (Queue::default(), Buffers::default(), Warnings::new(run.options));
    let (sender, results) = unbounded();
    let workers = session.into_iter().flat_map(|session| std::iter::repeat_n(session, WORKERS));
    let workers = workers.map(|session| worker(run, session, (&queue, &buffers), sender.clone(), &warnings)).collect();
    drop(sender);
    let walk = Walk {
        run,
        scanner: &scanner,
        queue: &queue,
        results: &results,
        warnings: &warnings,
        session,
        told_duplicates: 0,
        unmatched: match (believed, ancestry.expected) {
            (None, Some(_)) => Decision::Read,
            _ => Decision::New,
        },
        parent: trees.as_ref(),
        looked: believed.map_or(i64::MIN, |entry| entry.snapshot.started.min(entry.snapshot.ended)),
        present: HashMap::new(),
        trees: Trees::new(Shelf { session, reader: trees.as_ref(), owner_names: run.options.names() }),
        reading: 0,
        statistics: SnapshotStatistics::default(),
    };
    run_beside(&scanner, &queue, workers, || walk.run(source, believed))
}

/// One of the threads that store files.
pub fn worker<'a>(
    run: &'a BackupRun<'_>,
    session: &'a Session<'_>,
    (queue, buffers): (&'a Queue, &'a Buffers),
    results: Sender<Stored>,
    warnings: &'a Warnings,
) -> Worker<'a> {
    Worker {
        session,
        chunker: run.repository.chunker(),
        queue,
        buffers,
        results,
        warnings,
        progress: run.progress,
        cancel: run.cancel,
    }
}

/// The state of the walk.
struct Walk<'a> {
    run: &'a BackupRun<'a>,
    scanner: &'a Scanner<'a>,
    queue: &'a Queue,
    results: &'a Receiver<Stored>,
    warnings: &'a Warnings,
    /// None in a dry run.
    session: Option<&'a Session<'a>>,
    /// Deduplicated bytes that the progress knows of.
    told_duplicates: u64,
    /// What becomes of an entry that no parent snapshot has.
    unmatched: Decision<'static>,
    /// The trees of the parent snapshot.
    parent: Option<&'a TreeReader>,
    /// When the parent began to look at the source: no node of it was recorded earlier. The earlier one of its times,
    /// should its clock have been set back meanwhile.
    looked: i64,
    /// Blocks of the parent that were looked up, and whether they are there.
    present: HashMap<BlockId, bool>,
    trees: Trees<'a>,
    /// Files that were given to the workers and are not stored.
    reading: u64,
    statistics: SnapshotStatistics,
}

/// A directory whose entries are being taken one by one.
struct Frame {
    id: u64,
    directory: Arc<dyn Directory>,
    part: Part,
    batch: Vec<FileTask>,
    batch_bytes: u64,
}

/// Entries of a directory that follow each other: all of them, unless they are very many.
struct Part {
    entries: std::vec::IntoIter<Entry>,
    previous: Peekable<std::vec::IntoIter<Node>>,
    tickets: std::vec::IntoIter<Ticket>,
    rest: Option<Ticket>,
}

impl Walk<'_> {
    fn run(mut self, source: &dyn Source, believed: Option<&SnapshotEntry>) -> Result<Walked> {
        let root = source.root()?;
        let previous = believed.map(|entry| &entry.snapshot.root);
        let scanned = self.scanner.root(root, previous)??;
        let mut frames = vec![self.open(scanned, previous.cloned(), None)];
        while let Some(frame) = frames.last_mut() {
            self.warnings.check()?;
            if let Some(entry) = frame.part.entries.next() {
                if let Some(child) = self.take(frame, entry)? {
                    frames.push(child);
                }
            } else if let Some(rest) = frame.part.rest.take() {
                self.run.cancel.check()?;
                let scanned = self.scanner.take(rest)??;
                frame.part = self.part(frame.id, scanned);
            } else {
                self.close(frame)?;
                frames.pop();
            }
        }
        self.queue.close();
        while let Ok(stored) = self.results.recv() {
            self.fill(stored)?;
        }
        self.run.cancel.check()?;
        self.warnings.check()?;
        let (warnings, count) = self.warnings.take();
        self.statistics.warnings = count;
        let root = self.trees.take_root();
        // A worker that failed leaves directories incomplete; its error is what is reported.
        let root = root.ok_or_else(|| Error::Invalid("internal error: the root is incomplete".to_owned()));
        let root = if self.session.is_some() { root? } else { root.unwrap_or_default() };
        Ok(Walked { root, blocks: self.trees.blocks, tally: Tally { statistics: self.statistics, warnings } })
    }

    fn open(&mut self, scanned: Scanned, previous: Option<Content>, above: Option<Above>) -> Frame {
        let directory = scanned.directory.clone();
        self.run.progress.item(&|| directory.display_path());
        let id = self.trees.open(previous, above);
        Frame { id, directory, part: self.part(id, scanned), batch: Vec::new(), batch_bytes: 0 }
    }

    fn part(&mut self, id: u64, scanned: Scanned) -> Part {
        for left_out in &scanned.left_out {
            let path = || path_of(&*scanned.directory, &left_out.name);
            self.run.progress.decided(Decision::Excluded(&left_out.rule), &path);
        }
        for warning in scanned.warnings {
            self.warnings.add(self.run.progress, warning);
        }
        self.statistics.excluded += scanned.excluded;
        if scanned.beside.is_changed {
            self.trees.mark_changed(id);
        }
        Part {
            entries: scanned.entries.into_iter(),
            previous: scanned.beside.nodes.into_iter().peekable(),
            tickets: scanned.tickets.into_iter(),
            rest: scanned.rest,
        }
    }

    /// Takes one entry; a directory is answered as the next frame.
    fn take(&mut self, frame: &mut Frame, entry: Entry) -> Result<Option<Frame>> {
        if self.trees.waiting() > NODES_AHEAD {
            self.wait_for_workers(frame)?;
        }
        let previous = frame.part.previous.next_if(|node| node.name == entry.name);
        let believed = match &previous {
            Some(node) if self.is_as_it_was(frame, &entry, node) => self.is_present(&node.content)?,
            _ => false,
        };
        let decision = match &previous {
            Some(_) if believed => Decision::Unchanged,
            Some(node) if convert::is_unchanged(&entry, node) => Decision::Read,
            Some(_) => Decision::Changed,
            None => self.unmatched,
        };
        self.run.progress.decided(decision, &|| child_path(&*frame.directory, &entry));
        match entry.kind {
            Kind::Directory => return self.descend(frame, entry, previous, believed),
            Kind::File => self.statistics.files += 1,
            _ => self.statistics.others += 1,
        }
        match previous {
            Some(node) if believed => {
                if entry.kind == Kind::File {
                    self.statistics.files_believed += 1;
                    self.statistics.content_bytes += entry.size;
                    self.statistics.believed_bytes += entry.size;
                    self.run.progress.advance(1, entry.size);
                }
                // Content and attributes are believed, and nothing that the listing says. File systems get new numbers when
                // the machine starts, and all names of one inode must agree on its file system's.
                let device = convert::device(&entry);
                let change = if node.device == device { Change::Same } else { Change::Changed };
                self.trees.add_believed(frame.id, Node { device, ..node }, change)?;
            }
            _ if entry.kind == Kind::File => self.read_later(frame, entry)?,
            _ => match frame.directory.details(&entry) {
                Ok(details) => self.trees.add_changed(frame.id, convert::node(entry, details))?,
                Err(error) => self.warn(&*frame.directory, &entry, &error, frame.id),
            },
        }
        Ok(None)
    }

    /// Whether an entry is what a node of the parent recorded: the source knows it, or else all that its listing says is the same, and
    /// would not be had it changed.
    fn is_as_it_was(&self, frame: &Frame, entry: &Entry, node: &Node) -> bool {
        let is_the_same = convert::is_unchanged(entry, node);
        match frame.directory.is_unchanged(entry) {
            Some(is_known) => is_known && is_the_same,
            None => is_the_same && convert::would_show_change(node, self.looked),
        }
    }

    /// Whether the repository still has every block of a content of the parent: what it has lost is read from the source
    /// again.
    fn is_present(&mut self, content: &Content) -> Result<bool> {
        let Some(parent) = self.parent else { return Ok(false) };
        let extents = if content.lists.is_empty() {
            Cow::Borrowed(&content.extents)
        } else {
            match parent.extents(content) {
                Ok(extents) => Cow::Owned(extents),
                Err(error) if error.kind() == mainstay_repo::Kind::Corrupt => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        };
        for extent in extents.iter() {
            let Extent::Data { block, .. } = extent else { continue };
            let is_known = match self.present.get(block) {
                Some(known) => *known,
                None => {
                    let is_found = is_located(parent, *block)?;
                    self.present.insert(*block, is_found);
                    is_found
                }
            };
            if !is_known {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Goes into a directory, whose own node waits for its content.
    fn descend(
        &mut self,
        frame: &mut Frame,
        mut entry: Entry,
        previous: Option<Node>,
        believed: bool,
    ) -> Result<Option<Frame>> {
        self.statistics.directories += 1;
        self.run.cancel.check()?;
        self.drain()?;
        let Some(ticket) = frame.part.tickets.next() else {
            let message = format!("it is not backed up: no directory deeper than {} is", limits::TREE_DEPTH);
            self.leave_out(&*frame.directory, &entry, message, frame.id);
            return Ok(None);
        };
        // Files before the directory are read before those in it: neighbours stay together.
        self.flush(frame);
        let scan: Scan = self.scanner.take(ticket)?;
        let scanned = match scan {
            Ok(scanned) => scanned,
            Err(error) => {
                self.warn(&*frame.directory, &entry, &error, frame.id);
                return Ok(None);
            }
        };
        // What was something else before has no pages that could serve again.
        let previous = previous.filter(|node| node.kind == NodeKind::Directory);
        let (previous_content, attributes) = match previous {
            Some(node) if believed => (Some(node.content), Some(node.attributes)),
            Some(node) => (Some(node.content), None),
            None => (None, None),
        };
        let details = match attributes {
            Some(attributes) => Details { link_target: None, attributes },
            None => match frame.directory.details(&entry) {
                Ok(details) => details,
                Err(error) => {
                    self.warnings.add(
                        self.run.progress,
                        Warning { path: child_path(&*frame.directory, &entry), message: error.to_string() },
                    );
                    // Never believed, so that the next run tries again.
                    entry.changed = Timestamp::default();
                    Details::default()
                }
            },
        };
        let slot = self.trees.await_node(frame.id);
        let metadata = if believed { Change::Same } else { Change::Changed };
        let above = Above { slot, node: convert::node(entry, details), metadata };
        Ok(Some(self.open(scanned, previous_content, Some(above))))
    }

    fn read_later(&mut self, frame: &mut Frame, entry: Entry) -> Result<()> {
        self.statistics.files_read += 1;
        if self.session.is_none() {
            self.statistics.read_bytes += entry.size;
            self.statistics.content_bytes += entry.size;
            return Ok(());
        }
        let size = entry.size;
        self.reading += 1;
        let task = FileTask { slot: self.trees.await_node(frame.id), entry };
        if size > SMALL_FILE_LEN {
            self.queue.push_large(Batch { directory: frame.directory.clone(), files: vec![task] });
            return self.drain();
        }
        frame.batch.push(task);
        // An empty file costs a batch as much as some bytes do.
        frame.batch_bytes += size + 4096;
        if frame.batch.len() >= BATCH_FILES || frame.batch_bytes >= BATCH_BYTES {
            self.flush(frame);
            self.drain()?;
        }
        Ok(())
    }

    fn flush(&self, frame: &mut Frame) {
        if !frame.batch.is_empty() {
            let files = std::mem::take(&mut frame.batch);
            frame.batch_bytes = 0;
            self.queue.push_small(Batch { directory: frame.directory.clone(), files });
        }
    }

    /// All entries of a directory were taken.
    fn close(&mut self, frame: &mut Frame) -> Result<()> {
        self.flush(frame);
        self.trees.listed(frame.id)
    }

    /// Takes in what workers have done, without waiting.
    fn drain(&mut self) -> Result<()> {
        if self.queue.is_abandoned() {
            // A worker failed; its error is what is reported.
            return Err(Error::Cancelled);
        }
        while let Ok(stored) = self.results.try_recv() {
            self.fill(stored)?;
        }
        if let Some((_, duplicates)) = self.session.map(Session::progress) {
            self.run.progress.deduplicated(duplicates - self.told_duplicates);
            self.told_duplicates = duplicates;
        }
        Ok(())
    }

    /// Waits until the workers have caught up. Something waits for them then: what waits for a directory only is one node in
    /// each that is open.
    fn wait_for_workers(&mut self, frame: &mut Frame) -> Result<()> {
        self.flush(frame);
        while self.trees.waiting() > NODES_AHEAD / 2 && self.reading > 0 {
            // They end early only when one of them failed; its error is what is reported.
            let stored = self.results.recv().map_err(|_| Error::Cancelled)?;
            self.fill(stored)?;
        }
        self.drain()
    }

    fn fill(&mut self, stored: Stored) -> Result<()> {
        self.reading -= 1;
        self.statistics.read_bytes += stored.read_bytes;
        // What a file that changed or a stream came to is known only now.
        match &stored.node {
            Some(node) => self.statistics.content_bytes += node.size,
            None => {
                // It was counted when it was listed, and is not in the snapshot.
                self.statistics.files -= 1;
                self.statistics.files_read -= 1;
            }
        }
        self.trees.fill(stored)
    }

    /// An entry that could not be read is not in the snapshot; the run goes on.
    fn warn(&mut self, directory: &dyn Directory, entry: &Entry, error: &mainstay_sources::Error, id: u64) {
        let message = if error.is_vanished() { "it vanished before it was read".to_owned() } else { error.to_string() };
        self.leave_out(directory, entry, message, id);
    }

    fn leave_out(&mut self, directory: &dyn Directory, entry: &Entry, message: String, id: u64) {
        self.trees.mark_changed(id);
        self.warnings.add(self.run.progress, Warning { path: child_path(directory, entry), message });
    }
}

fn is_located(parent: &TreeReader, block: BlockId) -> Result<bool> {
    match parent.blocks().locate(block) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == mainstay_repo::Kind::Corrupt => Ok(false),
        Err(error) => Err(error.into()),
    }
}
