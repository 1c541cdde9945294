//! Packets of SFTP, version 3 (draft-ietf-secsh-filexfer-02), and the way of an answer to whoever asked.
//!
//! Owns how requests are written and answers read. Knows no file and tries nothing anew. Invariant: nothing is allocated by a
//! length that a server says beyond the longest packet, and no answer reaches anybody but the one who asked. Argument of safety:
//! numbers of requests are never used twice in a session, and the table of those that wait is closed, under its lock, before the
//! last of them is told that nothing comes any more.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// The longest packet that is taken of a server: listings and pieces of files are far below.
const LONGEST_PACKET: u32 = 256 << 10;
const VERSION: u32 = 3;

/// Kinds of requests.
pub mod kind {
    pub const OPEN: u8 = 3;
    pub const CLOSE: u8 = 4;
    pub const READ: u8 = 5;
    pub const WRITE: u8 = 6;
    pub const LSTAT: u8 = 7;
    pub const FSTAT: u8 = 8;
    pub const OPENDIR: u8 = 11;
    pub const READDIR: u8 = 12;
    pub const REMOVE: u8 = 13;
    pub const MKDIR: u8 = 14;
    pub const RMDIR: u8 = 15;
    pub const STAT: u8 = 17;
    pub const RENAME: u8 = 18;
    pub const EXTENDED: u8 = 200;
}

/// What a server says of a request (section 7).
pub mod code {
    pub const OK: u32 = 0;
    pub const EOF: u32 = 1;
    pub const NO_SUCH_FILE: u32 = 2;
    pub const PERMISSION_DENIED: u32 = 3;
    pub const NO_CONNECTION: u32 = 6;
    pub const CONNECTION_LOST: u32 = 7;
    pub const UNSUPPORTED: u32 = 8;
}

/// Why there is no answer of the kind that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The server's word, and what it said beside it.
    Status(u32, String),
    Late,
    /// The session ended, or what came could not be read.
    Broken(&'static str),
}

/// What a server answers.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    Done,
    Handle(Vec<u8>),
    Data(Vec<u8>),
    Names(Vec<(Vec<u8>, Attributes)>),
    Attributes(Attributes),
    Extended(Vec<u8>),
}

/// What is told of a file, as far as it is of use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    pub size: Option<u64>,
    pub permissions: Option<u32>,
}

type Waiting = HashMap<u32, oneshot::Sender<Result<Answer, Refusal>>>;

/// A session with a server process.
pub struct Session {
    sender: mpsc::UnboundedSender<Vec<u8>>,
    /// `None` once the session has ended.
    waiting: Arc<Mutex<Option<Waiting>>>,
    next: AtomicU32,
    answer_within: Duration,
    reader: JoinHandle<()>,
}

impl Session {
    /// Greets the server; answers what it offers beyond the protocol.
    pub async fn open<S>(mut stream: S, answer_within: Duration) -> Result<(Self, Vec<String>), Refusal>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let broken = |_| Refusal::Broken("the session ended");
        let mut hello = vec![0, 0, 0, 5, 1];
        hello.extend(VERSION.to_be_bytes());
        stream.write_all(&hello).await.map_err(broken)?;
        stream.flush().await.map_err(broken)?;
        let offers = offers_of(&read_packet(&mut stream).await?).ok_or(Refusal::Broken("its greeting is none"))?;
        let (read, mut write) = tokio::io::split(stream);
        let waiting = Arc::new(Mutex::new(Some(Waiting::new())));
        let (sender, mut receiver) = mpsc::unbounded_channel::<Vec<u8>>();
        let reader = tokio::spawn(hand_out(read, Arc::clone(&waiting)));
        let ended = Arc::clone(&waiting);
        tokio::spawn(async move {
            while let Some(packet) = receiver.recv().await {
                if write.write_all(&packet).await.is_err() {
                    break;
                }
            }
            lock(&ended).take();
            let _ = write.shutdown().await;
        });
        Ok((Self { sender, waiting, next: AtomicU32::new(1), answer_within, reader }, offers))
    }

    /// Asks for something, and waits for the answer.
    pub async fn ask(&self, kind: u8, content: Content) -> Result<Answer, Refusal> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = oneshot::channel();
        match lock(&self.waiting).as_mut() {
            Some(waiting) => drop(waiting.insert(id, sender)),
            None => return Err(Refusal::Broken("the session ended")),
        }
        if self.sender.send(content.packet(kind, id)).is_err() {
            return Err(Refusal::Broken("the session ended"));
        }
        match tokio::time::timeout(self.answer_within, receiver).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(Refusal::Broken("the session ended")),
            Err(_) => {
                lock(&self.waiting).as_mut().map(|waiting| waiting.remove(&id));
                Err(Refusal::Late)
            }
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // The one who writes ends by itself, with the last sender.
        self.reader.abort();
    }
}

/// Fields of a request, one after the other.
#[derive(Default)]
pub struct Content(Vec<u8>);

impl Content {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn u32(mut self, number: u32) -> Self {
        self.0.extend(number.to_be_bytes());
        self
    }

    pub fn u64(mut self, number: u64) -> Self {
        self.0.extend(number.to_be_bytes());
        self
    }

    /// Bytes with their length: paths, handles and content. None of ours is as long as what its length can say.
    pub fn bytes(self, bytes: &[u8]) -> Self {
        let mut content = self.u32(bytes.len() as u32);
        content.0.extend_from_slice(bytes);
        content
    }

    pub fn text(self, text: &str) -> Self {
        self.bytes(text.as_bytes())
    }

    /// The rights of what is created, and nothing else of it.
    pub fn mode(self, mode: Option<u32>) -> Self {
        match mode {
            Some(mode) => self.u32(PERMISSIONS).u32(mode),
            None => self.u32(0),
        }
    }

    fn packet(self, kind: u8, id: u32) -> Vec<u8> {
        let mut packet = Vec::with_capacity(9 + self.0.len());
        packet.extend((5 + self.0.len() as u32).to_be_bytes());
        packet.push(kind);
        packet.extend(id.to_be_bytes());
        packet.extend_from_slice(&self.0);
        packet
    }
}

/// Reads answers until there are no more, or one cannot be read.
async fn hand_out<S: AsyncRead + AsyncWrite>(mut stream: ReadHalf<S>, waiting: Arc<Mutex<Option<Waiting>>>) {
    while let Ok(packet) = read_packet(&mut stream).await {
        let Some((id, answer)) = parse(&packet) else { break };
        // Nobody waits any more for what came too late.
        if let Some(sender) = lock(&waiting).as_mut().and_then(|waiting| waiting.remove(&id)) {
            let _ = sender.send(answer);
        }
    }
    lock(&waiting).take();
}

async fn read_packet<S: AsyncRead + Unpin>(stream: &mut S) -> Result<Vec<u8>, Refusal> {
    let broken = |_| Refusal::Broken("the session ended");
    let len = stream.read_u32().await.map_err(broken)?;
    if len > LONGEST_PACKET {
        return Err(Refusal::Broken("a packet of it is too long"));
    }
    let mut packet = vec![0; len as usize];
    stream.read_exact(&mut packet).await.map_err(broken)?;
    Ok(packet)
}

/// The names of the extensions in a greeting.
fn offers_of(packet: &[u8]) -> Option<Vec<String>> {
    let mut fields = Fields(packet);
    if fields.u8()? != 2 || fields.u32()? < VERSION {
        return None;
    }
    let mut offers = Vec::new();
    while !fields.0.is_empty() {
        offers.push(String::from_utf8_lossy(fields.bytes()?).into_owned());
        fields.bytes()?;
    }
    Some(offers)
}

/// An answer and the number of its request; `None` for what is none.
fn parse(packet: &[u8]) -> Option<(u32, Result<Answer, Refusal>)> {
    let mut fields = Fields(packet);
    let (kind, id) = (fields.u8()?, fields.u32()?);
    let answer = match kind {
        101 => match fields.u32()? {
            code::OK => Ok(Answer::Done),
            // Old servers leave out the text.
            code => {
                Err(Refusal::Status(code, String::from_utf8_lossy(fields.bytes().unwrap_or_default()).into_owned()))
            }
        },
        102 => Ok(Answer::Handle(fields.bytes()?.to_vec())),
        103 => Ok(Answer::Data(fields.bytes()?.to_vec())),
        104 => Ok(Answer::Names(fields.names()?)),
        105 => Ok(Answer::Attributes(fields.attributes()?)),
        201 => Ok(Answer::Extended(fields.0.to_vec())),
        _ => return None,
    };
    Some((id, answer))
}

const SIZE: u32 = 1;
const OWNERS: u32 = 2;
const PERMISSIONS: u32 = 4;
const TIMES: u32 = 8;
const EXTENDED: u32 = 1 << 31;

/// What is left to read of a packet.
pub struct Fields<'p>(pub &'p [u8]);

impl<'p> Fields<'p> {
    fn take(&mut self, len: usize) -> Option<&'p [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    pub fn u32(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    pub fn u64(&mut self) -> Option<u64> {
        Some(u64::from_be_bytes(self.take(8)?.try_into().ok()?))
    }

    fn bytes(&mut self) -> Option<&'p [u8]> {
        let len = self.u32()?;
        self.take(len as usize)
    }

    /// As many as the packet holds, whatever it says.
    fn names(&mut self) -> Option<Vec<(Vec<u8>, Attributes)>> {
        let mut names = Vec::new();
        for _ in 0..self.u32()? {
            let name = self.bytes()?.to_vec();
            // The line that people read.
            self.bytes()?;
            names.push((name, self.attributes()?));
        }
        Some(names)
    }

    fn attributes(&mut self) -> Option<Attributes> {
        let flags = self.u32()?;
        let has = |flag: u32| flags & flag != 0;
        let size = if has(SIZE) { Some(self.u64()?) } else { None };
        if has(OWNERS) {
            self.u64()?;
        }
        let permissions = if has(PERMISSIONS) { Some(self.u32()?) } else { None };
        if has(TIMES) {
            self.u64()?;
        }
        if has(EXTENDED) {
            for _ in 0..self.u32()? {
                self.bytes()?;
                self.bytes()?;
            }
        }
        Some(Attributes { size, permissions })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
