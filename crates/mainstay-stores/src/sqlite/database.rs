//! Connections to the file, and transactions.
//!
//! Owns how the file is opened and what is asked of SQLite. Creates it in `create` alone. Never opens the file by other
//! means than SQLite: closing any descriptor of it would drop the locks of this whole process (fcntl(2), POSIX locks).
//!
//! Safety argument: a connection belongs to one call at a time; it goes back into the pool only when no transaction is
//! open in it and nothing happened to it that its cache might not know of.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use super::failure::{Failure, Outcome};
pub(super) use super::schema::Identity;
use super::schema::{create, identify, plan};

/// How long a call waits for the locks of others: a commit on a slow stick takes seconds.
const PATIENCE: Duration = Duration::from_secs(60);
/// Connections that are kept open while nobody needs them; each has a cache of 5 MiB.
const IDLE_MAX: usize = 4;

/// Bytes of the journal that stay when a transaction has ended: its place on a disk that is full. A little more than
/// the reserve, by whose overwriting the journal gets this long.
const JOURNAL_LIMIT: u32 = (1 << 20) + (1 << 16);

/// What is asked of each connection.
/// - The journal is kept and only its header taken away: there is no directory to sync, and on a full disk it has its
///   place. No WAL: processes share its index through memory, which a network share has not, and a stick would have to
///   carry three files that belong together.
/// - A commit is synced, to the platter where a system distinguishes that.
/// - Nothing is written to a temporary disk, which may be full as well.
/// - Functions that a strange schema might call are out of its reach, and pages are checked when they are read.
/// - The cache holds the largest transaction, which else would be synced twice.
fn settings() -> String {
    format!(
        "PRAGMA journal_size_limit = {JOURNAL_LIMIT}; PRAGMA synchronous = FULL; PRAGMA fullfsync = ON;
         PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;
         PRAGMA cache_size = -5120;"
    )
}

/// What may be done with the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// As much as the system allows: SQLite itself is content with reading where it may not write.
    ReadWrite,
    #[cfg_attr(not(test), expect(dead_code, reason = "as root, no other way leads to a file that can only be read"))]
    ReadOnly,
}

/// The file, by its name, and the connections to it that are idle.
#[derive(Debug)]
pub(super) struct Database {
    path: PathBuf,
    access: Access,
    idle: Mutex<Vec<Connection>>,
}

impl Database {
    pub fn new(path: PathBuf, access: Access) -> Self {
        Self { path, access, idle: Mutex::default() }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether there is no file of that name. Looks at it without opening it.
    pub fn is_missing(&self) -> io::Result<bool> {
        match fs::metadata(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
            status => status.map(|_| false),
        }
    }

    /// Length of the journal; none where there is no journal yet.
    pub fn journal_len(&self) -> io::Result<u64> {
        // It lies beside the file, not beside a link to it.
        let mut path = fs::canonicalize(&self.path)?.into_os_string();
        path.push("-journal");
        match fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            status => status.map(|status| status.len()),
        }
    }

    /// Runs a transaction that reads; what it sees does not change meanwhile.
    pub fn read<T>(&self, doing: &str, work: impl FnOnce(&Connection) -> Outcome<T>) -> io::Result<T> {
        self.run(TransactionBehavior::Deferred, work).map_err(|failure| failure.into_io(doing, &self.path))
    }

    /// Runs a transaction that writes; durable when this returns. After an error nothing of it can be seen, but for one
    /// of the disk during the commit itself, which leaves open whether it can.
    pub fn write<T>(&self, doing: &str, work: impl FnOnce(&Connection) -> Outcome<T>) -> io::Result<T> {
        self.run(TransactionBehavior::Immediate, work).map_err(|failure| failure.into_io(doing, &self.path))
    }

    /// Creates the file and its tables where there are none, and tells whose it is. The folder is not created: a stick
    /// that is not mounted must not become a folder.
    pub fn create(&self) -> io::Result<Identity> {
        self.create_tables().map_err(|failure| failure.into_io("create a repository", &self.path))
    }

    fn create_tables(&self) -> Outcome<Identity> {
        let mut connection = self.connect(OpenFlags::SQLITE_OPEN_CREATE)?;
        let mut identity = self.identify(&connection)?;
        if identity == Identity::Blank {
            configure(&connection)?;
            plan(&connection)?;
            identity = in_transaction(&mut connection, TransactionBehavior::Immediate, create)?;
        }
        if identity == Identity::Ours {
            // Whoever created it may have been killed before its name was durable.
            let path = fs::canonicalize(&self.path)?;
            File::open(path.parent().unwrap_or(Path::new("/"))).and_then(|folder| folder.sync_all())?;
        }
        Ok(identity)
    }

    fn run<T>(&self, behavior: TransactionBehavior, work: impl FnOnce(&Connection) -> Outcome<T>) -> Outcome<T> {
        let pooled = self.idle().pop();
        let mut connection = match pooled {
            Some(connection) => connection,
            None => self.open()?,
        };
        let outcome = in_transaction(&mut connection, behavior, work);
        let is_spared = outcome.as_ref().err().is_none_or(Failure::spares_connection) && connection.is_autocommit();
        let mut idle = self.idle();
        if is_spared && idle.len() < IDLE_MAX {
            idle.push(connection);
        }
        outcome
    }

    /// Opens a file that is there and ours.
    fn open(&self) -> Outcome<Connection> {
        let connection = self.connect(OpenFlags::empty())?;
        let reason = match self.identify(&connection)? {
            Identity::Ours => {
                configure(&connection)?;
                return Ok(connection);
            }
            Identity::Blank => "the file is empty",
            Identity::Foreign => "the file holds something else than a repository",
        };
        Err(Failure::answer(io::ErrorKind::Other, reason))
    }

    /// Tells whose file it is. To SQLite a file that is shorter than a page is empty, whatever somebody has written there.
    fn identify(&self, connection: &Connection) -> Outcome<Identity> {
        match identify(connection)? {
            Identity::Blank if fs::metadata(&self.path)?.len() > 0 => Ok(Identity::Foreign),
            identity => Ok(identity),
        }
    }

    fn connect(&self, creation: OpenFlags) -> Outcome<Connection> {
        let access = match self.access {
            Access::ReadWrite => OpenFlags::SQLITE_OPEN_READ_WRITE | creation,
            Access::ReadOnly => OpenFlags::SQLITE_OPEN_READ_ONLY,
        };
        let is_linked = fs::metadata(&self.path).is_ok_and(|status| status.nlink() > 1);
        if is_linked && self.access == Access::ReadWrite {
            // What was interrupted under the one would be rolled back over what was committed under the other.
            let reason = "the file has several names (hard links), and the journal of one is not seen by the others: keep one of them";
            return Err(Failure::answer(io::ErrorKind::Other, reason));
        }
        // To SQLite some names mean something else than a file, but none that begins like this.
        let path = if self.path.is_relative() { Path::new(".").join(&self.path) } else { self.path.clone() };
        let connection = match Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX) {
            // That the file is not there says nothing of what is in it.
            Err(_) if self.is_missing()? => {
                let reason = match creation.contains(OpenFlags::SQLITE_OPEN_CREATE) {
                    true => "no file can be created there: is the directory there, and its disk mounted for writing?",
                    false => "there is no such file: is its disk mounted?",
                };
                return Err(Failure::answer(io::ErrorKind::Other, reason));
            }
            opened => opened?,
        };
        connection.busy_timeout(PATIENCE)?;
        Ok(connection)
    }

    /// A connection as calls have it, for tests that change the file past the store.
    #[cfg(test)]
    pub fn open_for_test(&self) -> Connection {
        let pooled = self.idle().pop();
        pooled.unwrap_or_else(|| self.open().expect("the file is there"))
    }

    #[cfg(test)]
    pub fn give_back_for_test(&self, connection: Connection) {
        self.idle().push(connection);
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks for all settings, of a file that is known to be ours or blank: the journal's mode may change a file.
fn configure(connection: &Connection) -> Outcome<()> {
    let mode: String = connection.query_row("PRAGMA journal_mode = PERSIST", (), |row| row.get(0))?;
    if mode != "persist" {
        let reason = format!("expected a rollback journal, got mode {mode}: has another program changed it?");
        return Err(Failure::answer(io::ErrorKind::Other, reason));
    }
    Ok(connection.execute_batch(&settings())?)
}

fn in_transaction<T>(
    connection: &mut Connection,
    behavior: TransactionBehavior,
    work: impl FnOnce(&Connection) -> Outcome<T>,
) -> Outcome<T> {
    let transaction = Transaction::new(connection, behavior)?;
    let done = work(&transaction)?;
    transaction.commit()?;
    Ok(done)
}
