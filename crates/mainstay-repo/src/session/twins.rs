//! Twins: two copies of a block whose stored bytes are the same.
//!
//! Owns comparing them. Of two thinned copies that differ each may have what the other lacks, and a collector whose key opens no
//! block cannot tell which of two that differ is the true one; either of two that are the same serves as well as the other. Knows nothing of what is needed, and changes nothing.

use crate::error::{Error, Kind, Result};
use crate::format::names;
use crate::format::pack::PackRow;
use crate::id::BlockId;
use crate::index::BlockPlace;
use crate::pack_reader::PackListing;
use crate::repository::{Repository, store_error};
use crate::store::{Object, is_absent};

/// Compares copies.
pub struct Twins<'r> {
    repository: &'r Repository,
    /// The pack that was looked into last: neighbours mostly moved together.
    last: Option<PackListing>,
}

impl<'r> Twins<'r> {
    pub fn new(repository: &'r Repository) -> Self {
        Self { repository, last: None }
    }

    /// Whether the copy of a block in `pack` has a twin at `place`, its chunk table included. Where one of them cannot be
    /// read, they are none.
    pub fn are_twins(&mut self, (pack, row): (&Object, &PackRow), place: &BlockPlace) -> Result<bool> {
        match self.compare((pack, row), place) {
            Err(error) if error.kind() == Kind::Corrupt => Ok(false),
            compared => compared,
        }
    }

    /// The same of the copies of a block at two places.
    pub fn are_same(&mut self, block: BlockId, one: &BlockPlace, other: &BlockPlace) -> Result<bool> {
        match self
            .row_at(block, one)
            .and_then(|found| found.map_or(Ok(false), |(pack, row)| self.compare((&pack, &row), other)))
        {
            Err(error) if error.kind() == Kind::Corrupt => Ok(false),
            compared => compared,
        }
    }

    fn row_at(&mut self, block: BlockId, place: &BlockPlace) -> Result<Option<(Object, PackRow)>> {
        let pack = self.pack_at(place)?;
        let rows = &self.listing(&pack)?.rows;
        let row = rows.iter().find(|row| row.block == block && row.offset == place.offset).copied();
        Ok(row.map(|row| (pack, row)))
    }

    fn compare(&mut self, (pack, row): (&Object, &PackRow), place: &BlockPlace) -> Result<bool> {
        let other = self.pack_at(place)?;
        let listing = self.listing(&other)?;
        let is_twin = |twin: &&PackRow| {
            (twin.block, twin.kind, twin.thinned, twin.stored_len, twin.table_len, twin.offset)
                == (row.block, row.kind, row.thinned, row.stored_len, row.table_len, place.offset)
        };
        let Some(twin) = listing.rows.iter().find(is_twin).copied() else { return Ok(false) };
        let parts = [(row.offset, twin.offset, row.stored_len), (row.table_offset, twin.table_offset, row.table_len)];
        for (own, others, len) in parts {
            if self.read((pack, own), len)? != self.read((&other, others), len)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn pack_at(&self, place: &BlockPlace) -> Result<Object> {
        let name = names::pack(place.pack, place.pack_session);
        match self.repository.store.len(&name) {
            Ok(len) => Ok(Object { name, len }),
            Err(source) if is_absent(&source) => Err(Error::Missing { verb: "read", name }),
            Err(source) => Err(store_error("read", &name, source)),
        }
    }

    fn listing(&mut self, pack: &Object) -> Result<&PackListing> {
        let is_it = |listing: &PackListing| names::pack(listing.id, listing.session) == pack.name;
        let listing = match self.last.take().filter(is_it) {
            Some(listing) => listing,
            None => self.repository.read_pack_listing(pack)?,
        };
        Ok(self.last.insert(listing))
    }

    fn read(&self, (pack, offset): (&Object, u32), len: u32) -> Result<Vec<u8>> {
        let mut bytes = vec![0; len as usize];
        self.repository.read_pack_at(pack, offset.into(), &mut bytes)?;
        Ok(bytes)
    }
}
