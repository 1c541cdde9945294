//! Requests to one SFTP server process: files written, read, named and listed.
//!
//! Owns what is asked in which order, and how much is under way at once. Tries nothing anew: whoever calls knows what may be
//! repeated. Invariant: what a server sends is bounded by what was asked for, and what it confirms is what was written.

use std::io;
use std::sync::Arc;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::failure::{is_passing, of_answer};
use super::line::Line;
use super::wire::{Answer, Attributes, Content, Fields, Refusal, Session, code, kind};

/// How a file is opened: to be read, or to be written, new and by nobody else.
const READ: u32 = 0x01;
const WRITE_NEW: u32 = 0x02 | 0x08 | 0x20;
/// Bytes of one request: what every server takes, and what the packets of SSH hold.
const PIECE: usize = 32 << 10;
/// Requests of a file that are under way at once: 1 MiB, which is 100 Mbit/s at 80 ms.
const AT_ONCE: usize = 32;

/// One server process, that does one thing after the other.
pub struct Channel {
    session: Arc<Session>,
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
    pub fn new(session: Session, offers: &[String], line: Arc<Line>) -> Self {
        let offers = |name: &str| offers.iter().any(|offer| offer == name);
        let can = Abilities {
            fsync: offers("fsync@openssh.com"),
            posix_rename: offers("posix-rename@openssh.com"),
            statvfs: offers("statvfs@openssh.com"),
        };
        Self { session: Arc::new(session), line, can }
    }

    /// Asks for what is answered by a word alone.
    async fn order(&self, what: &str, kind: u8, content: Content) -> io::Result<()> {
        match self.session.ask(kind, content).await {
            Ok(Answer::Done) => Ok(()),
            answer => Err(odd(what, answer)),
        }
    }

    async fn handle(&self, what: &str, kind: u8, content: Content) -> io::Result<Vec<u8>> {
        match self.session.ask(kind, content).await {
            Ok(Answer::Handle(handle)) => Ok(handle),
            answer => Err(odd(what, answer)),
        }
    }

    async fn attributes(&self, kind: u8, of: &[u8]) -> io::Result<Attributes> {
        match self.session.ask(kind, Content::new().bytes(of)).await {
            Ok(Answer::Attributes(attributes)) => Ok(attributes),
            answer => Err(odd("look at an object", answer)),
        }
    }

    /// Writes a file that must be new, whole and durable as far as the server knows how. What is left of one that failed is
    /// for others to remove: nothing is tried on it again.
    pub async fn create(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let new = Content::new().text(path).u32(WRITE_NEW).mode(Some(0o600));
        let handle = self.handle("create an object", kind::OPEN, new).await?;
        let written = self.fill(&handle, bytes).await;
        if written.as_ref().is_err_and(is_passing) {
            // Of a server that does not answer nothing more is asked.
            return written;
        }
        let closed = self.order("close an object", kind::CLOSE, Content::new().bytes(&handle)).await;
        written?;
        closed
    }

    async fn fill(&self, handle: &[u8], bytes: &[u8]) -> io::Result<()> {
        let pieces = bytes.chunks(PIECE).zip((0u64..).step_by(PIECE));
        let send = |(piece, at): (&[u8], u64)| {
            self.order("write an object", kind::WRITE, Content::new().bytes(handle).u64(at).bytes(piece))
        };
        stream::iter(pieces.map(send)).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
        if self.can.fsync {
            self.fsync("sync an object", handle).await?;
        }
        let there = self.attributes(kind::FSTAT, handle).await?.size;
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
        let handle =
            self.handle("open a directory", kind::OPEN, Content::new().text(path).u32(READ).mode(None)).await?;
        let synced = self.fsync("sync a directory", &handle).await;
        self.close_later(handle);
        synced
    }

    async fn fsync(&self, what: &str, handle: &[u8]) -> io::Result<()> {
        self.order(what, kind::EXTENDED, Content::new().text("fsync@openssh.com").bytes(handle)).await
    }

    /// Gives a file a name; whether one that is taken is refused is for the server.
    pub async fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.order("name an object", kind::RENAME, Content::new().text(from).text(to)).await
    }

    /// Gives a file a name that may be taken.
    pub async fn rename_over(&self, from: &str, to: &str) -> io::Result<()> {
        let names = Content::new().text("posix-rename@openssh.com").text(from).text(to);
        self.order("rename an object", kind::EXTENDED, names).await
    }

    /// What is there under a path, links not followed.
    pub async fn look(&self, path: &str) -> io::Result<Entry> {
        let attributes = self.attributes(kind::LSTAT, path.as_bytes()).await?;
        entry(path.to_owned(), &attributes).ok_or_else(|| io::Error::other("look: the server did not say what it is"))
    }

    /// What is there under a path, links followed.
    pub async fn look_through(&self, path: &str) -> io::Result<Entry> {
        let attributes = self.attributes(kind::STAT, path.as_bytes()).await?;
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

    async fn fetch_all(&self, handle: &[u8], limit: u64) -> io::Result<Vec<u8>> {
        let attributes = self.attributes(kind::FSTAT, handle).await?;
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
    async fn fetch(&self, handle: &[u8], offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let end = offset.checked_add(buffer.len() as u64).ok_or(io::ErrorKind::UnexpectedEof)?;
        if buffer.is_empty() {
            return self.require_len(handle, end).await;
        }
        let pieces = buffer.chunks_mut(PIECE).zip((offset..).step_by(PIECE));
        let fetch = |(piece, at)| self.fetch_piece(handle, at, piece);
        stream::iter(pieces.map(fetch)).buffer_unordered(AT_ONCE).try_collect::<()>().await
    }

    async fn fetch_piece(&self, handle: &[u8], mut at: u64, mut piece: &mut [u8]) -> io::Result<()> {
        while !piece.is_empty() {
            let wanted = Content::new().bytes(handle).u64(at).u32(piece.len() as u32);
            let data = match self.session.ask(kind::READ, wanted).await {
                Ok(Answer::Data(data)) => data,
                Err(Refusal::Status(code::EOF, _)) => return Err(io::ErrorKind::UnexpectedEof.into()),
                answer => return Err(odd("read an object", answer)),
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

    async fn require_len(&self, handle: &[u8], end: u64) -> io::Result<()> {
        let attributes = self.attributes(kind::FSTAT, handle).await?;
        match attributes.size {
            Some(len) if len >= end => Ok(()),
            Some(_) => Err(io::ErrorKind::UnexpectedEof.into()),
            None => Err(io::Error::other("look at an object: the server told no length")),
        }
    }

    async fn open(&self, path: &str) -> io::Result<Vec<u8>> {
        self.handle("open an object", kind::OPEN, Content::new().text(path).u32(READ).mode(None)).await
    }

    /// Closes what was only read; nobody waits for the answer.
    fn close_later(&self, handle: Vec<u8>) {
        let session = Arc::clone(&self.session);
        tokio::spawn(async move { session.ask(kind::CLOSE, Content::new().bytes(&handle)).await });
    }

    /// Everything in a directory, in at most `most` entries.
    pub async fn list(&self, path: &str, most: usize) -> io::Result<Vec<Entry>> {
        let handle = self.handle("open a directory", kind::OPENDIR, Content::new().text(path)).await?;
        let listed = self.entries(&handle, most).await;
        self.close_later(handle);
        listed
    }

    async fn entries(&self, handle: &[u8], most: usize) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        loop {
            let files = match self.session.ask(kind::READDIR, Content::new().bytes(handle)).await {
                Ok(Answer::Names(names)) => names,
                Err(Refusal::Status(code::EOF, _)) => return Ok(entries),
                answer => return Err(odd("list a directory", answer)),
            };
            // The end is said by a word of its own: a server that says nothing would be asked for ever.
            if files.is_empty() {
                return Err(io::Error::other("list a directory: the server gave neither entries nor the end"));
            }
            for (name, attributes) in files.into_iter().filter(|(name, _)| name != b"." && name != b"..") {
                // No object has a name that is no text; that something is there is told.
                let name = String::from_utf8_lossy(&name).into_owned();
                let told = entry(name.clone(), &attributes);
                entries.push(told.unwrap_or(Entry { name, kind: Kind::Other, len: UNTOLD }));
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
        let asked = Content::new().text("statvfs@openssh.com").text(path);
        let Ok(Answer::Extended(told)) = self.session.ask(kind::EXTENDED, asked).await else { return None };
        // As in statvfs(3): block size, fragment size, blocks, free ones, and those that are free for the user.
        let mut fields = Fields(&told);
        let [_, fragment, _, _, available] = [(); 5].map(|()| fields.u64());
        available?.checked_mul(fragment?)
    }

    pub async fn remove(&self, path: &str) -> io::Result<()> {
        self.order("delete an object", kind::REMOVE, Content::new().text(path)).await
    }

    pub async fn remove_directory(&self, path: &str) -> io::Result<()> {
        self.order("remove a directory", kind::RMDIR, Content::new().text(path)).await
    }

    pub async fn create_directory(&self, path: &str) -> io::Result<()> {
        self.order("create a directory", kind::MKDIR, Content::new().text(path).mode(Some(0o700))).await
    }
}

/// The length of an entry of which the server told too little: it is asked for by itself.
pub const UNTOLD: u64 = u64::MAX;

/// What to make of an answer that was not the one that was expected.
fn odd(what: &str, answer: Result<Answer, Refusal>) -> io::Error {
    of_answer(what, answer.err().unwrap_or(Refusal::Broken("the answer was of another kind")))
}

/// `None` where the server leaves out what it is, or a file's length.
fn entry(name: String, attributes: &Attributes) -> Option<Entry> {
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
