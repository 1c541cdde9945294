//! Objects as rows, and their bytes as parts.
//!
//! Owns every statement on names and bytes. Invariant: an object's row is there only with all of its parts, since both come and
//! go in one transaction.

use std::io;

use bytes::Bytes;
use mainstay_repo::names;
use mainstay_repo::store::{Object, Vacancy};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, GenericClient, IsolationLevel, Transaction};

use super::Naming;
use super::failure::{Failure, Outcome};
use super::schema::PART_LEN;

/// Names in one answer.
const PAGE: i64 = 10_000;
/// More objects beneath one folder than any repository has: 160 TB in packs of 16 MiB.
const MOST_LISTED: usize = 10_000_000;

/// Where an object's bytes are.
#[derive(Clone, Copy)]
struct Entry {
    upload: i64,
    len: u64,
}

async fn require(client: &impl GenericClient, schema: &str, name: &str) -> Outcome<Entry> {
    let sql = format!("SELECT upload, len FROM {schema}.objects WHERE name = $1");
    let rows = client.query_typed(&sql, &[(&name, Type::TEXT)]).await?;
    let absent = || Failure::answer(io::ErrorKind::NotFound, "there is no such object");
    let row = rows.first().ok_or_else(absent)?;
    Ok(Entry { upload: row.try_get(0)?, len: length(row.try_get(1)?)? })
}

pub async fn len(client: &Client, schema: &str, name: &str) -> Outcome<u64> {
    Ok(require(client, schema, name).await?.len)
}

/// A transaction whose reads see one moment.
async fn looking(client: &mut Client) -> Outcome<Transaction<'_>> {
    Ok(client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true).start().await?)
}

/// Reads `len` bytes from an offset on; anything less is an error.
pub async fn read_range(client: &mut Client, schema: &str, name: &str, (offset, len): (u64, u64)) -> Outcome<Vec<u8>> {
    let transaction = looking(client).await?;
    let entry = require(&transaction, schema, name).await?;
    if offset.checked_add(len).is_none_or(|end| end > entry.len) {
        return Err(Failure::Answer(io::ErrorKind::UnexpectedEof.into()));
    }
    let bytes = read_parts(&transaction, schema, entry, (offset, len)).await?;
    transaction.commit().await?;
    Ok(bytes)
}

/// Reads an object of at most `limit` bytes.
pub async fn read_whole(client: &mut Client, schema: &str, name: &str, limit: u64) -> Outcome<Vec<u8>> {
    let transaction = looking(client).await?;
    let entry = require(&transaction, schema, name).await?;
    if entry.len > limit {
        let reason = format!("{} bytes exceed the limit of {limit}", entry.len);
        return Err(Failure::answer(io::ErrorKind::InvalidData, reason));
    }
    let bytes = read_parts(&transaction, schema, entry, (0, entry.len)).await?;
    transaction.commit().await?;
    Ok(bytes)
}

async fn read_parts(
    transaction: &Transaction<'_>,
    schema: &str,
    entry: Entry,
    (mut offset, len): (u64, u64),
) -> Outcome<Vec<u8>> {
    let end = offset + len;
    let mut bytes = Vec::new();
    let sql = format!("SELECT substring(bytes FROM $3 FOR $4) FROM {schema}.parts WHERE upload = $1 AND part = $2");
    while offset < end {
        let part = offset / PART_LEN;
        let start = offset % PART_LEN;
        let wanted = (PART_LEN - start).min(end - offset);
        // Positions are counted from 1.
        let (number, from, count) = (part as i64, start as i32 + 1, wanted as i32);
        let types = [Type::INT8, Type::INT8, Type::INT4, Type::INT4];
        let [upload_type, part_type, from_type, count_type] = types;
        let given: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 4] =
            [(&entry.upload, upload_type), (&number, part_type), (&from, from_type), (&count, count_type)];
        let rows = transaction.query_typed(&sql, &given).await?;
        let got: &[u8] = rows.first().map_or(Ok(&[][..]), |row| row.try_get(0))?;
        if got.len() as u64 != wanted {
            let reason = format!("part {part}: expected {wanted} bytes, got {}", got.len());
            return Err(Failure::answer(io::ErrorKind::InvalidData, reason));
        }
        bytes.extend_from_slice(got);
        offset += wanted;
    }
    Ok(bytes)
}

/// Lists what is beneath a folder, or everything beneath none.
pub async fn list(client: &mut Client, schema: &str, folder: &str) -> Outcome<Vec<Object>> {
    let transaction = looking(client).await?;
    let sql =
        format!("SELECT name, len FROM {schema}.objects WHERE name > $1 AND name < $2 ORDER BY name LIMIT {PAGE}");
    // No name holds a character after `z`.
    let (mut last, end) = (folder.to_owned(), format!("{folder}~"));
    let mut objects: Vec<Object> = Vec::new();
    loop {
        let rows = transaction.query_typed(&sql, &[(&last, Type::TEXT), (&end, Type::TEXT)]).await?;
        for row in &rows {
            let object = Object { name: row.try_get(0)?, len: length(row.try_get(1)?)? };
            if object.name <= last || !object.name.starts_with(folder) || objects.len() == MOST_LISTED {
                return Err(damaged(format!("{:?} is out of order, or one of too many", object.name)));
            }
            last.clone_from(&object.name);
            objects.push(object);
        }
        if (rows.len() as i64) < PAGE {
            break;
        }
    }
    transaction.commit().await?;
    Ok(objects)
}

/// Writes an object in one transaction. A name that must be free and is not is `AlreadyExists`.
pub async fn publish(client: &mut Client, schema: &str, name: &str, (bytes, naming): (&Bytes, Naming)) -> Outcome<()> {
    let number = getrandom::u64().map_err(|error| Failure::Answer(io::Error::other(error)))?;
    let (upload, len) = ((number >> 1) as i64, bytes.len() as i64);
    let transaction = client.transaction().await?;
    if naming == Naming::Over {
        delete_within(&transaction, schema, name).await?;
    }
    let sql =
        format!("INSERT INTO {schema}.objects (name, upload, len) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING");
    let given: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 3] =
        [(&name, Type::TEXT), (&upload, Type::INT8), (&len, Type::INT8)];
    if transaction.execute_typed(&sql, &given).await? == 0 {
        return Err(Failure::answer(io::ErrorKind::AlreadyExists, "there is an object of that name"));
    }
    let sql = format!("INSERT INTO {schema}.parts (upload, part, bytes) VALUES ($1, $2, $3)");
    for (number, part) in (0_i64..).zip(bytes.chunks(PART_LEN as usize)) {
        let given: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 3] =
            [(&upload, Type::INT8), (&number, Type::INT8), (&part, Type::BYTEA)];
        transaction.execute_typed(&sql, &given).await?;
    }
    Ok(transaction.commit().await?)
}

/// Deletes an object; one that is gone is no error.
pub async fn delete(client: &mut Client, schema: &str, name: &str) -> Outcome<()> {
    let transaction = client.transaction().await?;
    delete_within(&transaction, schema, name).await?;
    Ok(transaction.commit().await?)
}

async fn delete_within(transaction: &Transaction<'_>, schema: &str, name: &str) -> Outcome<()> {
    let sql = format!("DELETE FROM {schema}.objects WHERE name = $1 RETURNING upload");
    let rows = transaction.query_typed(&sql, &[(&name, Type::TEXT)]).await?;
    for row in &rows {
        let upload: i64 = row.try_get(0)?;
        let sql = format!("DELETE FROM {schema}.parts WHERE upload = $1");
        transaction.execute_typed(&sql, &[(&upload, Type::INT8)]).await?;
    }
    Ok(())
}

/// What the tables hold before a repository is created. Key slots alone are what an interrupted creation leaves.
pub async fn vacancy(client: &mut Client, schema: &str) -> Outcome<Vacancy> {
    match require(client, schema, names::CONFIG).await {
        Ok(_) => return Ok(Vacancy::Repository),
        Err(Failure::Answer(error)) if error.kind() == io::ErrorKind::NotFound => {}
        Err(failure) => return Err(failure),
    }
    let is_foreign = list(client, schema, "").await?.iter().any(|object| !object.name.starts_with(names::KEY_SLOTS));
    Ok(if is_foreign { Vacancy::Foreign } else { Vacancy::Empty })
}

fn length(len: i64) -> Outcome<u64> {
    u64::try_from(len).map_err(|_| damaged(format!("a length of {len} bytes")))
}

/// Doubt about names: which objects there are is not known.
fn damaged(problem: String) -> Failure {
    Failure::answer(io::ErrorKind::Other, format!("the database is damaged: {problem}"))
}
