//! Objects as rows, and their bytes as parts.
//!
//! Owns every statement on names and bytes; runs inside a transaction of `database`. Invariant: an object's row is there
//! only with all of its parts, and no answer about names is given from a page that has lost some.

use std::io;

use mainstay_repo::names;
use mainstay_repo::store::{Object, Vacancy};
use rusqlite::{Connection, OptionalExtension};

use super::failure::{Failure, Outcome};
use super::schema::PART_LEN;

/// Where an object's bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub upload: i64,
    pub len: u64,
}

/// Looks for an object.
pub(super) fn find(connection: &Connection, name: &str) -> Outcome<Option<Entry>> {
    let row = |row: &rusqlite::Row<'_>| Ok((row.get("upload")?, row.get("len")?));
    let found = connection.query_row("SELECT upload, len FROM objects WHERE name = ?1", [name], row).optional()?;
    let Some((upload, len)) = found else { return Ok(None) };
    Ok(Some(Entry { upload, len: length(len)? }))
}

/// The same; an object that is not there is `NotFound`, and only where its folder has lost none.
pub(super) fn require(connection: &Connection, name: &str) -> Outcome<Entry> {
    if let Some(entry) = find(connection, name)? {
        return Ok(entry);
    }
    list(connection, folder_of(name))?;
    Err(Failure::answer(io::ErrorKind::NotFound, "there is no such object"))
}

/// Lists what is beneath a folder, or everything beneath none.
pub(super) fn list(connection: &Connection, folder: &str) -> Outcome<Vec<Object>> {
    // No name holds a character after `z`.
    let end = format!("{folder}~");
    let mut select =
        connection.prepare("SELECT name, len FROM objects WHERE name >= ?1 AND name < ?2 ORDER BY name")?;
    let mut rows = select.query([folder, &end])?;
    let mut objects: Vec<Object> = Vec::new();
    while let Some(row) = rows.next()? {
        let object = Object { name: row.get(0)?, len: length(row.get(1)?)? };
        let is_in_order = objects.last().is_none_or(|last| last.name < object.name);
        if !is_in_order || !object.name.starts_with(folder) {
            return Err(damaged(format!("{:?} is out of order", object.name)));
        }
        objects.push(object);
    }
    let sum = "SELECT coalesce(sum(objects), 0) FROM folders WHERE name >= ?1 AND name < ?2";
    let expected: i64 = connection.query_row(sum, [folder, &end], |row| row.get(0))?;
    if usize::try_from(expected) != Ok(objects.len()) {
        return Err(damaged(format!("expected {expected} objects in {folder:?}, got {}", objects.len())));
    }
    Ok(objects)
}

/// Fills a buffer from an object, beginning at an offset; reads no other parts than it needs.
pub(super) fn read_range(connection: &Connection, entry: &Entry, offset: u64, buffer: &mut [u8]) -> Outcome<()> {
    let end = offset.checked_add(buffer.len() as u64);
    if end.is_none_or(|end| end > entry.len) {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    }
    read_parts(connection, entry, offset, buffer).map_err(Failure::in_bytes)
}

/// Reads an object of at most `limit` bytes.
pub(super) fn read_whole(connection: &Connection, name: &str, limit: u64) -> Outcome<Vec<u8>> {
    let entry = require(connection, name)?;
    if entry.len > limit {
        let reason = format!("{} bytes exceed the limit of {limit}", entry.len);
        return Err(Failure::answer(io::ErrorKind::InvalidData, reason));
    }
    let mut bytes = vec![0; entry.len as usize];
    read_range(connection, &entry, 0, &mut bytes)?;
    Ok(bytes)
}

fn read_parts(connection: &Connection, entry: &Entry, offset: u64, mut buffer: &mut [u8]) -> Outcome<()> {
    let mut part = offset / PART_LEN as u64;
    let mut start = (offset % PART_LEN as u64) as usize;
    let mut row_of = connection.prepare("SELECT rowid FROM parts WHERE upload = ?1 AND part = ?2")?;
    let mut open: Option<rusqlite::blob::Blob<'_>> = None;
    while !buffer.is_empty() {
        let row = row_of.query_row((entry.upload, part as i64), |row| row.get(0)).optional()?;
        let row = row.ok_or_else(|| lost(part, "it is missing"))?;
        let blob = match open.take() {
            Some(mut blob) => blob.reopen(row).map(|()| blob)?,
            None => connection.blob_open("main", "parts", "bytes", row, true)?,
        };
        let len = (entry.len - part * PART_LEN as u64).min(PART_LEN as u64) as usize;
        if blob.len() != len {
            return Err(lost(part, &format!("expected {len} bytes, got {}", blob.len())));
        }
        let (head, rest) = buffer.split_at_mut((len - start).min(buffer.len()));
        blob.read_at_exact(head, start)?;
        (buffer, start, part) = (rest, 0, part + 1);
        open = Some(blob);
    }
    Ok(())
}

/// Adds a part to what has no name yet.
pub(super) fn add_part(connection: &Connection, upload: i64, part: u64, bytes: &[u8]) -> Outcome<()> {
    let sql = "INSERT INTO parts (upload, part, bytes) VALUES (?1, ?2, ?3)";
    connection.execute(sql, (upload, part as i64, bytes))?;
    Ok(())
}

/// Writes down that an upload has parts and no name yet.
pub(super) fn stage(connection: &Connection, upload: i64) -> Outcome<()> {
    connection.execute("INSERT INTO staged (upload) VALUES (?1) ON CONFLICT DO NOTHING", [upload])?;
    Ok(())
}

/// Gives bytes a name that must be free. They must all be there still: somebody who took their writer for gone may have
/// cleared them away.
pub(super) fn publish(connection: &Connection, name: &str, entry: &Entry) -> Outcome<()> {
    let sql = "SELECT coalesce(sum(length(bytes)), 0) FROM parts WHERE upload = ?1";
    let staged: i64 = connection.query_row(sql, [entry.upload], |row| row.get(0))?;
    if u64::try_from(staged) != Ok(entry.len) {
        let reason = format!("expected {} bytes that were written, got {staged}: they were cleared away", entry.len);
        return Err(Failure::answer(io::ErrorKind::Other, reason));
    }
    let sql = "INSERT INTO objects (name, upload, len) VALUES (?1, ?2, ?3) ON CONFLICT (name) DO NOTHING";
    match connection.execute(sql, (name, entry.upload, entry.len as i64))? {
        0 => Err(Failure::answer(io::ErrorKind::AlreadyExists, "there is an object of that name")),
        _ => {
            connection.execute("DELETE FROM staged WHERE upload = ?1", [entry.upload])?;
            Ok(())
        }
    }
}

/// Deletes an object; answers whether it was there. That it was not is believed only where its folder has lost none.
pub(super) fn delete(connection: &Connection, name: &str) -> Outcome<bool> {
    let Some(entry) = find(connection, name)? else {
        list(connection, folder_of(name))?;
        return Ok(false);
    };
    connection.execute("DELETE FROM parts WHERE upload = ?1", [entry.upload])?;
    connection.execute("DELETE FROM objects WHERE name = ?1", [name])?;
    Ok(true)
}

fn folder_of(name: &str) -> &str {
    name.rfind('/').and_then(|slash| name.get(..=slash)).unwrap_or_default()
}

/// Removes the parts of an upload that is written down to have no name; one whose commit failed may have one after all.
pub(super) fn discard(connection: &Connection, upload: i64) -> Outcome<()> {
    let sql = "DELETE FROM parts WHERE upload = ?1 AND ?1 IN (SELECT upload FROM staged)";
    connection.execute(sql, [upload])?;
    connection.execute("DELETE FROM staged WHERE upload = ?1", [upload])?;
    Ok(())
}

/// Removes one upload that has no name; answers whether there was one. One at a time, so that the journal stays short.
pub(super) fn discard_one_orphan(connection: &Connection) -> Outcome<bool> {
    let orphan: Option<i64> =
        connection.query_row("SELECT upload FROM staged LIMIT 1", (), |row| row.get(0)).optional()?;
    if let Some(upload) = orphan {
        discard(connection, upload)?;
    }
    Ok(orphan.is_some())
}

/// What the tables hold before a repository is created. Key slots alone are what an interrupted creation leaves.
pub(super) fn vacancy(connection: &Connection) -> Outcome<Vacancy> {
    if find(connection, names::CONFIG)?.is_some() {
        return Ok(Vacancy::Repository);
    }
    let is_foreign = list(connection, "")?.iter().any(|object| !object.name.starts_with(names::KEY_SLOTS));
    Ok(if is_foreign { Vacancy::Foreign } else { Vacancy::Empty })
}

fn length(len: i64) -> Outcome<u64> {
    u64::try_from(len).map_err(|_| damaged(format!("a length of {len} bytes")))
}

/// Doubt about names: which objects there are is not known.
fn damaged(problem: String) -> Failure {
    Failure::answer(io::ErrorKind::Other, format!("the database is damaged: {problem}"))
}

/// Bytes of an object whose row is there.
fn lost(part: u64, problem: &str) -> Failure {
    Failure::answer(io::ErrorKind::InvalidData, format!("part {part}: {problem}"))
}
