//! Writing a snapshot, or a part of it, as a zip archive that every unzip reads.
//!
//! Owns what becomes of a node there, and telling once what zip has no form for. Writes in one pass, so that the archive can go through a pipe:
//! the lengths of large files stand behind them. Needs memory for the names, which stand at the end once more.

mod layout;

use std::io::Write;

use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};
use mainstay_repo::{Error as RepositoryError, Extent, Node, NodeKind, Owners, TreeReader};

use super::{Counted, ExportReport, Exported, output};
use crate::browse::{BlockBuffer, Descend, Visitor, extents};
use crate::{Cancel, Progress, Result};
use layout::{Member, Method};

#[cfg(test)]
mod tests;

/// A file up to this length is compressed in memory, so that its lengths stand before it and it is stored where that is shorter.
const SMALL_LEN: u64 = 1 << 20;
/// Bytes of a hole that are written at once.
const ZEROS: &[u8] = &[0; 64 << 10];
/// Longest name: its length has 16 bits.
const NAME_LEN: usize = 65_535;

/// Writes everything beneath a directory, or one entry with what is beneath it.
///
/// # Errors
/// The first error of the repository or the output: an archive with a gap would pass for whole.
pub fn export_zip(
    trees: &TreeReader,
    what: &Exported<'_>,
    out: &mut dyn Write,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<ExportReport> {
    let out = Counted { out, written: 0 };
    let mut archive = Zip {
        trees,
        progress,
        cancel,
        out,
        central: Vec::new(),
        lost: Lost::default(),
        report: ExportReport::default(),
    };
    what.show(trees, &mut archive)?;
    archive.finish()
}

struct Zip<'a> {
    trees: &'a TreeReader,
    progress: &'a dyn Progress,
    cancel: &'a Cancel,
    out: Counted<'a>,
    /// The directory at the end of the archive, as far as it is known.
    central: Vec<u8>,
    lost: Lost,
    report: ExportReport,
}

/// Entries of which something is lost.
#[derive(Default)]
struct Lost {
    attributes: u64,
    links: u64,
    names: u64,
}

impl Visitor for Zip<'_> {
    fn node(&mut self, path: &[u8], node: &Node, _: &Owners) -> Result<Descend> {
        self.cancel.check()?;
        let shown = || String::from_utf8_lossy(path).into_owned();
        self.progress.item(&shown);
        if path.len() > NAME_LEN - 1 {
            self.report.left_out += 1;
            self.progress.warn(&shown(), "zip has no form for names as long as this one: it is left out");
            return Ok(Descend::Into);
        }
        match node.kind {
            NodeKind::File => self.file(path, node)?,
            NodeKind::Directory => self.short(&[path, b"/"].concat(), node, b"")?,
            NodeKind::Symlink => self.short(path, node, node.link_target.as_deref().unwrap_or_default())?,
            NodeKind::CharacterDevice | NodeKind::BlockDevice | NodeKind::Fifo | NodeKind::Socket => {
                self.report.left_out += 1;
                self.progress.warn(&shown(), "zip has no form for devices, FIFOs and sockets: it is left out");
                return Ok(Descend::Into);
            }
        }
        self.report.entries += 1;
        self.lost.attributes += u64::from(!node.attributes.is_empty());
        self.lost.links += u64::from(node.kind != NodeKind::Directory && node.links > 1);
        self.lost.names += u64::from(std::str::from_utf8(path).is_err());
        Ok(Descend::Into)
    }
}

impl Zip<'_> {
    fn file(&mut self, path: &[u8], node: &Node) -> Result<()> {
        if node.size > SMALL_LEN {
            self.long(path, node)?;
        } else {
            let mut content = Vec::new();
            self.read(path, node, &mut |bytes| {
                content.extend_from_slice(bytes);
                Ok(())
            })?;
            self.short(path, node, &content)?;
        }
        self.progress.advance(1, 0);
        Ok(())
    }

    /// Writes an entry whose content is in memory.
    fn short(&mut self, path: &[u8], node: &Node, content: &[u8]) -> Result<()> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(content).map_err(output)?;
        let deflated = encoder.finish().map_err(output)?;
        // A link is read by some programs without undoing anything.
        let is_stored = deflated.len() >= content.len() || node.kind != NodeKind::File;
        let (method, stored) = if is_stored { (Method::Stored, content) } else { (Method::Deflated, &deflated[..]) };
        let mut crc = Crc::new();
        crc.update(content);
        let mut member = Member::new(path, node, method, self.out.written);
        (member.crc, member.stored, member.size) = (crc.sum(), stored.len() as u64, content.len() as u64);
        self.out.write_all(&member.local()).map_err(output)?;
        self.out.write_all(stored).map_err(output)?;
        self.central.extend(member.central());
        Ok(())
    }

    /// Writes a file as it is read; checksum and lengths come behind it.
    fn long(&mut self, path: &[u8], node: &Node) -> Result<()> {
        let mut member = Member::new(path, node, Method::Deflated, self.out.written);
        member.has_descriptor = true;
        member.size = node.size;
        self.out.write_all(&member.local()).map_err(output)?;
        let begin = self.out.written;
        let mut crc = Crc::new();
        let out = Counted { out: &mut *self.out.out, written: begin };
        let mut encoder = DeflateEncoder::new(out, Compression::default());
        read(self.trees, (self.progress, self.cancel), (path, node), &mut |bytes| {
            crc.update(bytes);
            encoder.write_all(bytes).map_err(output)
        })?;
        self.out.written = encoder.finish().map_err(output)?.written;
        member.crc = crc.sum();
        member.stored = self.out.written - begin;
        self.out.write_all(&member.descriptor()).map_err(output)?;
        self.central.extend(member.central());
        Ok(())
    }

    fn read(&self, path: &[u8], node: &Node, take: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        read(self.trees, (self.progress, self.cancel), (path, node), take)
    }

    fn finish(mut self) -> Result<ExportReport> {
        self.tell_lost();
        let start = self.out.written;
        self.out.write_all(&self.central).map_err(output)?;
        let end = layout::end(self.report.entries, start, self.central.len() as u64);
        self.out.write_all(&end).map_err(output)?;
        self.out.out.flush().map_err(output)?;
        Ok(ExportReport { bytes: self.out.written, ..self.report })
    }

    fn tell_lost(&self) {
        let lost = [
            (self.lost.attributes, "extended attributes and access lists: those of", "left out"),
            (self.lost.links, "hard links:", "copies of each other"),
            (self.lost.names, "names that are no UTF-8:", "named by their bytes"),
        ];
        for (count, what, become_of) in lost.into_iter().filter(|(count, ..)| *count > 0) {
            let (entries, are) = if count == 1 { ("entry", "is") } else { ("entries", "are") };
            self.progress.warn("zip", &format!("it has no form for {what} {count} {entries} {are} {become_of}"));
        }
    }
}

/// Reads a file, holes included.
fn read(
    trees: &TreeReader,
    (progress, cancel): (&dyn Progress, &Cancel),
    (path, node): (&[u8], &Node),
    take: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let mut buffer = BlockBuffer::new(trees);
    let mut len = 0_u64;
    for extent in extents(trees, &node.content) {
        let extent = extent?;
        len = len.saturating_add(extent.content_len());
        if len > node.size {
            break;
        }
        match extent {
            Extent::Data { block, offset, len } => {
                cancel.check()?;
                take(buffer.read(block, offset, len)?)?;
            }
            Extent::Hole { len: mut left } => {
                while left > 0 {
                    cancel.check()?;
                    let part = usize::try_from(left).unwrap_or(ZEROS.len()).min(ZEROS.len());
                    take(ZEROS.get(..part).unwrap_or_default())?;
                    left -= part as u64;
                }
            }
        }
        progress.advance(0, extent.content_len());
    }
    if len == node.size {
        return Ok(());
    }
    let problem = format!("expected {} bytes, got {len}", node.size);
    Err(RepositoryError::damaged("export", String::from_utf8_lossy(path), problem).into())
}
