//! Copies of objects on this machine, so that what was read once needs no request again.
//!
//! Owns one SQLite file in a directory of the user's caches: cells of objects that are written once, the latest used ones, up to
//! a limit. Disposable: whatever is wrong with the file, it is done without. Holds nothing that the store does not hold, sealed
//! as it is there.

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, params};

#[cfg(test)]
mod tests;

/// Objects are kept in cells of so many bytes, from their beginning; the last is shorter.
pub const CELL: u64 = 256 << 10;
const FILE: &str = "objects.db";
/// Every SQLite file says by this number whose it is: "mkep".
const APPLICATION: i32 = 0x6d6b_6570;
/// Files of another form are begun anew.
const FORM: i32 = 1;
/// Others may be writing; whoever would wait longer does without.
const PATIENCE: Duration = Duration::from_millis(500);
/// By which backup programs know what they may leave out (bford.info/cachedir).
const TAG: &str = "Signature: 8a477f597d28d172789f06886806bc55\n# Copies of parts of backup repositories; they can be deleted at any time.\n";
const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS lengths (object TEXT PRIMARY KEY, len INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS cells (
        object TEXT NOT NULL, cell INTEGER NOT NULL, used INTEGER NOT NULL, sum INTEGER NOT NULL, bytes BLOB NOT NULL,
        PRIMARY KEY (object, cell));
    CREATE INDEX IF NOT EXISTS by_use ON cells (used);";

/// The copies of one repository's objects.
pub struct Near {
    path: PathBuf,
    /// None once something was wrong with it.
    connection: Mutex<Option<Connection>>,
    /// The number of this opening: what was used last goes last.
    opening: i64,
    /// Bytes that may still be kept.
    room: AtomicU64,
}

impl Near {
    /// Opens the copies in a directory, of at most `limit` bytes together; `None` where there can be none.
    pub fn open(directory: &Path, limit: u64) -> Option<Self> {
        make(directory).ok()?;
        let path = directory.join(FILE);
        let open = || connect(&path).and_then(|connection| begin(&connection, limit).map(|begun| (connection, begun)));
        let opened = match open() {
            // Others are at work in it.
            Err(error) if is_busy(&error) => return None,
            Err(_) => {
                remove(&path);
                open()
            }
            opened => opened,
        };
        let (connection, (opening, room)) = opened.ok()?;
        Some(Self { path, connection: Mutex::new(Some(connection)), opening, room: AtomicU64::new(room) })
    }

    /// Does something with the file; a file with which anything is wrong but that others are at work is used no more.
    fn with<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Option<T> {
        let mut held = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        match work(held.as_ref()?) {
            Ok(done) => Some(done),
            Err(error) if is_busy(&error) => None,
            Err(_) => {
                *held = None;
                remove(&self.path);
                None
            }
        }
    }

    /// The length of an object of which something is kept.
    pub fn len(&self, object: &str) -> Option<u64> {
        let len = self.with(|connection| {
            let mut query = connection.prepare("SELECT len FROM lengths WHERE object = ?")?;
            query.query_row([object], |row| row.get::<_, i64>(0)).optional()
        });
        u64::try_from(len??).ok()
    }

    /// Fills a buffer from the copy of an object; `false` where not all of it is kept.
    pub fn read_at(&self, object: &str, offset: u64, buffer: &mut [u8]) -> bool {
        let mut done = 0;
        while done < buffer.len() {
            let at = offset + done as u64;
            let Some(cell) = self.cell(object, at / CELL) else { return false };
            let within = (at % CELL) as usize;
            let Some(bytes) = cell.get(within..).filter(|bytes| !bytes.is_empty()) else { return false };
            let len = bytes.len().min(buffer.len() - done);
            buffer[done..done + len].copy_from_slice(&bytes[..len]);
            done += len;
        }
        true
    }

    /// A cell, if it is what was kept.
    fn cell(&self, object: &str, cell: u64) -> Option<Vec<u8>> {
        let number = i64::try_from(cell).ok()?;
        let (sum, used, bytes) = self.with(|connection| {
            let mut query = connection.prepare("SELECT sum, used, bytes FROM cells WHERE object = ? AND cell = ?")?;
            let row =
                |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, Vec<u8>>(2)?));
            query.query_row(params![object, number], row).optional()
        })??;
        if sum != sum_of(object, cell, &bytes) {
            self.forget(object);
            return None;
        }
        if used != self.opening {
            let update = "UPDATE cells SET used = ? WHERE object = ? AND cell = ?";
            self.with(|connection| connection.prepare(update)?.execute(params![self.opening, object, number]));
        }
        Some(bytes)
    }

    /// Keeps a part of an object of `len` bytes, which begins with a cell and ends with one or with the object.
    pub fn keep(&self, object: &str, len: u64, first: u64, bytes: &[u8]) {
        let Ok(whole) = i64::try_from(len) else { return };
        let fits = |room: u64| room.checked_sub(bytes.len() as u64);
        if self.room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_err() {
            return;
        }
        self.with(|connection| {
            let transaction = connection.unchecked_transaction()?;
            transaction
                .prepare("INSERT OR REPLACE INTO lengths (object, len) VALUES (?, ?)")?
                .execute(params![object, whole])?;
            let insert = "INSERT OR REPLACE INTO cells (object, cell, used, sum, bytes) VALUES (?, ?, ?, ?, ?)";
            for (cell, bytes) in (first..).zip(bytes.chunks(CELL as usize)) {
                let sum = sum_of(object, cell, bytes);
                let number = i64::try_from(cell).unwrap_or(i64::MAX);
                transaction.prepare(insert)?.execute(params![object, number, self.opening, sum, bytes])?;
            }
            transaction.commit()
        });
    }

    /// Keeps nothing more of an object.
    pub fn forget(&self, object: &str) {
        self.with(|connection| {
            connection.prepare("DELETE FROM lengths WHERE object = ?")?.execute([object])?;
            connection.prepare("DELETE FROM cells WHERE object = ?")?.execute([object])
        });
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked};
    matches!(error.sqlite_error_code(), Some(DatabaseBusy | DatabaseLocked))
}

/// A directory that nobody else reads, marked as one that need not be backed up.
fn make(directory: &Path) -> std::io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let tag = directory.join("CACHEDIR.TAG");
    if tag.exists() { Ok(()) } else { fs::write(tag, TAG) }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(PATIENCE)?;
    // Nothing is synced: what a crash leaves is whole, or is found out by its sums, or begun anew.
    connection.execute_batch(
        "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA trusted_schema = OFF;
         PRAGMA cell_size_check = ON;",
    )?;
    let form: (i32, i32) = (
        connection.query_row("PRAGMA application_id", [], |row| row.get(0))?,
        connection.query_row("PRAGMA user_version", [], |row| row.get(0))?,
    );
    match form {
        (APPLICATION, FORM) => {}
        (0, 0) => connection.execute_batch(&format!(
            "BEGIN IMMEDIATE; {TABLES} PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {FORM}; COMMIT;"
        ))?,
        _ => return Err(rusqlite::Error::InvalidQuery),
    }
    // Nobody else's business; sealed as it is.
    let _ = fs::set_permissions(path, fs::Permissions::from_mode(0o600));
    Ok(connection)
}

/// Numbers this opening, and makes room beneath the limit: what was not used for longest goes.
fn begin(connection: &Connection, limit: u64) -> rusqlite::Result<(i64, u64)> {
    let last: Option<i64> = connection.query_row("SELECT max(used) FROM cells", [], |row| row.get(0))?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut kept = bytes_kept(connection)?;
    if kept > limit {
        // A tenth more, so that the next opening need not do it again.
        let surplus = kept - limit / 10 * 9;
        connection.execute(
            "DELETE FROM cells WHERE rowid IN (SELECT rowid FROM
                (SELECT rowid, sum(length(bytes)) OVER (ORDER BY used, rowid) - length(bytes) AS before FROM cells)
             WHERE before < ?)",
            [surplus],
        )?;
        connection.execute("DELETE FROM lengths WHERE object NOT IN (SELECT object FROM cells)", [])?;
        // It frees a page at each step.
        let mut freeing = connection.prepare("PRAGMA incremental_vacuum")?;
        let mut pages = freeing.query([])?;
        while pages.next()?.is_some() {}
        kept = bytes_kept(connection)?;
    }
    let room = u64::try_from(limit - kept).unwrap_or(0);
    Ok((last.unwrap_or(0).saturating_add(1), room))
}

fn bytes_kept(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("SELECT coalesce(sum(length(bytes)), 0) FROM cells", [], |row| row.get(0))
}

/// A disk that flips bits is no reason to call a repository damaged. Not for those who would deceive: what is read is opened and
/// checked like all that comes from a store.
fn sum_of(object: &str, cell: u64, bytes: &[u8]) -> i64 {
    let mut hasher = DefaultHasher::new();
    (object, cell, bytes).hash(&mut hasher);
    hasher.finish().cast_signed()
}

fn remove(path: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        let mut file = path.as_os_str().to_owned();
        file.push(suffix);
        let _ = fs::remove_file(file);
    }
}
