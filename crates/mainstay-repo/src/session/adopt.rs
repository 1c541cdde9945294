//! Taking over what a killed session left: its packs are whole, only nobody names them.
//!
//! Owns finding such packs and indexing them from their own directories, so that the next backup stores again at most
//! what was in the open packs. Invariant: only sessions whose process is certainly gone are touched.

use std::collections::HashSet;

use crate::error::{Kind, Result};
use crate::format::lease::Role;
use crate::format::names;
use crate::id::SessionId;
use crate::index::{NewRows, write_tables};
use crate::lease::OpenLease;
use crate::pack_reader::PackListing;
use crate::repository::{Repository, list};
use crate::store::Object;

/// Indexes the packs of dead writers and ends their leases.
pub fn adopt_abandoned(repository: &Repository, open: &[OpenLease]) -> Result<()> {
    let gone: HashSet<SessionId> =
        open.iter().filter(|lease| lease.gone && lease.role == Role::Writer).map(|lease| lease.session).collect();
    if !gone.is_empty() {
        let rows = collect_rows(repository, &gone)?;
        if !rows.is_empty() {
            write_tables(&*repository.store, &repository.keys, rows, &[])?;
        }
    }
    for lease in open.iter().filter(|lease| lease.gone && lease.role != Role::Collector) {
        repository.leases().end(lease.session)?;
    }
    Ok(())
}

fn collect_rows(repository: &Repository, gone: &HashSet<SessionId>) -> Result<NewRows> {
    let indexed = repository.index()?.packs();
    let mut rows = NewRows::default();
    for object in list(&*repository.store, names::PACKS)? {
        let Ok((id, session)) = names::parse_pack(&object.name) else { continue };
        if !gone.contains(&session) || indexed.contains_key(&id) {
            continue;
        }
        match read_rows(repository, &object) {
            Ok(found) => rows.extend(found),
            // A damaged pack that nothing refers to is no loss: its bytes are read from the source again.
            Err(error) if error.kind() == Kind::Corrupt => {}
            Err(error) => return Err(error),
        }
    }
    Ok(rows)
}

/// Everything that a pack holds, as rows for the index.
fn read_rows(repository: &Repository, pack: &Object) -> Result<NewRows> {
    let listing = PackListing::read(&*repository.store, &repository.keys, &pack.name, pack.len)?;
    let mut rows = NewRows::default();
    rows.add_pack((listing.id, listing.session), listing.len, &listing.rows);
    listing.for_each_table(&*repository.store, |row, sealed| {
        rows.add_chunks(row.block, row.thinned, &PackListing::open_table(&repository.keys, row.block, sealed)?);
        Ok(())
    })?;
    Ok(rows)
}
