//! Ending a session, with a snapshot or without one.
//!
//! Owns the order that makes a crash harmless: packs, index, reference map, snapshot; the lease ends last. Before the
//! snapshot appears, everything it refers to is durable.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;

use super::Session;
use super::rescue::Wanted;
use crate::error::{Error, Kind, Result};
use crate::fence::{is_fenced, put_settlement};
use crate::format::coord::Settlement;
use crate::format::envelope::ObjectKind;
use crate::format::names;
use crate::format::refs::{self, BlockSet};
use crate::format::snapshot::Snapshot;
use crate::format::snapshot::frame::{self, SnapshotHeader};
use crate::id::{SessionId, SnapshotId};
use crate::index::{Care, Index, merge_when_many};
use crate::keys::Right;
use crate::repository::{KnownLosses, SnapshotEntry, list, put};
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
    /// Any failure of the store since the session began; then no snapshot is written. [`Error::Fenced`] when a collector took
    /// this session for gone: then the snapshot does not count, and the backup must begin again.
    pub fn commit(mut self, draft: Draft) -> Result<SessionReport> {
        // The packing thread knows why it stopped; a sender only sees that it did.
        let flushed = self.flush();
        let packed = self.packer.finish()?;
        flushed?;
        self.rescue_what_is_condemned(&draft)?;
        // Whoever adds no table makes no more of them.
        if packed.packs > 0 {
            self.merge_tables()?;
        }
        if draft.presence == Presence::Confirmed {
            self.confirm(&draft.blocks)?;
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
        // Publish, then look: a collector that fences this session from now on finds the snapshot.
        if is_fenced(store, &self.repository.judge, self.id)? {
            // Nobody is told of this snapshot, so that none need count it either. A key that may not say so leaves it to the
            // collector: should that count it, it is whole.
            if self.repository.rights().has(Right::Maintain) {
                let settled = Settlement { session: self.id, collector: self.id, survivors: Vec::new() };
                put_settlement(store, &self.repository.keys, &settled)?;
            }
            return Err(Error::Fenced { verb: "commit snapshot", session: self.id.short() });
        }
        // The snapshot is there. A lease that cannot be ended stands until this process is gone, which others can see.
        let _ = self.repository.leases().end(self.id);
        Ok(SessionReport {
            entry: SnapshotEntry { id, snapshot, forgotten: false, unconfirmed: false },
            packs: packed.packs,
            stored_bytes: packed.stored_bytes,
            new_bytes,
            duplicate_bytes: self.duplicate_bytes.load(Ordering::Relaxed),
        })
    }

    fn merge_tables(&self) -> Result<()> {
        // A row that leads to what is lost must not outlive the one that leads to what was stored again. Where the block may be put
        // together from that, both stay, each in its table.
        let known = self.repository.known_losses()?;
        let index = self.repository.open_index_without(HashSet::new(), Care::Tails)?;
        let left_alone = self.sessions_with_losses(&index, &known)?;
        match merge_when_many(&index.without_blocks(known.blocks).leaving_alone(left_alone)) {
            // A damaged table is left as it is: its rows are found in packs.
            Err(error) if error.kind() == Kind::Corrupt => Ok(()),
            merged => merged.map(drop),
        }
    }

    /// The sessions of blocks that were lost, and not given up.
    fn sessions_with_losses(&self, index: &Index, known: &KnownLosses) -> Result<HashSet<SessionId>> {
        let lost = known.blocks.iter().filter(|block| !known.accepted.contains(*block));
        let mut sessions: HashSet<SessionId> = lost.map(|block| block.session).collect();
        if !self.lost_packs.is_empty() {
            // No repair has told of them yet.
            index.for_each_block(|block, place| {
                if self.lost_packs.contains(&names::pack(place.pack, place.pack_session)) {
                    sessions.insert(block.session);
                }
            })?;
        }
        Ok(sessions)
    }

    /// Ends a session that gets no snapshot; what it has stored is indexed, so that the next one finds it.
    ///
    /// Answers why the packing thread stopped, if it did: whoever stored chunks only saw that it had. The lease stays open
    /// then, and the packs that are in no index are taken over when this process is gone.
    pub fn abandon(mut self) -> Option<Error> {
        self.packer.finish().and_then(|_| self.repository.leases().end(self.id)).err()
    }

    /// Seals a snapshot's record and signs what stands around it.
    pub(super) fn seal(&self, snapshot: &Snapshot) -> Result<(SnapshotId, Vec<u8>)> {
        let (keys, repository) = (&self.repository.keys, self.repository.id());
        let header = SnapshotHeader {
            repository,
            source: keys.source_id(&snapshot.source),
            sequence: snapshot.sequence,
            previous: snapshot.previous,
            references: snapshot.references,
            independent: snapshot.independent,
            session: self.id,
            nonce: random()?,
            certificates: keys.signer().certificates().to_vec(),
        };
        let mut bytes = header.encode();
        let head_len = bytes.len();
        let data = frame::sealed_with(repository, &bytes);
        bytes.extend_from_slice(&snapshot.encode());
        self.data_key.object_key(ObjectKind::Snapshot)?.seal(header.nonce, &data, &mut bytes, head_len);
        let (head, sealed) = bytes.split_at(head_len);
        let signature = keys.signer().sign(&frame::signed(repository, head, sealed));
        bytes.extend_from_slice(&signature);
        Ok((SnapshotId(*blake3::hash(&bytes).as_bytes()), bytes))
    }

    /// Gives every block that the snapshot needs a good copy outside the condemned packs that this session knew when it began:
    /// these do not wait for it (W4 of docs/concurrency.md).
    fn rescue_what_is_condemned(&self, draft: &Draft) -> Result<()> {
        if self.condemned.is_empty() {
            return Ok(());
        }
        let others = draft.blocks.iter().filter(|block| block.session != self.id).collect();
        let wanted = Wanted { blocks: others, believed: draft.snapshot.parent, found: Some(&self.index) };
        wanted.secure(self.repository, self.id, &self.condemned)
    }

    /// Checks that every block is in the index and its pack in the store with the length that the index gives.
    ///
    /// The listing that the session began with cannot stand in for this one, not even for packs that were there then: what
    /// is looked for is a pack that has gone since. The index that it began with can: what a collector has condemned since is
    /// in no table any more, and stays as long as this session is at work.
    fn confirm(&self, blocks: &BlockSet) -> Result<()> {
        let packs = list(&*self.repository.store, names::PACKS)?;
        let index = self.repository.index_beside(self.condemned.packs(), Care::Tails)?;
        // Of several copies one that is there.
        let mut absent = self.condemned.packs();
        absent.extend(index.packs_beside(&packs));
        let present = self.repository.index_beside(absent, Care::Tails)?;
        let condemned = self.repository.condemned()?.packs();
        let mut needed = HashSet::new();
        for block in blocks.iter() {
            let mut found = present.find_block(block)?;
            if found.is_none() {
                found = index.find_block(block)?;
            }
            if found.is_none() {
                found = self.index.find_block(block)?.filter(|place| condemned.contains(&place.pack));
            }
            needed.insert(found.ok_or_else(|| Error::BlockMissing { block: block.to_string() })?.pack);
        }
        let listed: HashMap<String, u64> = packs.into_iter().map(|pack| (pack.name, pack.len)).collect();
        let named = self.index.packs().into_iter().chain(index.packs()).collect::<HashMap<_, _>>();
        for (id, pack) in named.into_iter().filter(|(id, _)| needed.contains(id)) {
            let name = names::pack(id, pack.session);
            // One that a collector has written since it was listed is there now.
            match listed.get(&name).copied().or_else(|| self.repository.store.len(&name).ok()) {
                None => return Err(Error::Missing { verb: "confirm", name }),
                Some(len) if len != pack.len => {
                    return Err(Error::damaged("confirm", name, format!("expected {} bytes, got {len}", pack.len)));
                }
                Some(_) => {}
            }
        }
        Ok(())
    }
}
