//! The tables, and how a schema says that they are in it.
//!
//! Owns the layout of version 1, which later versions read for ever.

use std::io;

use mainstay_repo::store::Vacancy;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::failure::{Failure, Outcome};
use super::objects;

const VERSION: i64 = 1;

/// Length of every part of an object but its last, by which a part is found from an offset. A row is at most a quarter of a
/// pack, and a range is cut out of it by the server.
pub const PART_LEN: u64 = 4 << 20;

/// Names in the order of their bytes: a listing goes on behind the last name of its page.
fn tables(schema: &str) -> String {
    format!(
        "CREATE TABLE {schema}.objects (name text COLLATE \"C\" NOT NULL PRIMARY KEY, upload bigint NOT NULL UNIQUE,
             len bigint NOT NULL);
         CREATE TABLE {schema}.parts (upload bigint NOT NULL, part bigint NOT NULL, bytes bytea NOT NULL,
             PRIMARY KEY (upload, part));
         CREATE TABLE {schema}.mainstay (version bigint NOT NULL PRIMARY KEY);
         INSERT INTO {schema}.mainstay VALUES ({VERSION});"
    )
}

/// Refuses tables of ours that this program does not know; none are no error here.
pub async fn require_known(client: &Client, schema: &str) -> Outcome<()> {
    match version(client, schema).await? {
        None | Some(VERSION) => Ok(()),
        Some(version) => {
            let reason = format!("expected version {VERSION} of the tables, got {version}: a newer program wrote them");
            Err(Failure::answer(io::ErrorKind::Unsupported, reason))
        }
    }
}

async fn version(client: &Client, schema: &str) -> Outcome<Option<i64>> {
    let sql = format!("SELECT version FROM {schema}.mainstay ORDER BY version DESC");
    let found = client.query_typed(&sql, &[]).await.map_err(Failure::from);
    match found {
        Ok(rows) => Ok(Some(rows.first().map_or(Ok(0), |row| row.try_get(0))?)),
        Err(failure) if failure.is_no_table() => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// Makes the tables where there is nothing, and tells what there is.
pub async fn prepare(client: &mut Client, schema: &str) -> Outcome<Vacancy> {
    if version(client, schema).await?.is_none() {
        let exists = "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1";
        let is_there = !client.query_typed(exists, &[(&schema, Type::TEXT)]).await?.is_empty();
        let holds = "SELECT 1 FROM information_schema.tables WHERE table_schema = $1 LIMIT 1";
        if is_there && !client.query_typed(holds, &[(&schema, Type::TEXT)]).await?.is_empty() {
            return Ok(Vacancy::Foreign);
        }
        let transaction = client.transaction().await?;
        if !is_there {
            transaction.batch_execute(&format!("CREATE SCHEMA {schema}")).await?;
        }
        transaction.batch_execute(&tables(schema)).await?;
        // Sealed bytes cannot be compressed, and of bytes that are not compressed a range is read without the rest.
        let storage = format!("ALTER TABLE {schema}.parts ALTER COLUMN bytes SET STORAGE EXTERNAL");
        transaction.batch_execute(&storage).await?;
        transaction.commit().await?;
    }
    objects::vacancy(client, schema).await
}

/// Removes tables that hold no object, and their schema. What else is in it keeps it.
pub async fn remove(client: &mut Client, schema: &str) -> Outcome<()> {
    let transaction = client.transaction().await?;
    let held = transaction.query_typed(&format!("SELECT 1 FROM {schema}.objects LIMIT 1"), &[]).await?;
    if !held.is_empty() {
        return Err(Failure::answer(io::ErrorKind::DirectoryNotEmpty, "the place still holds something"));
    }
    let drop = format!("DROP TABLE {schema}.objects, {schema}.parts, {schema}.mainstay; DROP SCHEMA {schema};");
    transaction.batch_execute(&drop).await?;
    Ok(transaction.commit().await?)
}
