//! Space that is set aside for a full disk, and space that is given back.
//!
//! Owns the reserve and the length of the file. Never touches an object.

use std::io;

use mainstay_repo::store::RESERVE_LEN;
use rusqlite::{Connection, OptionalExtension};

use super::database::Database;
use super::failure::Outcome;

/// Free pages from which on the file is made shorter: 16 MiB, and an eighth of the file. Fewer are filled by the next
/// backups, while giving back 16 MiB means to write them twice: about 0.2 s on the disk of the measurements (2026-11-30).
const FREE_PAGES_MAX: i64 = 1024;
/// The share of all pages that is meant.
const FREE_PAGES_SHARE: i64 = 8;
/// Free pages that stay then: 4 MiB. Whoever prunes a full disk needs them before others take them.
const FREE_PAGES_KEPT: i64 = 256;
/// Pages that are moved in one transaction: 64 MiB, so that others need not wait long.
const STEP_PAGES: i64 = 4096;
/// The same where the journal has no more than its place, of 64 pages.
const STEP_PAGES_OF_FULL_DISK: i64 = 32;

/// Sets the reserve aside, and the place of a journal beside it: without that, nothing could be written into the reserve.
pub(super) fn keep_reserve(database: &Database) -> io::Result<()> {
    let doing = "keep a reserve";
    let is_kept = database.read(doing, reserve_len)? >= RESERVE_LEN;
    // Whoever carried the file here may have left its journal behind.
    if is_kept && database.journal_len()? >= RESERVE_LEN {
        return Ok(());
    }
    if !is_kept {
        let bytes = random_bytes()?;
        let sql = "INSERT OR REPLACE INTO reserve (only, bytes) VALUES (1, ?1)";
        database.write(doing, |connection| Ok(connection.execute(sql, [&bytes])?))?;
    }
    // Pages that are overwritten go into the journal, new ones do not; and equal bytes are not written.
    let bytes = random_bytes()?;
    let sql = "UPDATE reserve SET bytes = ?1";
    let lengthened = database.write(doing, |connection| Ok(connection.execute(sql, [&bytes])?));
    if lengthened.is_err() && !is_kept {
        // Half a reserve would pass for a whole one.
        let _ = database.write("release the reserve", release_reserve);
    }
    lengthened.map(drop)
}

/// Random, so that no file system stores it in less.
fn random_bytes() -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; RESERVE_LEN as usize];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes)
}

/// Bytes that are set aside.
pub(super) fn reserve_len(connection: &Connection) -> Outcome<u64> {
    let sql = "SELECT length(bytes) FROM reserve";
    let len: Option<i64> = connection.query_row(sql, (), |row| row.get(0)).optional()?;
    Ok(len.and_then(|len| u64::try_from(len).ok()).unwrap_or(0))
}

/// Gives the reserve free inside the file, which does not get shorter: others on the disk shall not have it.
pub(super) fn release_reserve(connection: &Connection) -> Outcome<bool> {
    Ok(connection.execute("DELETE FROM reserve", ())? > 0)
}

/// Makes the file shorter once many pages in it are free, by moving its last pages into those.
pub(super) fn give_back(database: &Database) -> io::Result<()> {
    let (mut free, all) = database.read("look for free space", |connection| {
        let all: i64 = connection.query_row("PRAGMA page_count", (), |row| row.get(0))?;
        Ok((free_pages(connection)?, all))
    })?;
    if free < FREE_PAGES_MAX.max(all / FREE_PAGES_SHARE) {
        return Ok(());
    }
    let mut step = STEP_PAGES;
    while free > FREE_PAGES_KEPT {
        match shorten(database, step.min(free - FREE_PAGES_KEPT)) {
            // Nothing more can be gained, or others take as much.
            Ok(left) if left >= free => return Ok(()),
            Ok(left) => free = left,
            // A page that moves changes one that points to it, and that one goes into the journal.
            Err(error) if error.kind() == io::ErrorKind::StorageFull && step > STEP_PAGES_OF_FULL_DISK => {
                step = STEP_PAGES_OF_FULL_DISK;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Takes pages off the file's end; answers how many are free still.
fn shorten(database: &Database, pages: i64) -> io::Result<i64> {
    database.write("make the file shorter", |connection| {
        // It does one page per step.
        let mut vacuum = connection.prepare(&format!("PRAGMA incremental_vacuum({pages})"))?;
        let mut rows = vacuum.query(())?;
        while rows.next()?.is_some() {}
        free_pages(connection)
    })
}

fn free_pages(connection: &Connection) -> Outcome<i64> {
    Ok(connection.query_row("PRAGMA freelist_count", (), |row| row.get(0))?)
}
