//! A directory of another machine, by SFTP.
//!
//! Owns how the contract of a store is kept by requests to a file server: an object is written under `tmp/`, synced, named
//! without replacing, and its folder synced where the server can. Knows neither keys nor packets. Invariant: after an error
//! nothing is tried on the same file; an object of which no answer came is read back and, if it is not there, written anew.

mod channel;
mod config;
mod failure;
mod folders;
mod identity;
mod known_hosts;
mod line;
mod pool;
mod wire;

use std::io;

use futures_util::{StreamExt as _, stream};
use mainstay_repo::store::{Object, RESERVE_LEN, Upload, Vacancy, is_part};
use mainstay_repo::{Store, names};
use std::sync::Arc;

use crate::address::SftpAddress;
use crate::settings::Surroundings;
use channel::{Channel, Entry, Kind, UNTOLD, not_a_file};
use config::Target;
pub use failure::{HostKey, Trust};
use folders::{Folders, STAGING};
use line::Patience;
use pool::Pool;

#[cfg(test)]
mod tests;

/// Threads that carry requests: they wait, and encrypt.
const THREADS: usize = 2;
/// Uploads on their way at once, each on a channel of its own: while one waits for the server's disk others are sent.
const UPLOADS: usize = 4;
/// More objects beneath one folder than any repository has: 160 TB in packs of 16 MiB.
const MOST_LISTED: usize = 10_000_000;
/// Folders that are listed at once.
const LISTED_AT_ONCE: usize = 8;
/// Folders in folders: a repository has three.
const DEEPEST: usize = 16;
/// Space that is set aside; no object has such a name.
const RESERVE: &str = "reserve";

/// A directory of a server.
pub struct SftpStore {
    inner: Arc<Inner>,
}

struct Inner {
    address: SftpAddress,
    pool: Pool,
    folders: Folders,
}

/// Whether a name must be free.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Naming {
    Free,
    Over,
}

impl SftpStore {
    /// Reads the settings of the user; calls nobody yet.
    ///
    /// # Errors
    /// When the settings cannot be read, or say what is not known here.
    pub fn new(address: SftpAddress, surroundings: &Surroundings) -> io::Result<Self> {
        Self::with_patience(address, surroundings, Patience::of(&surroundings.patience))
    }

    fn with_patience(address: SftpAddress, surroundings: &Surroundings, patience: Patience) -> io::Result<Self> {
        let target = Target::find(&address, surroundings)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("mainstay-store")
            .enable_all()
            .build()?;
        let folders = Folders::new(address.directory());
        Ok(Self { inner: Arc::new(Inner { address, pool: Pool::new(target, patience, runtime), folders }) })
    }
}

impl Inner {
    fn publish(&self, name: &str, bytes: &[u8], naming: Naming) -> io::Result<()> {
        self.pool.run(async |channel, attempt| {
            // What was sent before may have arrived, and only the answer was lost.
            if attempt > 0 && naming == Naming::Free && self.is_published(channel, name, bytes).await? {
                return Ok(());
            }
            let staged = self.stage(channel, bytes).await?;
            let named = self.name(channel, &staged, (name, bytes), naming).await;
            if named.as_ref().is_err_and(|error| !failure::is_passing(error)) {
                // What stays behind is harmless: nothing reads the staging folder.
                let _ = channel.remove(&staged).await;
            }
            named
        })
    }

    /// Whether an object is there and holds these very bytes; others are an error of kind `AlreadyExists`.
    async fn is_published(&self, channel: &Channel, name: &str, bytes: &[u8]) -> io::Result<bool> {
        match channel.read(&self.folders.path(name), bytes.len() as u64).await {
            Ok(there) if there == bytes => {
                self.folders.make_durable(channel, folder_of(name)).await?;
                self.folders.sync(channel, &self.folders.path(folder_of(name))).await?;
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            // Other bytes, more of them, or less.
            Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
            Err(error) if matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) => {
                Err(io::Error::new(io::ErrorKind::AlreadyExists, error))
            }
            Err(error) => Err(error),
        }
    }

    /// Writes a file of a new name into the staging folder; answers its path.
    async fn stage(&self, channel: &Channel, bytes: &[u8]) -> io::Result<String> {
        let mut number = [0; 16];
        getrandom::fill(&mut number).map_err(io::Error::other)?;
        let path = self.folders.path(&format!("{STAGING}/{:032x}", u128::from_be_bytes(number)));
        let created = match channel.create(&path, bytes).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.folders.require_repository(channel).await?;
                self.folders.create(channel, &self.folders.path(STAGING)).await?;
                channel.create(&path, bytes).await
            }
            created => created,
        };
        let Err(error) = created else { return Ok(path) };
        if failure::is_passing(&error) {
            return Err(error);
        }
        let _ = channel.remove(&path).await;
        // The protocol has no word for a full disk.
        match channel.free_bytes(self.folders.root()).await {
            Some(free) if free < bytes.len() as u64 => Err(io::Error::new(io::ErrorKind::StorageFull, error)),
            _ => Err(error),
        }
    }

    /// Gives a file of the staging folder its name.
    async fn name(
        &self,
        channel: &Channel,
        staged: &str,
        (name, bytes): (&str, &[u8]),
        naming: Naming,
    ) -> io::Result<()> {
        let (folder, target) = (folder_of(name), self.folders.path(name));
        self.folders.make_durable(channel, folder).await?;
        let named = match rename(channel, staged, &target, naming).await {
            // The folder of a session that another one took for ended.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.folders.forget(folder);
                self.folders.make_durable(channel, folder).await?;
                rename(channel, staged, &target, naming).await
            }
            named => named,
        };
        match named {
            Ok(()) => self.folders.sync(channel, &self.folders.path(folder)).await,
            // The file itself is gone: another session has cleared unfinished objects away.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(failure::passing(&error.to_string())),
            Err(error) if failure::is_passing(&error) || naming == Naming::Over => Err(error),
            // The protocol has no word for a name that is taken.
            Err(error) => match self.is_published(channel, name, bytes).await? {
                true => {
                    let _ = channel.remove(staged).await;
                    Ok(())
                }
                false => Err(error),
            },
        }
    }

    async fn len(&self, channel: &Channel, name: &str) -> io::Result<u64> {
        match channel.look(&self.folders.path(name)).await {
            Ok(Entry { kind: Kind::File, len, .. }) => Ok(len),
            Ok(_) => Err(not_a_file()),
            Err(error) => Err(self.folders.absence(channel, error).await),
        }
    }

    /// Everything beneath a folder, folders too: those of each level after those above it.
    async fn walk(&self, channel: &Channel, folder: &str) -> io::Result<(Vec<Object>, Vec<String>)> {
        let (mut objects, mut folders) = (Vec::new(), Vec::new());
        let mut level = vec![folder.to_owned()];
        for _ in 0..DEEPEST {
            let listings = level.iter().map(|folder| self.list_folder(channel, folder));
            let mut listings = stream::iter(listings).buffer_unordered(LISTED_AT_ONCE);
            let mut next = Vec::new();
            while let Some(listing) = listings.next().await {
                let (found, inner) = listing?;
                objects.extend(found);
                next.extend(inner);
                if objects.len() + folders.len() + next.len() > MOST_LISTED {
                    return Err(io::Error::other(format!("a listing of {folder} has more than {MOST_LISTED} objects")));
                }
            }
            drop(listings);
            folders.append(&mut level);
            if next.is_empty() {
                return Ok((objects, folders));
            }
            level = next;
        }
        Err(io::Error::other(format!("a listing of {folder} has folders in more than {DEEPEST} folders")))
    }

    /// Objects and folders of one folder; one that is not there is empty.
    async fn list_folder(&self, channel: &Channel, folder: &str) -> io::Result<(Vec<Object>, Vec<String>)> {
        let (mut objects, mut folders) = (Vec::new(), Vec::new());
        let entries = match channel.list(&self.folders.path(folder), MOST_LISTED).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            listed => listed?,
        };
        for entry in entries.into_iter().filter(|entry| is_part(&entry.name)) {
            let name = if folder.is_empty() { entry.name.clone() } else { format!("{folder}/{}", entry.name) };
            let entry = match entry.len {
                UNTOLD => match channel.look(&self.folders.path(&name)).await {
                    // Deleted since.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    looked => looked?,
                },
                _ => entry,
            };
            match entry.kind {
                Kind::File => objects.push(Object { name, len: entry.len }),
                Kind::Directory => folders.push(name),
                // A link, a FIFO or the like can be in the place of an object, or of a folder of them: it is told, and cannot be read. To
                // pass it over would say that nothing is there.
                Kind::Other => objects.push(Object { name, len: 0 }),
            }
        }
        Ok((objects, folders))
    }

    async fn delete(&self, channel: &Channel, name: &str) -> io::Result<()> {
        match channel.remove(&self.folders.path(name)).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            removed => removed?,
        }
        let mut folder = folder_of(name);
        // Folders of sessions come and go with them; one that still holds something stays by itself.
        if [names::LEASES, names::INTENTS].iter().any(|prefix| name.starts_with(prefix)) {
            self.folders.forget(folder);
            if channel.remove_directory(&self.folders.path(folder)).await.is_ok() {
                folder = folder_of(folder);
            }
        }
        match self.folders.sync(channel, &self.folders.path(folder)).await {
            // Somebody else removed it, or it never was.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            synced => synced,
        }
    }

    async fn prepare(&self, channel: &Channel) -> io::Result<Vacancy> {
        self.folders.create_root(channel).await?;
        match channel.look(&self.folders.path(names::CONFIG)).await {
            Ok(_) => return Ok(Vacancy::Repository),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let is_ours = |entry: &Entry| [STAGING, "lost+found", "keys"].contains(&entry.name.as_str());
        if !channel.list(self.folders.root(), MOST_LISTED).await?.iter().all(is_ours) {
            return Ok(Vacancy::Foreign);
        }
        self.folders.create(channel, &self.folders.path(STAGING)).await?;
        Ok(Vacancy::Empty)
    }
}

impl Store for SftpStore {
    fn location(&self) -> String {
        self.inner.address.place().to_string()
    }

    fn upload(&self) -> io::Result<Box<dyn Upload>> {
        Ok(Box::new(SftpUpload { inner: Arc::clone(&self.inner), bytes: Vec::new() }))
    }

    fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.inner.publish(name, bytes, Naming::Free)
    }

    fn len(&self, name: &str) -> io::Result<u64> {
        self.inner.pool.run(async |channel, _| self.inner.len(channel, name).await)
    }

    fn read_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let (folders, path) = (&self.inner.folders, self.inner.folders.path(name));
        let len = buffer.len();
        let bytes = self.inner.pool.run(async |channel, _| {
            let mut bytes = vec![0; len];
            match channel.read_at(&path, offset, &mut bytes).await {
                Ok(()) => Ok(bytes),
                Err(error) => Err(folders.absence(channel, error).await),
            }
        })?;
        buffer.copy_from_slice(&bytes);
        Ok(())
    }

    fn read(&self, name: &str, limit: u64) -> io::Result<Vec<u8>> {
        let (folders, path) = (&self.inner.folders, self.inner.folders.path(name));
        self.inner.pool.run(async |channel, _| match channel.read(&path, limit).await {
            // The first object tells whether there is a repository at all.
            Err(error) if name != names::CONFIG => Err(folders.absence(channel, error).await),
            read => read,
        })
    }

    fn list(&self, prefix: &str) -> io::Result<Vec<Object>> {
        self.inner.pool.run(async |channel, _| {
            let (objects, _) = self.inner.walk(channel, prefix.trim_end_matches('/')).await?;
            // An absent folder is empty only inside a repository; outside one it means that the disk is not mounted.
            if objects.is_empty() {
                self.inner.folders.require_repository(channel).await?;
            }
            Ok(objects)
        })
    }

    fn delete(&self, name: &str) -> io::Result<()> {
        self.inner.pool.run(async |channel, _| self.inner.delete(channel, name).await)
    }

    fn make_durable(&self, name: &str) -> io::Result<()> {
        let folders = &self.inner.folders;
        self.inner.pool.run(async |channel, _| {
            if !name.ends_with('/') {
                // Its content was synced before it had its name.
                folders.make_durable(channel, folder_of(name)).await?;
                return folders.sync(channel, &folders.path(folder_of(name))).await;
            }
            let (_, found) = self.inner.walk(channel, name.trim_end_matches('/')).await?;
            for folder in found {
                match folders.sync(channel, &folders.path(&folder)).await {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    synced => synced?,
                }
            }
            Ok(())
        })
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.inner.publish(name, bytes, Naming::Over)
    }

    fn clear_staging(&self) -> io::Result<()> {
        self.inner.pool.run(async |channel, _| {
            let (left, _) = self.inner.list_folder(channel, STAGING).await?;
            for object in left {
                match channel.remove(&self.inner.folders.path(&object.name)).await {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    removed => removed?,
                }
            }
            Ok(())
        })
    }

    fn keep_reserve(&self) -> io::Result<()> {
        if self.reserve_len()? > 0 {
            return Ok(());
        }
        // Random, so that no file system stores it in less.
        let mut bytes = vec![0; RESERVE_LEN as usize];
        getrandom::fill(&mut bytes).map_err(io::Error::other)?;
        match self.put(RESERVE, &bytes) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            put => put,
        }
    }

    fn reserve_len(&self) -> io::Result<u64> {
        let path = self.inner.folders.path(RESERVE);
        self.inner.pool.run(async |channel, _| match channel.look(&path).await {
            Ok(entry) => Ok(entry.len),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(error),
        })
    }

    fn release_reserve(&self) -> io::Result<bool> {
        let was_there = self.reserve_len()? > 0;
        self.delete(RESERVE)?;
        Ok(was_there)
    }

    fn publishes_at_once(&self) -> usize {
        UPLOADS
    }

    fn prepare(&self) -> io::Result<Vacancy> {
        self.inner.pool.run(async |channel, _| self.inner.prepare(channel).await)
    }

    fn remove_emptied(&self) -> io::Result<()> {
        self.inner.pool.run(async |channel, _| {
            let (_, found) = self.inner.walk(channel, "").await?;
            for folder in found.iter().rev() {
                channel.remove_directory(&self.inner.folders.path(folder)).await?;
            }
            Ok(())
        })
    }

    fn caveats(&self) -> Vec<String> {
        let asked = self.inner.pool.run(async |channel, _| Ok(channel.can.fsync));
        let mut caveats = Vec::new();
        if asked.is_ok_and(|can| !can) {
            caveats.push(
                "the server has no fsync: whether an object survives its power cut is for the server alone".to_owned(),
            );
        } else if self.inner.folders.syncs() == Some(false) {
            caveats.push(
                "the server syncs no directories: after its power cut a name may be gone that was there".to_owned(),
            );
        }
        caveats
    }
}

/// An object that waits for its name, and is sent once it has one: a connection that breaks costs another sending and no object.
struct SftpUpload {
    inner: Arc<Inner>,
    bytes: Vec<u8>,
}

impl Upload for SftpUpload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn publish(self: Box<Self>, name: &str) -> io::Result<()> {
        self.inner.publish(name, &self.bytes, Naming::Free)
    }
}

/// Gives a staged file a name. That a name is free is looked for first, since some servers rename over what is there; of those
/// that do not, one alone wins a race.
async fn rename(channel: &Channel, staged: &str, target: &str, naming: Naming) -> io::Result<()> {
    if naming == Naming::Over && channel.can.posix_rename {
        return channel.rename_over(staged, target).await;
    }
    match (channel.look(target).await, naming) {
        (Ok(_), Naming::Free) => return Err(io::Error::other("the name is taken")),
        // One of both is there under its name or beside, whatever fails.
        (Ok(_), Naming::Over) => {
            let aside = format!("{staged}-old");
            channel.rename(target, &aside).await?;
            if let Err(error) = channel.rename(staged, target).await {
                channel.rename(&aside, target).await?;
                return Err(error);
            }
            return channel.remove(&aside).await;
        }
        (Err(error), _) if error.kind() == io::ErrorKind::NotFound => {}
        (Err(error), _) => return Err(error),
    }
    channel.rename(staged, target).await
}

/// The folder of a name; of one in the root, `""`.
fn folder_of(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(folder, _)| folder)
}
