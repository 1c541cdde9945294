//! Writing a snapshot, or a part of it, as a tar archive that every tar reads; `zip` writes the other form.
//!
//! Owns what becomes of a node: a header, records of what the header cannot hold (`pax`), the content, holes left out
//! (`sparse`). Writes in one pass, in the order of the tree, and needs memory for the names of files with several names alone.

mod acl;
mod pax;
mod sparse;
mod zip;

use std::collections::HashMap;
use std::io::{self, Write};

use mainstay_repo::{Content, Error as RepositoryError, Extent, Node, NodeKind, Owners, TreeReader};

use crate::browse::{BlockBuffer, Descend, Visitor, extents, walk};
use crate::{Cancel, Error, Progress, Result};
use pax::Records;
pub use zip::export_zip;

#[cfg(test)]
pub use acl::text as access_list;
#[cfg(test)]
mod tests;

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExportReport {
    pub entries: u64,
    /// Bytes of the archive, before anything compresses it.
    pub bytes: u64,
    /// Entries that tar has no form for: sockets.
    pub left_out: u64,
}

/// Writes everything beneath a directory, or one entry with what is beneath it.
///
/// # Errors
/// The first error of the repository or the output: an archive with a gap would pass for whole.
pub fn export(
    trees: &TreeReader,
    what: &Exported<'_>,
    out: &mut dyn Write,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<ExportReport> {
    let out = Counted { out, written: 0 };
    let mut archive = Archive { trees, progress, cancel, out, names: HashMap::new(), report: ExportReport::default() };
    what.show(trees, &mut archive)?;
    archive.finish()
}

/// What is exported; names in the archive begin there.
pub enum Exported<'a> {
    Beneath(&'a Content),
    Entry(&'a Node, &'a Owners),
}

impl Exported<'_> {
    /// Shows it to whoever writes an archive.
    fn show(&self, trees: &TreeReader, archive: &mut impl Visitor) -> Result<()> {
        match self {
            Self::Beneath(directory) => walk(trees, b"", directory, archive),
            Self::Entry(node, owners) => {
                archive.node(&node.name, node, owners)?;
                if node.kind != NodeKind::Directory {
                    return Ok(());
                }
                walk(trees, &node.name, &node.content, archive)
            }
        }
    }
}

struct Archive<'a> {
    trees: &'a TreeReader,
    progress: &'a dyn Progress,
    cancel: &'a Cancel,
    out: Counted<'a>,
    /// The first name of each file that has several, by device and inode.
    names: HashMap<(u64, u64), Vec<u8>>,
    report: ExportReport,
}

impl Visitor for Archive<'_> {
    fn node(&mut self, path: &[u8], node: &Node, owners: &Owners) -> Result<Descend> {
        if node.kind == NodeKind::Socket {
            self.report.left_out += 1;
            self.progress.warn(&String::from_utf8_lossy(path), "tar has no form for sockets: it is left out");
            return Ok(Descend::Into);
        }
        self.cancel.check()?;
        self.progress.item(&|| String::from_utf8_lossy(path).into_owned());
        self.report.entries += 1;
        match self.first_name(path, node) {
            Some(first) => {
                let mut records = Records::of(node);
                records.link(&first);
                self.head(path, tar::EntryType::Link, (node, owners), (0, records))?;
            }
            None => self.entry(path, node, owners)?,
        }
        Ok(Descend::Into)
    }
}

impl Archive<'_> {
    /// The name under which a file with several names is in the archive already.
    fn first_name(&mut self, path: &[u8], node: &Node) -> Option<Vec<u8>> {
        if node.kind == NodeKind::Directory || node.links <= 1 {
            return None;
        }
        match self.names.entry((node.device, node.inode)) {
            std::collections::hash_map::Entry::Occupied(first) => Some(first.get().clone()),
            std::collections::hash_map::Entry::Vacant(free) => {
                free.insert(path.to_vec());
                None
            }
        }
    }

    fn entry(&mut self, path: &[u8], node: &Node, owners: &Owners) -> Result<()> {
        let kind = match node.kind {
            NodeKind::File => return self.file(path, node, owners),
            NodeKind::Directory => tar::EntryType::Directory,
            NodeKind::Symlink => tar::EntryType::Symlink,
            NodeKind::CharacterDevice => tar::EntryType::Char,
            NodeKind::BlockDevice => tar::EntryType::Block,
            NodeKind::Fifo | NodeKind::Socket => tar::EntryType::Fifo,
        };
        let mut records = Records::of(node);
        if node.kind == NodeKind::Symlink {
            records.link(node.link_target.as_deref().unwrap_or_default());
        }
        let mut name = path.to_vec();
        if node.kind == NodeKind::Directory {
            name.push(b'/');
        }
        self.head(&name, kind, (node, owners), (0, records))
    }

    fn file(&mut self, path: &[u8], node: &Node, owners: &Owners) -> Result<()> {
        let map = sparse::Map::of(extents(self.trees, &node.content))?;
        if map.len() != node.size {
            let problem = format!("expected {} bytes, got {}", node.size, map.len());
            return Err(RepositoryError::damaged("export", String::from_utf8_lossy(path), problem).into());
        }
        let mut records = Records::of(node);
        let (name, front) = if map.has_holes() {
            records.sparse(path, node.size);
            (sparse::stand_in(path), map.encode())
        } else {
            (path.to_vec(), Vec::new())
        };
        let len = front.len() as u64 + map.data_len();
        self.head(&name, tar::EntryType::Regular, (node, owners), (len, records))?;
        self.out.write_all(&front).map_err(output)?;
        let mut buffer = BlockBuffer::new(self.trees);
        for extent in extents(self.trees, &node.content) {
            let extent = extent?;
            if let Extent::Data { block, offset, len } = extent {
                self.cancel.check()?;
                self.out.write_all(buffer.read(block, offset, len)?).map_err(output)?;
            }
            self.progress.advance(0, extent.content_len());
        }
        self.progress.advance(1, 0);
        self.out.pad().map_err(output)
    }

    /// Writes the records that are needed, then the header.
    fn head(
        &mut self,
        name: &[u8],
        kind: tar::EntryType,
        (node, owners): (&Node, &Owners),
        (len, mut records): (u64, Records),
    ) -> Result<()> {
        let header = pax::header(name, kind, (node, owners), len, &mut records);
        let records = records.encode();
        if !records.is_empty() {
            let mut before = tar::Header::new_ustar();
            before.set_entry_type(tar::EntryType::XHeader);
            before.set_size(records.len() as u64);
            before.set_mode(0o644);
            pax::set_name(&mut before, b"././@PaxHeader");
            before.set_cksum();
            self.out.write_all(before.as_bytes()).map_err(output)?;
            self.out.write_all(&records).map_err(output)?;
            self.out.pad().map_err(output)?;
        }
        self.out.write_all(header.as_bytes()).map_err(output)
    }

    /// Two empty blocks end an archive.
    fn finish(mut self) -> Result<ExportReport> {
        self.out.write_all(&[0; 2 * BLOCK]).map_err(output)?;
        self.out.out.flush().map_err(output)?;
        Ok(ExportReport { bytes: self.out.written, ..self.report })
    }
}

/// What headers and contents are padded to.
const BLOCK: usize = 512;

/// An output that knows where in a block it is.
struct Counted<'a> {
    out: &'a mut dyn Write,
    written: u64,
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.written += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Counted<'_> {
    fn pad(&mut self) -> io::Result<()> {
        let over = (self.written % BLOCK as u64) as usize;
        if over == 0 { Ok(()) } else { self.write_all(&[0; BLOCK][over..]) }
    }
}

fn output(source: io::Error) -> Error {
    RepositoryError::Store { verb: "write", name: "the output".to_owned(), source }.into()
}
