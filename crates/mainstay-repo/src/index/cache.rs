//! A page cache of fixed size: direct-mapped, one lock a slot, so that readers hardly ever meet.
//!
//! Owns decrypted pages only. Anything in it can be read again from the store.

use std::sync::{Arc, Mutex, PoisonError};

use crate::id::TableId;

/// 2,048 pages of 4 KiB: 8 MiB, the whole index of 170,000 chunks.
const SLOTS: usize = 2048;

type Page = Arc<[u8]>;
type Slot = Mutex<Option<(TableId, u64, Page)>>;

pub struct PageCache {
    slots: Box<[Slot]>,
}

impl PageCache {
    pub fn new() -> Self {
        Self { slots: (0..SLOTS).map(|_| Mutex::new(None)).collect() }
    }

    /// Answers the page from the cache or reads it with `load`.
    pub fn page<E>(&self, table: TableId, page: u64, load: impl FnOnce() -> Result<Page, E>) -> Result<Page, E> {
        let [a, b, c, d, ..] = table.0;
        let mixed = u64::from(u32::from_le_bytes([a, b, c, d])).wrapping_add(page);
        let slot = &self.slots[(mixed % SLOTS as u64) as usize];
        if let Some((held_table, held_page, bytes)) = &*slot.lock().unwrap_or_else(PoisonError::into_inner)
            && (*held_table, *held_page) == (table, page)
        {
            return Ok(bytes.clone());
        }
        let bytes = load()?;
        *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some((table, page, bytes.clone()));
        Ok(bytes)
    }
}
