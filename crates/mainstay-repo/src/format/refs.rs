//! A snapshot's reference map: the blocks it needs, as sets of block numbers by session.
//!
//! The map names blocks, not their places, so it stays true when a block moves to another pack. It needs no key to read:
//! pruning, lock extension and sync work from these maps alone.

use std::collections::BTreeMap;

use super::envelope::{ObjectKind, decode_clear, encode_clear};
use super::{Decoded, Problem, from_cbor, to_cbor, within};
use crate::id::{BlockId, RepositoryId, SessionId};

/// A set of blocks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockSet {
    sessions: BTreeMap<SessionId, Vec<u64>>,
}

impl BlockSet {
    /// Adds a block; answers whether it was new.
    pub fn insert(&mut self, block: BlockId) -> bool {
        let words = self.sessions.entry(block.session).or_default();
        let (word, bit) = (block.serial as usize / 64, block.serial % 64);
        if words.len() <= word {
            words.resize(word + 1, 0);
        }
        let old = words[word];
        words[word] |= 1 << bit;
        old != words[word]
    }

    pub fn extend(&mut self, blocks: impl Iterator<Item = BlockId>) {
        blocks.for_each(|block| {
            self.insert(block);
        });
    }

    pub fn contains(&self, block: BlockId) -> bool {
        let word = self.sessions.get(&block.session).and_then(|words| words.get(block.serial as usize / 64));
        word.is_some_and(|word| word >> (block.serial % 64) & 1 == 1)
    }

    /// Adds every block of another set.
    pub fn union(&mut self, other: &Self) {
        for (session, theirs) in &other.sessions {
            let ours = self.sessions.entry(*session).or_default();
            if ours.len() < theirs.len() {
                ours.resize(theirs.len(), 0);
            }
            for (our, their) in ours.iter_mut().zip(theirs) {
                *our |= their;
            }
        }
    }

    pub fn len(&self) -> u64 {
        self.sessions.values().flatten().map(|word| u64::from(word.count_ones())).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn sessions(&self) -> impl Iterator<Item = SessionId> + '_ {
        self.sessions.keys().copied()
    }

    pub fn iter(&self) -> impl Iterator<Item = BlockId> + '_ {
        self.sessions.iter().flat_map(|(session, words)| {
            words.iter().enumerate().flat_map(move |(index, word)| {
                (0..64)
                    .filter(move |bit| word >> bit & 1 == 1)
                    .map(move |bit| BlockId { session: *session, serial: index as u32 * 64 + bit })
            })
        })
    }

    /// The runs of consecutive numbers of one session, as (gap since the last run, length).
    fn runs(words: &[u64]) -> Vec<u32> {
        let mut runs = Vec::new();
        let (mut begun, mut last_end) = (None, 0);
        for (index, word) in words.iter().enumerate() {
            let mut bit = 0;
            while bit < 64 {
                // As far as it goes on like this, in a run or between two.
                let changes = if begun.is_some() { !word >> bit } else { word >> bit };
                bit += changes.trailing_zeros().min(64 - bit);
                let number = index as u32 * 64 + bit;
                begun = match begun {
                    _ if bit == 64 => begun,
                    None => Some(number),
                    Some(start) => {
                        runs.extend([start - last_end, number - start]);
                        last_end = number;
                        None
                    }
                };
            }
        }
        if let Some(start) = begun {
            runs.extend([start - last_end, words.len() as u32 * 64 - start]);
        }
        runs
    }

    /// Adds the blocks of a session from one number to before another, which is higher: word by word, since a few bytes of
    /// a hostile map ask for millions.
    fn insert_range(&mut self, session: SessionId, start: u32, end: u32) {
        let words = self.sessions.entry(session).or_default();
        let (first, last) = (start as usize / 64, (end as usize - 1) / 64);
        if words.len() <= last {
            words.resize(last + 1, 0);
        }
        let (from, to) = (u64::MAX << (start % 64), u64::MAX >> (63 - (end - 1) % 64));
        for (index, word) in words.iter_mut().enumerate().take(last + 1).skip(first) {
            let mask = if index == first { from } else { u64::MAX };
            *word |= mask & if index == last { to } else { u64::MAX };
        }
    }

    /// Adds runs; answers where the last one ends.
    fn insert_runs(&mut self, session: SessionId, runs: &[u32]) -> Decoded<u32> {
        if !runs.len().is_multiple_of(2) {
            return Err(Problem::new("a run of blocks has no length"));
        }
        let mut next = 0u32;
        for run in runs.chunks_exact(2) {
            let [gap, len] = run else { continue };
            let start = next.checked_add(*gap);
            let end = start.and_then(|start| start.checked_add(*len));
            let (Some(start), Some(end)) = (start, end) else {
                return Err(Problem::new("a run of blocks ends beyond the largest number"));
            };
            if *len == 0 || end > MAX_SERIAL {
                return Err(Problem(format!("a run of {len} blocks ends at number {end}")));
            }
            self.insert_range(session, start, end);
            next = end;
        }
        Ok(next)
    }
}

/// Largest block number that a reference map may name: 64 Mi blocks, 64 TiB and more in one session. It bounds the
/// memory that a map takes when it is read.
pub const MAX_SERIAL: u32 = 64 << 20;
/// The same for all sessions together: 64 MiB of memory.
const MAX_SPAN: u64 = 8 * MAX_SERIAL as u64;

#[derive(minicbor::Encode, minicbor::Decode)]
#[cbor(map)]
struct Stored {
    #[n(1)]
    sessions: Vec<StoredSession>,
}

#[derive(minicbor::Encode, minicbor::Decode)]
#[cbor(map)]
struct StoredSession {
    #[n(1)]
    session: SessionId,
    #[n(2)]
    runs: Vec<u32>,
}

pub fn encode(repository: RepositoryId, blocks: &BlockSet) -> Vec<u8> {
    encode_clear(ObjectKind::References, repository, &encode_set(blocks))
}

pub fn decode(repository: RepositoryId, bytes: &[u8]) -> Decoded<BlockSet> {
    decode_set(decode_clear(ObjectKind::References, repository, bytes)?)
}

/// The bare CBOR of a set, for objects that hold one among other things.
pub fn encode_set(blocks: &BlockSet) -> Vec<u8> {
    let sessions = blocks
        .sessions
        .iter()
        .map(|(session, words)| StoredSession { session: *session, runs: BlockSet::runs(words) })
        .filter(|stored| !stored.runs.is_empty())
        .collect();
    to_cbor(&Stored { sessions })
}

pub fn decode_set(bytes: &[u8]) -> Decoded<BlockSet> {
    let stored: Stored = from_cbor("reference map", bytes)?;
    let mut blocks = BlockSet::default();
    let mut spanned = 0;
    for session in &stored.sessions {
        spanned += u64::from(blocks.insert_runs(session.session, &session.runs)?);
        within("numbers that the sessions of a reference map span", spanned, MAX_SPAN)?;
    }
    Ok(blocks)
}

#[cfg(test)]
mod tests;
