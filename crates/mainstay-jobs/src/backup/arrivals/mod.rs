//! Arrivals: a tar archive becomes a snapshot, though its members come in any order and only once.
//!
//! Owns the order of it: each content is stored as it comes, by the workers that store files; names and metadata are kept until the
//! archive is at its end, and written as trees then. Memory grows with the members and not with their content. Invariant: an archive that
//! is damaged or cut short ends the run, a member that cannot be kept is a warning.

mod content;
mod names;
mod owners;

use std::collections::HashMap;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, unbounded};
use mainstay_repo::{Node, Session, SnapshotStatistics};
use mainstay_sources::{Entry, Run, Warning};

pub use content::TarInput;
use content::{Arrived, Waiting};
use names::{Entries, Names, Place, parts};
use owners::Owners;

use super::buffers::Buffers;
use super::crew::run_workers_beside;
use super::pages::{Change, Shelf};
use super::queue::{Batch, FileTask, Queue, Slot};
use super::store_file::{SMALL_FILE_LEN, Stored, Worker};
use super::trees::{Above, Trees};
use super::walk::{BATCH_BYTES, BATCH_FILES, Tally, WORKERS, Walked, worker};
use super::{Ancestry, BackupRun, Warnings};
use crate::convert;
use crate::import::{Member, What};
use crate::{Decision, Error, Result};

/// Longest path in a warning, in bytes.
const SHOWN_LEN: usize = 4096;

/// Stores what an archive holds.
///
/// # Errors
/// When the archive is damaged or cut short, the repository fails, or the run is cancelled.
pub fn take_in(
    run: &BackupRun<'_>,
    input: &TarInput,
    session: Option<&Session<'_>>,
    ancestry: &Ancestry<'_>,
) -> Result<Walked> {
    if let Some(expected) = ancestry.expected {
        let statistics = expected.snapshot.statistics;
        run.progress.expect(statistics.files, statistics.content_bytes);
    }
    let (queue, buffers, warnings) = (Queue::default(), Buffers::default(), Warnings::new(run.options));
    let (sender, results) = unbounded();
    let new = |session, sender: &Sender<Stored>| worker(run, session, (&queue, &buffers), sender.clone(), &warnings);
    let sessions = session.into_iter().flat_map(|session| std::iter::repeat_n(session, WORKERS));
    let workers = sessions.map(|session| new(session, &sender)).collect();
    let arrivals = Arrivals {
        run,
        input,
        session,
        own: session.map(|session| new(session, &sender)),
        queue: &queue,
        results: &results,
        warnings: &warnings,
        decision: if ancestry.expected.is_some() { Decision::Read } else { Decision::New },
        names: Names::new(),
        owners: Owners::new(&run.options.owner_names),
        batch: Vec::new(),
        waiting: HashMap::new(),
        waiting_bytes: 0,
        told_duplicates: 0,
        is_told: false,
        statistics: SnapshotStatistics::default(),
    };
    drop(sender);
    run_workers_beside(&queue, workers, || arrivals.run())
}

struct Arrivals<'a> {
    run: &'a BackupRun<'a>,
    input: &'a TarInput,
    /// None in a dry run.
    session: Option<&'a Session<'a>>,
    /// Reads large files on this thread, since nothing else of the archive can be read meanwhile.
    own: Option<Worker<'a>>,
    queue: &'a Queue,
    results: &'a Receiver<Stored>,
    warnings: &'a Warnings,
    decision: Decision<'static>,
    names: Names,
    owners: Owners<'a>,
    /// Small files that are not given to a worker yet, and what they hold.
    batch: Vec<FileTask>,
    waiting: HashMap<u64, Arrived>,
    waiting_bytes: u64,
    /// Deduplicated bytes that the progress knows of.
    told_duplicates: u64,
    /// Whether it was told that names lose their first `/`.
    is_told: bool,
    statistics: SnapshotStatistics,
}

impl Arrivals<'_> {
    fn run(mut self) -> Result<Walked> {
        while let Some(member) = self.input.next_member(&self.owners)? {
            self.run.cancel.check()?;
            self.owners.add(&member);
            self.take(member)?;
            self.drain()?;
        }
        if self.input.has_more() {
            let message = "something follows the end of the archive, and was not imported: archives that were joined are \
                           imported one by one";
            self.warn(self.input.name().as_bytes(), message.to_owned());
        }
        self.flush();
        // With this thread's own sender gone, the results end when the workers do.
        self.own = None;
        self.queue.close();
        while let Ok(stored) = self.results.recv() {
            self.fill(stored);
        }
        self.run.cancel.check()?;
        self.complete()
    }

    fn take(&mut self, member: Member) -> Result<()> {
        let path = member.path.clone();
        self.run.progress.item(&|| shown(&path));
        for problem in &member.problems {
            self.warn(&path, problem.clone());
        }
        match self.place(member) {
            Ok(Some(file)) => self.store(file),
            Ok(None) => Ok(()),
            Err(fault) => {
                self.warn(&path, fault);
                Ok(())
            }
        }
    }

    /// Gives a member its name; answers a file whose content comes next. The other result is why it has none.
    fn place(&mut self, member: Member) -> Result<Option<File>, String> {
        let Member { path, what, mut entry, details, runs, .. } = member;
        let found = parts(&path)?;
        if found.is_absolute && !std::mem::replace(&mut self.is_told, true) {
            self.run.progress.warn(&shown(&path), "names in the archive begin with `/`, and are taken without it");
        }
        if details.link_target.as_ref().is_some_and(|target| {
            target.is_empty() || target.contains(&0) || target.len() > mainstay_repo::limits::LINK_TARGET_LEN
        }) {
            return Err("no symbolic link can lead where it does: it is left out".to_owned());
        }
        let is_file = entry.kind == mainstay_sources::Kind::File;
        entry.name = found.names.last().map(|name| name.to_vec()).unwrap_or_default();
        match what {
            What::Unknown(kind) => {
                let kind = char::from(kind).escape_default();
                return Err(format!("a member of type `{kind}`, which has no form in a snapshot: it is left out"));
            }
            What::Link(target) => {
                let target = parts(&target).map_err(|fault| format!("the other name that it links to: {fault}"))?;
                let like = convert::node(entry, details);
                self.names.add_link(&found.names, &target.names, &like)?;
            }
            What::Entry if is_file => {
                let like = convert::node(entry.clone(), details.clone());
                let number = self.names.add_file(&found.names, &like)?;
                entry.inode = number as u64;
                let above = path.len() - path.rsplit(|byte| *byte == b'/').next().map_or(0, <[u8]>::len);
                let above = shown(path.get(..above).unwrap_or_default());
                self.tell(&path);
                return Ok(Some(File { number, entry, details, runs, above }));
            }
            What::Entry => {
                let node = convert::node(entry, details);
                if node.kind == mainstay_repo::NodeKind::Directory {
                    self.names.add_directory(&found.names, node)?;
                } else {
                    let number = self.names.add_file(&found.names, &node)?;
                    self.names.fill(number, node, Vec::new());
                }
            }
        }
        self.tell(&path);
        Ok(None)
    }

    fn tell(&self, path: &[u8]) {
        self.run.progress.decided(self.decision, &|| shown(path));
    }

    /// Stores the content that comes next in the archive, or gives it to a worker.
    fn store(&mut self, file: File) -> Result<()> {
        let File { number, entry, details, runs, above } = file;
        let Some(own) = &self.own else {
            self.statistics.read_bytes = self.statistics.read_bytes.saturating_add(data_len(&runs));
            self.names.fill(number, convert::node(entry, details), Vec::new());
            return Ok(());
        };
        let slot = Slot { directory: 0, position: number };
        let task = FileTask { slot, entry: entry.clone() };
        if entry.size > SMALL_FILE_LEN {
            let arrived = self.input.content(entry, details, runs);
            let directory = Arc::new(Waiting::new(above, HashMap::from([(number as u64, arrived)])));
            own.store_large_files(Batch { directory, files: vec![task] })?;
            return self.input.check();
        }
        let len = data_len(&runs);
        // No more than the file is long, since a map of holes stays within it.
        let bytes = self.input.read_small(usize::try_from(len).unwrap_or_default())?;
        self.waiting.insert(number as u64, Arrived::in_memory(bytes, entry, details, runs));
        self.batch.push(task);
        // An empty file costs a batch as much as some bytes do.
        self.waiting_bytes += len + 4096;
        if self.batch.len() >= BATCH_FILES || self.waiting_bytes >= BATCH_BYTES {
            self.flush();
        }
        Ok(())
    }

    fn flush(&mut self) {
        if !self.batch.is_empty() {
            self.waiting_bytes = 0;
            let directory = Arc::new(Waiting::new(String::new(), std::mem::take(&mut self.waiting)));
            self.queue.push_small(Batch { directory, files: std::mem::take(&mut self.batch) });
        }
    }

    /// Takes in what workers have done, without waiting.
    fn drain(&mut self) -> Result<()> {
        if self.queue.is_abandoned() {
            // A worker failed; its error is what is reported.
            return Err(Error::Cancelled);
        }
        while let Ok(stored) = self.results.try_recv() {
            self.fill(stored);
        }
        if let Some((_, duplicates)) = self.session.map(Session::progress) {
            self.run.progress.deduplicated(duplicates - self.told_duplicates);
            self.told_duplicates = duplicates;
        }
        Ok(())
    }

    fn fill(&mut self, stored: Stored) {
        self.statistics.read_bytes = self.statistics.read_bytes.saturating_add(stored.read_bytes);
        if let Some(node) = stored.node {
            self.names.fill(stored.slot.position, node, stored.blocks);
        }
    }

    fn warn(&self, path: &[u8], message: String) {
        self.warnings.add(self.run.progress, Warning { path: shown(path), message });
    }

    /// Everything has come: links are settled, and the tree is stored.
    fn complete(mut self) -> Result<Walked> {
        for (path, fault) in self.names.settle_links() {
            self.warn(&path, fault);
        }
        let shelf = Shelf { session: self.session, reader: None, owner_names: &self.owners };
        let mut trees = Trees::new(shelf);
        let writing =
            Writing { names: &mut self.names, statistics: &mut self.statistics, trees: &mut trees, inodes: 0 };
        writing.run(self.run)?;
        let (warnings, count) = self.warnings.take();
        self.statistics.warnings = count;
        let root =
            trees.take_root().ok_or_else(|| Error::Invalid("internal error: the root is incomplete".to_owned()))?;
        Ok(Walked { root, blocks: trees.blocks, tally: Tally { statistics: self.statistics, warnings } })
    }
}

/// A file whose content comes next.
struct File {
    number: usize,
    entry: Entry,
    details: mainstay_sources::Details,
    runs: Vec<Run>,
    /// The directory that it is in, as it is shown.
    above: String,
}

/// The tree on its way into the repository: depth first, names in order, without recursion.
struct Writing<'w, 'a> {
    names: &'w mut Names,
    statistics: &'w mut SnapshotStatistics,
    trees: &'w mut Trees<'a>,
    /// How many numbers were given to files with several names.
    inodes: u64,
}

impl Writing<'_, '_> {
    fn run(mut self, run: &BackupRun<'_>) -> Result<()> {
        let (_, entries) = self.names.take_directory(0);
        let mut open: Vec<(u64, <Entries as IntoIterator>::IntoIter)> =
            vec![(self.trees.open(None, None), entries.into_iter())];
        while let Some((directory, entries)) = open.last_mut() {
            let directory = *directory;
            match entries.next() {
                None => {
                    open.pop();
                    self.trees.listed(directory)?;
                }
                Some((name, Place::Directory(below))) => {
                    run.cancel.check()?;
                    self.statistics.directories += 1;
                    let (node, entries) = self.names.take_directory(below);
                    let slot = self.trees.await_node(directory);
                    let above = Above { slot, node: Node { name, ..node }, metadata: Change::Changed };
                    open.push((self.trees.open(None, Some(above)), entries.into_iter()));
                }
                Some((name, Place::File(file))) => self.file(directory, name, file)?,
            }
        }
        Ok(())
    }

    fn file(&mut self, directory: u64, name: Vec<u8>, number: usize) -> Result<()> {
        let lost = || Error::Invalid("internal error: a file of the archive was not stored".to_owned());
        let file = self.names.file(number).ok_or_else(lost)?;
        if file.names > 1 && file.inode == 0 {
            self.inodes += 1;
            file.inode = self.inodes;
        }
        let node = if file.names > 1 { file.node.clone() } else { file.node.take() }.ok_or_else(lost)?;
        let node = Node { name, links: file.names, inode: file.inode, ..node };
        let blocks = match node.content.lists.is_empty() {
            true => super::store_file::blocks_of(&node.content.extents),
            false => file.blocks.clone(),
        };
        match node.kind {
            mainstay_repo::NodeKind::File => {
                self.statistics.files += 1;
                self.statistics.files_read += 1;
                self.statistics.content_bytes = self.statistics.content_bytes.saturating_add(node.size);
            }
            _ => self.statistics.others += 1,
        }
        let slot = self.trees.await_node(directory);
        self.trees.fill(Stored { slot, node: Some(node), blocks, read_bytes: 0 })
    }
}

fn data_len(runs: &[Run]) -> u64 {
    let lens = runs.iter().map(|run| if let Run::Data { len } = run { *len } else { 0 });
    lens.fold(0, u64::saturating_add)
}

/// A path for people, cut where it is very long.
fn shown(path: &[u8]) -> String {
    match path.get(..SHOWN_LEN) {
        Some(begin) => format!("{}…", String::from_utf8_lossy(begin)),
        None => String::from_utf8_lossy(path).into_owned(),
    }
}

#[cfg(test)]
mod tests;
