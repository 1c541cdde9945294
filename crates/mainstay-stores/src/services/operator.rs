//! The calls of OpenDAL, made from threads that wait.
//!
//! Owns the runtime, how long a call is waited for, what is believed of its answer, and what its errors mean. Makes each call once.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use opendal::options::WriteOptions;
use opendal::{Buffer, EntryMode, ErrorKind, Operator};
use tokio::runtime::Runtime;

use super::absence::MOST_LISTED;
use super::http::NO_SPACE;
use super::remote::{Depth, Entry, Found, Listing, Novelty, Remote};
use crate::repeat::Trouble;

/// Threads that carry requests: they wait.
const THREADS: usize = 2;
/// Characters of a service's reason that are told.
const LONGEST_TOLD: usize = 300;
/// What Dropbox says of a full account.
const DROPBOX_FULL: &str = "insufficient_space";

pub struct OperatorRemote {
    operator: Operator,
    runtime: Runtime,
    lists_whole: bool,
    timeout: Duration,
}

impl OperatorRemote {
    pub fn new(operator: Operator, lists_whole: bool, timeout: Duration) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("mainstay-store")
            .enable_all()
            .build()?;
        Ok(Self { operator, runtime, lists_whole, timeout })
    }

    /// Makes a call, for as long as it is waited for.
    fn call<T>(&self, call: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
        let timed = async { tokio::time::timeout(self.timeout, call).await };
        let late = |_| Trouble::passing(format!("no answer came within {} seconds", self.timeout.as_secs()));
        self.runtime.block_on(timed).map_err(late)?
    }
}

impl Remote for OperatorRemote {
    fn stat(&self, name: &str) -> Result<Found, Trouble> {
        let found = self.call(async { self.operator.stat(name).await.map_err(|error| trouble_of(&error)) })?;
        match found.mode() {
            EntryMode::FILE => {
                let written = found.last_modified().map(|time| time.into_inner().as_nanosecond());
                let written = written.and_then(|time| i64::try_from(time).ok());
                Ok(Found::Object { len: found.content_length(), written })
            }
            EntryMode::DIR => Ok(Found::Folder),
            EntryMode::Unknown => Err(odd(format!("{name} is said to be neither an object nor a folder"))),
        }
    }

    fn read(&self, name: &str, offset: u64, len: u64) -> Result<Vec<u8>, Trouble> {
        self.call(async {
            let told = |error: opendal::Error| trouble_of(&error);
            let reader = self.operator.reader(name).await.map_err(told)?;
            let mut stream = reader.into_stream(offset..offset.saturating_add(len)).await.map_err(told)?;
            let mut bytes = Vec::new();
            while let Some(part) = stream.next().await {
                for part in part.map_err(told)? {
                    bytes.extend_from_slice(&part);
                }
                if bytes.len() as u64 > len {
                    return Err(odd(format!("more than the {len} bytes came that were asked for")));
                }
            }
            Ok(bytes)
        })
    }

    fn write(&self, name: &str, parts: &[Bytes], novelty: Novelty) -> Result<(), Trouble> {
        let options =
            WriteOptions { if_not_exists: novelty == Novelty::New && self.refuses_taken(), ..WriteOptions::default() };
        let bytes = Buffer::from(parts.to_vec());
        let written = self.call(async {
            let written = self.operator.write_options(name, bytes, options).await;
            written.map(drop).map_err(|error| trouble_of(&error))
        });
        written.map_err(|trouble| no_place(trouble, "there is no such place to write to"))
    }

    fn list(&self, folder: &str, depth: Depth) -> Result<Listing, Trouble> {
        let place = if folder.is_empty() { "/" } else { folder };
        let listed = self.call(async {
            let told = |error: opendal::Error| trouble_of(&error);
            let lister = self.operator.lister_with(place).recursive(depth == Depth::Whole).await;
            let mut lister = lister.map_err(told)?;
            let mut listing = Listing::default();
            while let Some(entry) = lister.next().await {
                let (path, metadata) = entry.map_err(told)?.into_parts();
                take(&mut listing, (folder, depth), &path, (metadata.mode(), metadata.content_length()))?;
                if listing.entries.len() > MOST_LISTED {
                    return Err(odd(format!("a listing of {place} has more than {MOST_LISTED} objects")));
                }
            }
            Ok(listing)
        });
        listed.map_err(|trouble| no_place(trouble, "there is no such place to list"))
    }

    fn delete(&self, name: &str) -> Result<(), Trouble> {
        self.call(async { self.operator.delete(name).await.map_err(|error| trouble_of(&error)) })
    }

    fn lists_whole(&self) -> bool {
        self.lists_whole
    }

    fn refuses_taken(&self) -> bool {
        self.operator.info().capability().write_with_if_not_exists
    }
}

/// Takes what a listing tells into it. Among the children of a folder only the last part of a path is believed: Dropbox's
/// client tells no more than that.
pub(super) fn take(
    listing: &mut Listing,
    (folder, depth): (&str, Depth),
    path: &str,
    (mode, len): (EntryMode, u64),
) -> Result<(), Trouble> {
    if path == folder || folder.is_empty() && path == "/" {
        listing.tells_itself = true;
        return Ok(());
    }
    let bare = path.strip_suffix('/').unwrap_or(path);
    let rest = match depth {
        Depth::Children => bare.rsplit('/').next().unwrap_or_default(),
        Depth::Whole => bare.strip_prefix(folder).unwrap_or_default(),
    };
    let is_part = |part: &str| !part.is_empty() && part != "." && part != "..";
    if !rest.split('/').all(is_part) {
        return Err(odd(format!("a listing of {folder} tells of {path:?}")));
    }
    match (mode, depth) {
        (EntryMode::FILE, _) => listing.entries.push(Entry { name: format!("{folder}{rest}"), len }),
        (EntryMode::DIR, Depth::Children) => listing.entries.push(Entry { name: format!("{folder}{rest}/"), len: 0 }),
        (EntryMode::DIR, Depth::Whole) => {}
        (EntryMode::Unknown, _) => return Err(odd(format!("{path:?} is said to be neither an object nor a folder"))),
    }
    Ok(())
}

fn odd(message: String) -> Trouble {
    Trouble::lasting(io::Error::other(message))
}

/// What a place says that is not there is no word about an object.
fn no_place(trouble: Trouble, message: &str) -> Trouble {
    if trouble.error.kind() == io::ErrorKind::NotFound {
        return odd(format!("{message}: {}", trouble.error));
    }
    trouble
}

/// What an error means, and whether it may pass.
pub(super) fn trouble_of(error: &opendal::Error) -> Trouble {
    let is_full = error.message() == NO_SPACE || error.message().contains(DROPBOX_FULL);
    let kind = match error.kind() {
        _ if is_full => io::ErrorKind::StorageFull,
        ErrorKind::NotFound => io::ErrorKind::NotFound,
        ErrorKind::PermissionDenied => io::ErrorKind::PermissionDenied,
        ErrorKind::AlreadyExists | ErrorKind::ConditionNotMatch => io::ErrorKind::AlreadyExists,
        ErrorKind::Unsupported => io::ErrorKind::Unsupported,
        ErrorKind::ConfigInvalid => io::ErrorKind::InvalidInput,
        _ if error.is_temporary() => io::ErrorKind::TimedOut,
        _ => io::ErrorKind::Other,
    };
    let is_passing = !is_full && (error.is_temporary() || error.kind() == ErrorKind::RateLimited);
    Trouble { error: io::Error::new(kind, told(error)), is_passing, after: None }
}

/// The part of an error that people need, in one line; never its context, which has the heads of requests.
fn told(error: &opendal::Error) -> String {
    let message = match error.message() {
        "" => error.kind().to_string(),
        message => message.to_owned(),
    };
    let message = match std::error::Error::source(error) {
        Some(cause) => format!("{message}: {cause}"),
        None => message,
    };
    let line: String = message.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST_TOLD).collect();
    let line = line.trim().to_owned();
    match error.kind() {
        ErrorKind::PermissionDenied => format!("{line} (the token may have run out)"),
        _ => line,
    }
}
