//! The tables, and how a file says that they are in it.
//!
//! Owns the layout of version 1, which later versions read for ever. Never opens a file.

use rusqlite::{Connection, ErrorCode};

use super::failure::{Failure, Outcome};

/// "MAIN", in the header of the file: whose database it is.
pub(super) const APPLICATION_ID: i64 = 0x4d41_494e;
pub(super) const VERSION: i64 = 1;

/// Length of every part of an object but its last, by which a part is found from an offset. With pages of 16 KiB such a
/// part leaves 2 KiB in the leaf of its table and fills 64 pages, so that eight of them are deleted with one leaf.
pub(super) const PART_LEN: usize = 1 << 20;

/// Pages of 16 KiB: with 4 KiB reading had half the rate and deleting took twice the time (2026-11-30, one run of
/// each on a busy machine). Giving back space is a choice that can only be made
/// when the file is empty.
const NEW_FILE: &str = "PRAGMA page_size = 16384; PRAGMA auto_vacuum = INCREMENTAL;";

/// Names are in one tree only, since two that differ would be two truths. How many objects a folder holds is kept beside
/// them: a damaged page may well pass for a sound one that holds less, and a short listing costs somebody his backups.
/// What precedes the last slash of a name is its folder. Uploads without a name are written down themselves: what is not named
/// in a damaged index would be cleared away as one.
const TABLES: &str = "
    CREATE TABLE objects (
        name TEXT NOT NULL PRIMARY KEY, upload INTEGER NOT NULL UNIQUE, len INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE parts (
        upload INTEGER NOT NULL, part INTEGER NOT NULL, bytes BLOB NOT NULL, PRIMARY KEY (upload, part)
    );
    CREATE TABLE staged (upload INTEGER PRIMARY KEY);
    CREATE TABLE folders (name TEXT NOT NULL PRIMARY KEY, objects INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE reserve (only INTEGER PRIMARY KEY CHECK (only = 1), bytes BLOB NOT NULL);
    CREATE TRIGGER object_comes AFTER INSERT ON objects BEGIN
        INSERT INTO folders VALUES (rtrim(new.name, replace(new.name, '/', '')), 1)
            ON CONFLICT (name) DO UPDATE SET objects = objects + 1;
    END;
    CREATE TRIGGER object_goes AFTER DELETE ON objects BEGIN
        UPDATE folders SET objects = objects - 1 WHERE name = rtrim(old.name, replace(old.name, '/', ''));
        DELETE FROM folders WHERE name = rtrim(old.name, replace(old.name, '/', '')) AND objects = 0;
    END;
";

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Identity {
    Ours,
    /// Nothing, not even a database.
    Blank,
    Foreign,
}

/// Tells whose file it is. One of ours that this program does not know the tables of is refused.
pub(super) fn identify(connection: &Connection) -> Outcome<Identity> {
    let number =
        |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0)).map_err(Failure::from);
    match number("application_id") {
        Err(failure) if failure.code() == Some(ErrorCode::NotADatabase) => return Ok(Identity::Foreign),
        Err(failure) => return Err(failure),
        Ok(APPLICATION_ID) => {}
        Ok(_) if number("page_count")? == 0 => return Ok(Identity::Blank),
        Ok(_) => return Ok(Identity::Foreign),
    }
    let version = number("user_version")?;
    if version != VERSION {
        let reason = format!("expected version {VERSION} of the tables, got {version}: a newer program wrote them");
        return Err(Failure::answer(std::io::ErrorKind::Unsupported, reason));
    }
    Ok(Identity::Ours)
}

/// Says what a file that is still blank will be, outside a transaction.
pub(super) fn plan(connection: &Connection) -> Outcome<()> {
    Ok(connection.execute_batch(NEW_FILE)?)
}

/// Makes a blank file ours. Somebody else may have made something of it since it was looked at; to a transaction that
/// writes it has its first page in any case.
pub(super) fn create(connection: &Connection) -> Outcome<Identity> {
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0))?;
    if tables > 0 {
        return identify(connection);
    }
    connection.execute_batch(TABLES)?;
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    renew(connection)?;
    Ok(Identity::Ours)
}

/// Writes a page that all transactions write, as it is: a commit that changes nothing.
pub(super) fn renew(connection: &Connection) -> Outcome<()> {
    Ok(connection.pragma_update(None, "user_version", VERSION)?)
}
