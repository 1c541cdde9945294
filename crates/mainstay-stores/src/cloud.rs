//! S3, Google Cloud Storage and Azure Blob Storage.
//!
//! Owns how the contract of a store is kept by requests to an object store. Requests are signed, sent, and repeated after
//! errors that pass by `object_store`; nothing here knows a protocol. Invariant: what a server says is believed only where a
//! lie cannot lose data: that an object is there is confirmed by reading it, that it is absent only by the server's plain word.

mod novelty;

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt as _;
use mainstay_repo::store::{Lock, LockMode, Object, Upload, Vacancy};
use mainstay_repo::{Store, names};
use object_store::client::{HttpError, HttpErrorKind};
use object_store::path::Path;
use object_store::{
    Attribute, GetOptions, GetRange, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, PutPayload,
};
use tokio::runtime::Runtime;

use crate::address::{CloudAddress, Setting};
use crate::object_lock::Locker;
use crate::patience::Patience;
use crate::settings::{self, Client, Surroundings};

use novelty::Conditions;

#[cfg(test)]
pub(crate) mod tests;

/// Threads that carry requests: they wait, and hash what is signed.
const THREADS: usize = 2;
/// Uploads on their way at once: with a request of 50 ms and packs of 16 MiB four fill 1 Gbit/s.
const UPLOADS: usize = 4;
/// More objects beneath one folder than any repository has: 160 TB in packs of 16 MiB.
const MOST_LISTED: usize = 10_000_000;

/// Objects beneath a prefix of a bucket.
pub struct CloudStore {
    inner: Arc<Inner>,
}

struct Inner {
    address: CloudAddress,
    client: Box<dyn ObjectStore>,
    locker: Option<Locker>,
    runtime: Runtime,
    patience: Patience,
    conditions: Conditions,
}

impl CloudStore {
    /// Makes ready to send requests; sends none.
    ///
    /// # Errors
    /// When settings or credentials contradict each other or are missing.
    pub fn new(address: CloudAddress, surroundings: &Surroundings) -> io::Result<Self> {
        let Client { store: client, locker } = settings::client(&address, surroundings)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("mainstay-store")
            .enable_all()
            .build()?;
        let patience = surroundings.patience;
        let conditions = Conditions::of(&address);
        Ok(Self { inner: Arc::new(Inner { address, client, locker, runtime, patience, conditions }) })
    }
}

impl Inner {
    fn path(&self, name: &str) -> io::Result<Path> {
        let text = match self.address.prefix.as_str() {
            "" => name.to_owned(),
            prefix => format!("{prefix}/{name}"),
        };
        Path::parse(text).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))
    }

    /// The name of an object beneath the prefix.
    fn name_of(&self, path: &Path) -> Option<String> {
        let prefix = self.address.prefix.as_str();
        let name = path.as_ref().strip_prefix(prefix)?;
        let name = if prefix.is_empty() { name } else { name.strip_prefix('/')? };
        Some(name.to_owned())
    }

    /// Asks for the head of an object. That it is absent is said by a body, which an answer without one cannot have: then the
    /// object itself is asked for.
    fn len(&self, name: &str) -> io::Result<u64> {
        let path = self.path(name)?;
        self.runtime.block_on(async {
            match self.client.head(&path).await {
                Err(object_store::Error::NotFound { .. }) => {
                    Ok(self.client.get_opts(&path, GetOptions::default()).await.map_err(error_of)?.meta.size)
                }
                head => Ok(head.map_err(error_of)?.size),
            }
        })
    }

    /// Reads a range, or all; with the length of the whole object.
    fn get(&self, name: &str, range: Option<GetRange>, limit: u64) -> io::Result<(u64, Vec<u8>)> {
        let path = self.path(name)?;
        let options = GetOptions { range, ..GetOptions::default() };
        self.runtime.block_on(async {
            let answer = self.client.get_opts(&path, options).await.map_err(error_of)?;
            let whole = answer.meta.size;
            let expected = answer.range.end - answer.range.start;
            if expected > limit {
                return Err(too_long(expected, limit));
            }
            let mut bytes = Vec::with_capacity(expected as usize);
            let mut stream = answer.into_stream();
            while let Some(part) = stream.next().await {
                bytes.extend_from_slice(&part.map_err(error_of)?);
                // A server that sends more than it said.
                if bytes.len() as u64 > expected {
                    return Err(too_long(bytes.len() as u64, expected));
                }
            }
            if (bytes.len() as u64) < expected {
                let message = format!("{} of {expected} bytes came", bytes.len());
                return Err(io::Error::new(io::ErrorKind::ConnectionAborted, message));
            }
            Ok((whole, bytes))
        })
    }

    /// Puts an object that must be new. One of which no answer came is read back and, if it is not there, sent again. A name
    /// that is taken by these very bytes is a reply that was lost.
    fn put_new(&self, name: &str, bytes: PutPayload) -> io::Result<()> {
        let mut pauses = self.patience.long_pauses();
        loop {
            let put = self.put_if_new(name, bytes.clone());
            let Err(error) = put else { return Ok(()) };
            let is_taken = error.kind() == io::ErrorKind::AlreadyExists;
            if !is_taken && !is_passing(&error) {
                return Err(error);
            }
            match self.get(name, None, bytes.content_length() as u64) {
                Ok((_, there)) if is_same(&there, &bytes) => return Ok(()),
                Err(read) if read.kind() == io::ErrorKind::NotFound || !is_taken && is_passing(&read) => {}
                Err(read) if read.kind() != io::ErrorKind::InvalidData => return Err(read),
                // Other bytes, or more of them.
                _ => return Err(io::Error::new(io::ErrorKind::AlreadyExists, error)),
            }
            let Some(pause) = pauses.next() else { return Err(error) };
            std::thread::sleep(pause);
        }
    }

    fn put(&self, name: &str, bytes: PutPayload, mode: PutMode) -> io::Result<()> {
        self.runtime.block_on(self.send(name, bytes, mode))
    }

    /// The request of a put.
    async fn send(&self, name: &str, bytes: PutPayload, mode: PutMode) -> io::Result<()> {
        let path = self.path(name)?;
        let mut options = PutOptions { mode, ..PutOptions::default() };
        if let Some(class) =
            self.address.settings.get(&Setting::StorageClass).filter(|_| name.starts_with(names::PACKS))
        {
            options.attributes.insert(Attribute::StorageClass, class.clone().into());
        }
        self.client.put_opts(&path, bytes, options).await.map(drop).map_err(error_of)
    }

    /// Lists objects until there are `most` of them. A name that is there twice is told once.
    fn list(&self, prefix: &str, most: usize) -> io::Result<Vec<Object>> {
        let folder = match format!("{}/{prefix}", self.address.prefix).trim_matches('/') {
            "" => None,
            folder => Some(Path::parse(folder).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?),
        };
        let mut objects = Vec::new();
        self.runtime.block_on(async {
            let mut found = self.client.list(folder.as_ref()).take(most);
            while let Some(meta) = found.next().await {
                let meta = meta.map_err(error_of)?;
                objects.extend(self.name_of(&meta.location).map(|name| Object { name, len: meta.size }));
                if objects.len() > MOST_LISTED {
                    return Err(io::Error::other(format!("a listing of {prefix} has more than {MOST_LISTED} objects")));
                }
            }
            Ok(())
        })?;
        objects.sort_by(|a, b| a.name.cmp(&b.name));
        objects.dedup();
        Ok(objects)
    }
}

impl Store for CloudStore {
    fn location(&self) -> String {
        self.inner.address.place().to_string()
    }

    fn upload(&self) -> io::Result<Box<dyn Upload>> {
        Ok(Box::new(CloudUpload { inner: Arc::clone(&self.inner), parts: Vec::new() }))
    }

    fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.inner.put_new(name, PutPayload::from(bytes.to_vec()))
    }

    fn len(&self, name: &str) -> io::Result<u64> {
        self.inner.len(name)
    }

    fn read_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let len = buffer.len() as u64;
        let end = offset.checked_add(len).ok_or(io::ErrorKind::UnexpectedEof)?;
        if len == 0 {
            return if self.inner.len(name)? < end { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) };
        }
        match self.inner.get(name, Some(GetRange::Bounded(offset..end)), len) {
            Ok((_, bytes)) if bytes.len() == buffer.len() => buffer.copy_from_slice(&bytes),
            Ok(_) => return Err(io::ErrorKind::UnexpectedEof.into()),
            // How a server refuses a range behind the end, each says in its own way.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(error),
            Err(error) if self.inner.len(name).is_ok_and(|whole| whole < end) => {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, error));
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn read(&self, name: &str, limit: u64) -> io::Result<Vec<u8>> {
        self.inner.get(name, None, limit).map(|(_, bytes)| bytes)
    }

    fn list(&self, prefix: &str) -> io::Result<Vec<Object>> {
        self.inner.list(prefix, usize::MAX)
    }

    fn delete(&self, name: &str) -> io::Result<()> {
        let path = self.inner.path(name)?;
        match self.inner.runtime.block_on(self.inner.client.delete(&path)).map_err(error_of) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            deleted => deleted,
        }
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.inner.put(name, PutPayload::from(bytes.to_vec()), PutMode::Overwrite)
    }

    fn lock(&self, name: &str, until: i64, mode: LockMode) -> io::Result<Lock> {
        let Some(locker) = &self.inner.locker else { return Ok(Lock::Unsupported) };
        let key = self.inner.path(name)?;
        self.inner.runtime.block_on(locker.lock(key.as_ref(), until, mode))
    }

    /// The server's clock has written when an object came.
    fn written_at(&self, name: &str) -> io::Result<Option<i64>> {
        let path = self.inner.path(name)?;
        let head = self.inner.runtime.block_on(self.inner.client.head(&path)).map_err(error_of)?;
        Ok(head.last_modified.timestamp_nanos_opt())
    }

    fn publishes_at_once(&self) -> usize {
        UPLOADS
    }

    fn prepare(&self) -> io::Result<Vacancy> {
        match self.inner.len(names::CONFIG) {
            Ok(_) => return Ok(Vacancy::Repository),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        // What a creation that was interrupted has left is no repository yet; there are a few such objects at most.
        let found = self.inner.list("", FEW)?;
        let is_begun = |object: &Object| object.name.starts_with(names::KEY_SLOTS);
        Ok(if found.iter().all(is_begun) { Vacancy::Empty } else { Vacancy::Foreign })
    }
}

/// More objects than an interrupted creation leaves.
const FEW: usize = 100;

/// An object that waits for its name: object stores know no other way, and a pack is at most a few times 16 MiB.
struct CloudUpload {
    inner: Arc<Inner>,
    parts: Vec<Vec<u8>>,
}

impl Upload for CloudUpload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.parts.push(bytes.to_vec());
        Ok(())
    }

    fn publish(self: Box<Self>, name: &str) -> io::Result<()> {
        self.inner.put_new(name, self.parts.into_iter().map(Bytes::from).collect())
    }
}

fn is_same(there: &[u8], bytes: &PutPayload) -> bool {
    there.len() == bytes.content_length()
        && bytes.iter().try_fold(there, |rest, part| rest.strip_prefix(&part[..])).is_some_and(<[u8]>::is_empty)
}

fn too_long(len: u64, limit: u64) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{len} bytes exceed the limit of {limit}"))
}

/// What an error means to the engine. Only the plain word that there is no such object is absence: a bucket that is gone, or a
/// server in between that knows no such page, is not an object that never was.
fn error_of(error: object_store::Error) -> io::Error {
    use object_store::Error;
    let text = error.to_string();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(&format!("<Code>{word}</Code>")));
    let kind = match &error {
        _ if says(&["NoSuchBucket", "ContainerNotFound"]) => {
            return io::Error::other("there is no such bucket");
        }
        _ if says(&["InvalidObjectState"]) => {
            let message = "it is in a cold storage class, from which the store must restore it first";
            return io::Error::new(io::ErrorKind::ResourceBusy, message);
        }
        // Where the machine is asked for its role once nothing else has said who asks.
        _ if text.contains("169.254.169.254") || text.contains("metadata.google.internal") => {
            let message =
                "no credentials were found: neither variables nor a profile has them, and the machine has no role";
            return io::Error::new(io::ErrorKind::PermissionDenied, message);
        }
        Error::NotFound { .. } if says(&["NoSuchKey", "BlobNotFound"]) => io::ErrorKind::NotFound,
        Error::AlreadyExists { .. } | Error::Precondition { .. } => io::ErrorKind::AlreadyExists,
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => io::ErrorKind::PermissionDenied,
        _ if says(&["AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "AuthenticationFailed"]) => {
            io::ErrorKind::PermissionDenied
        }
        Error::NotImplemented { .. } | Error::NotSupported { .. } => io::ErrorKind::Unsupported,
        _ if has_passed(&error) => io::ErrorKind::TimedOut,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, told(&text))
}

/// Whether a connection broke or no answer came: what was asked for may have been done.
fn has_passed(error: &object_store::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<HttpError>() {
            use HttpErrorKind::{Connect, Interrupted, Request, Timeout};
            return matches!(error.kind(), Connect | Interrupted | Request | Timeout);
        }
        cause = error.source();
    }
    false
}

fn is_passing(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::TimedOut
}

/// The part of an error that people need: what the server gave as its reason, or the beginning of the text.
fn told(text: &str) -> String {
    let between = |tag: &str| {
        let (_, rest) = text.split_once(&format!("<{tag}>"))?;
        rest.split_once(&format!("</{tag}>")).map(|(inner, _)| inner)
    };
    let reason: Vec<&str> = ["Code", "Message"].into_iter().filter_map(between).collect();
    let told = if reason.is_empty() { text.to_owned() } else { format!("the server said {}", reason.join(": ")) };
    let line: String = told.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST_TOLD).collect();
    line.trim_end().to_owned()
}

/// Characters of a server's reason that are told.
const LONGEST_TOLD: usize = 300;
