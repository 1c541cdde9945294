//! Requests to one SFTP server process: files written, read, named and listed.
//!
//! Owns what is asked in which order, and how much is under way at once. Tries nothing anew: whoever calls knows what may be
//! repeated. Invariant: what a server sends is bounded by what was asked for, and what it confirms is what was written.

use std::io;
use std::sync::Arc;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use russh_sftp::client::RawSftpSession;
use russh_sftp::client::error::Error as Refusal;
use russh_sftp::extensions::HardlinkExtension;
use russh_sftp::protocol::{FileAttributes, OpenFlags, Packet, StatusCode, Version};

use super::failure::{is_passing, of_answer};
use super::line::Line;

/// Bytes of one request: what every server takes, and what the packets of SSH hold.
const PIECE: usize = 32 << 10;
/// Requests of a file that are under way at once: 1 MiB, which is 100 Mbit/s at 80 ms.
const AT_ONCE: usize = 32;

/// One server process, that does one thing after the other.
pub struct Channel {
    raw: Arc<RawSftpSession>,
    pub line: Arc<Line>,
    pub can: Abilities,
}

/// What a server says that it can do beyond the protocol.
#[derive(Clone, Copy, Debug)]
pub struct Abilities {
    pub fsync: bool,
    /// Renames over a file that is there.
    pub posix_rename: bool,
    pub statvfs: bool,
}

/// What is in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub name: String,
    pub kind: Kind,
    pub len: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    File,
    Directory,
    Other,
}

impl Channel {
    pub fn new(raw: RawSftpSession, version: &Version, line: Arc<Line>) -> Self {
        let can = Abilities {
            fsync: version.extensions.contains_key("fsync@openssh.com"),
            posix_rename: version.extensions.contains_key("posix-rename@openssh.com"),
            statvfs: version.extensions.contains_key("statvfs@openssh.com"),
        };
        Self { raw: Arc::new(raw), line, can }
    }

    /// Writes a file that must be new, whole and durable as far as the server knows how. What is left of one that failed is
    /// for others to remove: nothing is tried on it again.
    pub async fn create(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let flags = OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::EXCLUDE;
        let opened = self.raw.open(path, flags, private(0o600)).await;
        let handle = opened.map_err(|error| of_answer("create an object", error))?.handle;
        let written = self.fill(&handle, bytes).await;
        if written.as_ref().is_err_and(is_passing) {
            // Of a server that does not answer nothing more is asked.
            return written;
        }
        let closed = self.raw.close(handle.as_str()).await;
        written?;
        closed.map_err(|error| of_answer("close an object", error))?;
        Ok(())
    }

    async fn fill(&self, handle: &str, bytes: &[u8]) -> io::Result<()> {
        let pieces = bytes.chunks(PIECE).zip((0u64..).step_by(PIECE));
        let send = |(piece, at): (&[u8], u64)| self.raw.write(handle, at, piece.to_vec());
        let mut sent = stream::iter(pieces.map(send)).buffer_unordered(AT_ONCE);
        while let Some(answer) = sent.next().await {
            answer.map_err(|error| of_answer("write an object", error))?;
        }
        if self.can.fsync {
            self.raw.fsync(handle).await.map_err(|error| of_answer("sync an object", error))?;
        }
        let there = self.raw.fstat(handle).await.map_err(|error| of_answer("look at an object", error))?.attrs.size;
        if there.is_some_and(|there| there != bytes.len() as u64) {
            let message = format!("write an object: expected {} bytes, got {}", bytes.len(), there.unwrap_or_default());
            return Err(io::Error::other(message));
        }
        Ok(())
    }

    /// Syncs a directory, which servers of POSIX systems allow though the protocol does not know it.
    pub async fn sync_directory(&self, path: &str) -> io::Result<()> {
        if !self.can.fsync {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let opened = self.raw.open(path, OpenFlags::READ, FileAttributes::empty()).await;
        let handle = opened.map_err(|error| of_answer("open a directory", error))?.handle;
        let synced = self.raw.fsync(handle.as_str()).await;
        self.close_later(handle);
        synced.map(drop).map_err(|error| of_answer("sync a directory", error))
    }

    /// Gives a file a name; whether one that is taken is refused is for the server.
    pub async fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.raw.rename(from, to).await.map(drop).map_err(|error| of_answer("name an object", error))
    }

    /// Gives a file a name that may be taken.
    pub async fn rename_over(&self, from: &str, to: &str) -> io::Result<()> {
        let names = HardlinkExtension { oldpath: from.to_owned(), newpath: to.to_owned() };
        let names: Vec<u8> = names.try_into().map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        match self.raw.extended("posix-rename@openssh.com", names).await {
            Ok(Packet::Status(status)) if status.status_code == StatusCode::Ok => Ok(()),
            Ok(Packet::Status(status)) => Err(of_answer("rename an object", status.into())),
            Ok(_) => Err(of_answer("rename an object", Refusal::UnexpectedPacket)),
            Err(error) => Err(of_answer("rename an object", error)),
        }
    }

    /// What is there under a path, links not followed.
    pub async fn look(&self, path: &str) -> io::Result<Entry> {
        let attributes = self.raw.lstat(path).await.map_err(|error| of_answer("look", error))?.attrs;
        entry(path.to_owned(), &attributes).ok_or_else(|| io::Error::other("look: the server did not say what it is"))
    }

    /// What is there under a path, links followed.
    pub async fn look_through(&self, path: &str) -> io::Result<Entry> {
        let attributes = self.raw.stat(path).await.map_err(|error| of_answer("look", error))?.attrs;
        entry(path.to_owned(), &attributes).ok_or_else(|| io::Error::other("look: the server did not say what it is"))
    }

    /// Fills a buffer from a file.
    pub async fn read_at(&self, path: &str, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let handle = self.open(path).await?;
        let read = self.fetch(&handle, offset, buffer).await;
        self.close_later(handle);
        read
    }

    /// Reads a file of at most `limit` bytes.
    pub async fn read(&self, path: &str, limit: u64) -> io::Result<Vec<u8>> {
        let handle = self.open(path).await?;
        let read = self.fetch_all(&handle, limit).await;
        self.close_later(handle);
        read
    }

    async fn fetch_all(&self, handle: &str, limit: u64) -> io::Result<Vec<u8>> {
        let attributes = self.raw.fstat(handle).await.map_err(|error| of_answer("look at an object", error))?.attrs;
        let file = entry(String::new(), &attributes).filter(|entry| entry.kind == Kind::File).ok_or_else(not_a_file)?;
        if file.len > limit {
            let message = format!("{} bytes exceed the limit of {limit}", file.len);
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        let mut bytes = vec![0; file.len as usize];
        self.fetch(handle, 0, &mut bytes).await?;
        Ok(bytes)
    }

    /// Reads ranges beside each other. A piece that comes shorter is asked for from where it ended.
    async fn fetch(&self, handle: &str, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let end = offset.checked_add(buffer.len() as u64).ok_or(io::ErrorKind::UnexpectedEof)?;
        if buffer.is_empty() {
            return self.require_len(handle, end).await;
        }
        let pieces = buffer.chunks_mut(PIECE).zip((offset..).step_by(PIECE));
        let fetch = |(piece, at)| self.fetch_piece(handle, at, piece);
        stream::iter(pieces.map(fetch)).buffer_unordered(AT_ONCE).try_collect::<()>().await
    }

    async fn fetch_piece(&self, handle: &str, mut at: u64, mut piece: &mut [u8]) -> io::Result<()> {
        while !piece.is_empty() {
            let data = match self.raw.read(handle, at, piece.len() as u32).await {
                Ok(data) => data.data,
                Err(Refusal::Status(status)) if status.status_code == StatusCode::Eof => {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                Err(error) => return Err(of_answer("read an object", error)),
            };
            if data.is_empty() || data.len() > piece.len() {
                let message = format!("read an object: {} bytes were asked for, and {} came", piece.len(), data.len());
                return Err(io::Error::other(message));
            }
            let (filled, rest) = piece.split_at_mut(data.len());
            filled.copy_from_slice(&data);
            (at, piece) = (at + data.len() as u64, rest);
        }
        Ok(())
    }

    async fn require_len(&self, handle: &str, end: u64) -> io::Result<()> {
        let attributes = self.raw.fstat(handle).await.map_err(|error| of_answer("look at an object", error))?.attrs;
        match attributes.size {
            Some(len) if len >= end => Ok(()),
            Some(_) => Err(io::ErrorKind::UnexpectedEof.into()),
            None => Err(io::Error::other("look at an object: the server told no length")),
        }
    }

    async fn open(&self, path: &str) -> io::Result<String> {
        let opened = self.raw.open(path, OpenFlags::READ, FileAttributes::empty()).await;
        Ok(opened.map_err(|error| of_answer("open an object", error))?.handle)
    }

    /// Closes what was only read; nobody waits for the answer.
    fn close_later(&self, handle: String) {
        let raw = Arc::clone(&self.raw);
        tokio::spawn(async move { raw.close(handle).await });
    }

    /// Everything in a directory, in at most `most` entries.
    pub async fn list(&self, path: &str, most: usize) -> io::Result<Vec<Entry>> {
        let opened = self.raw.opendir(path).await.map_err(|error| of_answer("open a directory", error))?;
        let listed = self.entries(&opened.handle, most).await;
        self.close_later(opened.handle);
        listed
    }

    async fn entries(&self, handle: &str, most: usize) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        loop {
            let files = match self.raw.readdir(handle).await {
                Ok(name) => name.files,
                Err(Refusal::Status(status)) if status.status_code == StatusCode::Eof => return Ok(entries),
                Err(error) => return Err(of_answer("list a directory", error)),
            };
            // The end is said by a word of its own: a server that says nothing would be asked for ever.
            if files.is_empty() {
                return Err(io::Error::other("list a directory: the server gave neither entries nor the end"));
            }
            for file in files.into_iter().filter(|file| file.filename != "." && file.filename != "..") {
                let told = entry(file.filename.clone(), &file.attrs);
                entries.push(told.unwrap_or(Entry { name: file.filename, kind: Kind::Other, len: UNTOLD }));
            }
            if entries.len() > most {
                return Err(io::Error::other(format!("a listing has more than {most} entries")));
            }
        }
    }

    /// Bytes that are free for the user, where the server tells.
    pub async fn free_bytes(&self, path: &str) -> Option<u64> {
        if !self.can.statvfs {
            return None;
        }
        let told = self.raw.statvfs(path).await.ok()?;
        told.blocks_avail.checked_mul(told.fragment_size)
    }

    pub async fn remove(&self, path: &str) -> io::Result<()> {
        self.raw.remove(path).await.map(drop).map_err(|error| of_answer("delete an object", error))
    }

    pub async fn remove_directory(&self, path: &str) -> io::Result<()> {
        self.raw.rmdir(path).await.map(drop).map_err(|error| of_answer("remove a directory", error))
    }

    pub async fn create_directory(&self, path: &str) -> io::Result<()> {
        self.raw.mkdir(path, private(0o700)).await.map(drop).map_err(|error| of_answer("create a directory", error))
    }
}

/// The length of an entry of which the server told too little: it is asked for by itself.
pub const UNTOLD: u64 = u64::MAX;

fn private(mode: u32) -> FileAttributes {
    FileAttributes { permissions: Some(mode), ..FileAttributes::empty() }
}

/// `None` where the server leaves out what it is, or a file's length.
fn entry(name: String, attributes: &FileAttributes) -> Option<Entry> {
    // The bits of POSIX, which is what all servers send in this version of the protocol.
    let kind = match attributes.permissions? & 0o170_000 {
        0o100_000 => Kind::File,
        0o040_000 => Kind::Directory,
        _ => Kind::Other,
    };
    let len = if kind == Kind::File { attributes.size? } else { 0 };
    Some(Entry { name, kind, len })
}

pub fn not_a_file() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "it is no file")
}
