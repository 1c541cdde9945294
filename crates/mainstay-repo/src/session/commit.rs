//! Ending a session, with a snapshot or without one.
//!
//! Owns the order that makes a crash harmless: packs, index, reference map, snapshot; the lease ends last. Before the
//! snapshot appears, everything it refers to is durable.

use std::sync::atomic::Ordering;

use super::Session;
use crate::error::{Error, Kind, Result};
use crate::format::envelope::ObjectKind;
use crate::format::names;
use crate::format::refs::{self, BlockSet};
use crate::format::snapshot::Snapshot;
use crate::format::snapshot::frame::{self, SnapshotHeader};
use crate::id::SnapshotId;
use crate::index::{Care, Index, merge_when_many};
use crate::repository::{SnapshotEntry, list, put};
use crate::seal::random;

/// Whether the presence of every block is confirmed before the snapshot is written, or believed because the snapshot
/// that the blocks come from had them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    Confirmed,
    Believed,
}

/// A snapshot without what only the session knows; `references`, `session` and the stored bytes are filled in.
pub struct Draft {
    pub snapshot: Snapshot,
    /// Every block that the trees refer to.
    pub blocks: BlockSet,
    pub presence: Presence,
}

/// What a session did.
#[derive(Clone, Debug)]
pub struct SessionReport {
    pub entry: SnapshotEntry,
    /// Packs published.
    pub packs: u64,
    /// Bytes of those packs.
    pub stored_bytes: u64,
    /// Chunk bytes that were not in the repository.
    pub new_bytes: u64,
    /// Chunk bytes that were.
    pub duplicate_bytes: u64,
}

impl Session<'_> {
    /// Publishes everything and, last, the snapshot.
    ///
    /// # Errors
    /// Any failure of the store since the session began; then no snapshot is written.
    pub fn commit(mut self, draft: Draft) -> Result<SessionReport> {
        // The packing thread knows why it stopped; a sender only sees that it did.
        let flushed = self.flush();
        let packed = self.packer.finish()?;
        flushed?;
        let index = self.repository.index()?;
        match merge_when_many(&index) {
            // A damaged table is left as it is: its rows are found in packs.
            Err(error) if error.kind() == Kind::Corrupt => {}
            merged => drop(merged?),
        }
        if draft.presence == Presence::Confirmed {
            self.confirm(&draft.blocks, &index)?;
        }
        let mut snapshot = draft.snapshot;
        if snapshot.sequence == 0 {
            return Err(Error::Bug("commit a snapshot: its sequence is 0, which no reader takes".to_owned()));
        }
        let map = refs::encode(self.repository.id(), &draft.blocks);
        snapshot.references = *blake3::hash(&map).as_bytes();
        snapshot.session = self.id;
        let new_bytes = self.new_bytes.load(Ordering::Relaxed);
        snapshot.statistics.new_bytes = new_bytes;
        snapshot.statistics.stored_bytes = packed.stored_bytes;
        let (id, bytes) = self.seal(&snapshot)?;
        let store = &*self.repository.store;
        put(store, &names::refs(id), &map)?;
        let source = self.repository.keys.source_id(&snapshot.source);
        put(store, &names::snapshot(source, snapshot.sequence, id), &bytes)?;
        // The snapshot is there. A lease that cannot be ended stands until this process is gone, which others can see.
        let _ = self.repository.leases().end(self.id);
        Ok(SessionReport {
            entry: SnapshotEntry { id, snapshot, forgotten: false },
            packs: packed.packs,
            stored_bytes: packed.stored_bytes,
            new_bytes,
            duplicate_bytes: self.duplicate_bytes.load(Ordering::Relaxed),
        })
    }

    /// Ends a session that gets no snapshot; what it has stored is indexed, so that the next one finds it.
    ///
    /// Answers why the packing thread stopped, if it did: whoever stored chunks only saw that it had. The lease stays open
    /// then, and the packs that are in no index are taken over when this process is gone.
    pub fn abandon(mut self) -> Option<Error> {
        self.packer.finish().and_then(|_| self.repository.leases().end(self.id)).err()
    }

    /// Seals a snapshot's record and signs what stands around it.
    fn seal(&self, snapshot: &Snapshot) -> Result<(SnapshotId, Vec<u8>)> {
        let (keys, repository) = (&self.repository.keys, self.repository.id());
        let header = SnapshotHeader {
            repository,
            source: keys.source_id(&snapshot.source),
            sequence: snapshot.sequence,
            previous: snapshot.previous,
            session: self.id,
            nonce: random()?,
            certificates: keys.signer().certificates().to_vec(),
        };
        let mut bytes = header.encode();
        let head_len = bytes.len();
        let data = frame::sealed_with(repository, &bytes);
        bytes.extend_from_slice(&snapshot.encode());
        self.data_key.object_key(ObjectKind::Snapshot).seal(header.nonce, &data, &mut bytes, head_len);
        let (head, sealed) = bytes.split_at(head_len);
        let signature = keys.signer().sign(&frame::signed(repository, head, sealed));
        bytes.extend_from_slice(&signature);
        Ok((SnapshotId(*blake3::hash(&bytes).as_bytes()), bytes))
    }

    /// Checks that every block is in the index and its pack in the store with the length that the index gives.
    ///
    /// The listing that the session began with cannot stand in for this one, not even for packs that were there then: what
    /// is looked for is a pack that has gone since.
    fn confirm(&self, blocks: &BlockSet, index: &Index) -> Result<()> {
        let packs = list(&*self.repository.store, names::PACKS)?;
        // Of several copies one that is there.
        let present = self.repository.index_without(index.packs_beside(&packs), Care::Tails)?;
        let mut needed = std::collections::HashSet::new();
        for block in blocks.iter() {
            let found = present.find_block(block)?.map_or_else(|| index.find_block(block), |place| Ok(Some(place)))?;
            needed.insert(found.ok_or_else(|| Error::BlockMissing { block: block.to_string() })?.pack);
        }
        let listed: std::collections::HashMap<String, u64> =
            packs.into_iter().map(|pack| (pack.name, pack.len)).collect();
        for (id, pack) in index.packs() {
            let name = names::pack(id, pack.session);
            match listed.get(&name) {
                _ if !needed.contains(&id) => {}
                None => return Err(Error::Missing { verb: "confirm", name }),
                Some(len) if *len != pack.len => {
                    return Err(Error::damaged("confirm", name, format!("expected {} bytes, got {len}", pack.len)));
                }
                Some(_) => {}
            }
        }
        Ok(())
    }
}
