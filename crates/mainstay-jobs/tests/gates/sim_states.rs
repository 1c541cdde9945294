//! What may be found on a disk after a power cut.
//!
//! Owns the enumeration: of everything that was not synced, nothing persisted, or all, or any one or two, or all but any
//! one. A name persists on its own, whatever else did; a file persists torn, at every kind of border between sectors of 512
//! bytes and of 4 KiB.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;

use crate::effort::mix;
use crate::sim_disk::{Honesty, Node, SimDisk, State};

/// Something that was not synced.
#[derive(Clone)]
enum Unsynced {
    Name { directory: usize, name: OsString },
    Content { file: usize },
}

/// One thing that was not synced, and one of the ways in which it may have persisted.
#[derive(Clone)]
struct Choice {
    what: Unsynced,
    /// Which of its later values; past the last one, a torn content.
    value: usize,
}

/// A state that a power cut may leave: which things persisted, on top of all that was synced.
#[derive(Clone, Default)]
pub struct Persisted(Vec<Choice>);

/// Contents that a file may have, of which nothing was synced: cut or with a hole at sectors.
const TORN: usize = 8;

fn torn(durable: &[u8], later: &[u8], way: usize) -> Vec<u8> {
    let zeroed = |range: std::ops::Range<usize>| {
        let mut bytes = later.to_vec();
        let end = range.end.min(bytes.len());
        bytes[range.start.min(end)..end].fill(0);
        bytes
    };
    let middle = later.len() / 2;
    match way {
        0 => later.to_vec(),
        1 => later[..later.len().min(512)].to_vec(),
        2 => later[..later.len().min(4096)].to_vec(),
        3 => later[..middle / 512 * 512].to_vec(),
        4 => zeroed(0..512),
        5 => zeroed(0..later.len()),
        6 => zeroed(middle / 512 * 512..middle / 512 * 512 + 512),
        7 => zeroed(middle / 4096 * 4096..middle / 4096 * 4096 + 4096),
        _ => durable.to_vec(),
    }
}

/// Every state that a power cut may leave, within the bounds above.
pub fn persisted(state: &State) -> Vec<Persisted> {
    let unsynced = unsynced(state);
    let mut all = vec![Persisted::default()];
    let last: Vec<Choice> = unsynced.iter().map(|(what, values)| last_of(what, *values)).collect();
    if last.len() > 1 {
        all.push(Persisted(last.clone()));
        all.extend((0..last.len()).filter(|_| last.len() > 2).map(|without| {
            let rest = last.iter().enumerate().filter(|(at, _)| *at != without);
            Persisted(rest.map(|(_, choice)| choice.clone()).collect())
        }));
    }
    let choices: Vec<Vec<Choice>> = unsynced.iter().map(|(what, values)| choices_of(what, *values)).collect();
    for (at, first) in choices.iter().enumerate() {
        for one in first {
            all.push(Persisted(vec![one.clone()]));
            for other in choices.iter().skip(at + 1).flatten() {
                all.push(Persisted(vec![one.clone(), other.clone()]));
            }
        }
    }
    all
}

/// What was not synced, and how many values it has had since.
fn unsynced(state: &State) -> Vec<(Unsynced, usize)> {
    let mut found = Vec::new();
    for (number, node) in state.nodes.iter().enumerate() {
        match node {
            Node::Directory(slots) => {
                let waiting = slots.iter().filter(|(_, slot)| !slot.later.is_empty());
                found.extend(
                    waiting.map(|(name, slot)| {
                        (Unsynced::Name { directory: number, name: name.clone() }, slot.later.len())
                    }),
                );
            }
            Node::File { later: Some(_), .. } => found.push((Unsynced::Content { file: number }, 1)),
            Node::File { .. } => {}
        }
    }
    found
}

fn last_of(what: &Unsynced, values: usize) -> Choice {
    Choice { what: what.clone(), value: values - 1 }
}

fn choices_of(what: &Unsynced, values: usize) -> Vec<Choice> {
    let ways = if matches!(what, Unsynced::Content { .. }) { TORN } else { values };
    (0..ways).map(|value| Choice { what: what.clone(), value }).collect()
}

impl Persisted {
    /// A number that tells states apart: what is durable beneath is told by `base`.
    pub fn key(&self, base: u64) -> u64 {
        self.0.iter().fold(base, |key, choice| {
            let (kind, at) = match &choice.what {
                Unsynced::Name { directory, name } => (1, *directory as u64 ^ hash(name.as_encoded_bytes())),
                Unsynced::Content { file } => (2, *file as u64),
            };
            key ^ mix(mix(at ^ kind << 60) ^ choice.value as u64)
        })
    }

    /// The disk as it is found.
    pub fn disk(&self, state: &State) -> SimDisk {
        let mut nodes = state.nodes.clone();
        for choice in &self.0 {
            match &choice.what {
                Unsynced::Name { directory, name } => {
                    if let Some(Node::Directory(slots)) = nodes.get_mut(*directory)
                        && let Some(slot) = Arc::make_mut(slots).get_mut(name)
                    {
                        slot.durable = slot.later.get(choice.value).copied().flatten();
                    }
                }
                Unsynced::Content { file } => {
                    if let Some(Node::File { durable, later: Some(later) }) = nodes.get_mut(*file) {
                        *durable = Arc::new(torn(durable, later, choice.value));
                    }
                }
            }
        }
        nodes.iter_mut().for_each(drop_unsynced);
        SimDisk::with(State { nodes }, Honesty::Honest)
    }
}

fn drop_unsynced(node: &mut Node) {
    match node {
        Node::Directory(slots) => {
            if slots.values().any(|slot| !slot.later.is_empty() || slot.durable.is_none()) {
                let slots = Arc::make_mut(slots);
                slots.values_mut().for_each(|slot| slot.later.clear());
                slots.retain(|_, slot| slot.durable.is_some());
            }
        }
        Node::File { later, .. } => *later = None,
    }
}

/// A number that tells apart what is durable.
pub fn durable(state: &State) -> u64 {
    let mut key = 0;
    for (number, node) in state.nodes.iter().enumerate() {
        match node {
            Node::Directory(slots) => {
                for (name, slot) in slots.iter() {
                    let held = slot.durable.map_or(0, |held| held as u64 + 1);
                    key ^= mix(mix(number as u64 ^ hash(name.as_encoded_bytes())) ^ held);
                }
            }
            Node::File { durable, .. } => key ^= mix(mix(number as u64 ^ 3 << 60) ^ durable.len() as u64),
        }
    }
    key
}

/// A number that tells apart what can be seen beneath a directory; what unfinished files hold is left out.
pub fn visible(state: &State, staging: &Path) -> u64 {
    let mut hasher = blake3::Hasher::new();
    let mut folders = vec![(std::path::PathBuf::from("/"), 0)];
    while let Some((path, number)) = folders.pop() {
        hasher.update(path.as_os_str().as_encoded_bytes()).update(b"\0");
        let Some(Node::Directory(slots)) = state.nodes.get(number) else { continue };
        let entries: BTreeMap<_, _> = slots.iter().filter_map(|(name, slot)| Some((name, slot.now()?))).collect();
        for (name, number) in entries {
            match state.nodes.get(number) {
                Some(Node::Directory(_)) => folders.push((path.join(name), number)),
                Some(Node::File { durable, .. }) if path != staging => {
                    // Objects are written once: their number stands for what they hold, but for what is torn.
                    hasher.update(name.as_encoded_bytes()).update(&number.to_le_bytes());
                    hasher.update(&(durable.len() as u64).to_le_bytes());
                    for part in durable.chunks(4096).step_by(1 + durable.len() / 65_536) {
                        hasher.update(part);
                    }
                }
                _ => {}
            }
        }
    }
    u64::from_le_bytes(*hasher.finalize().as_bytes().first_chunk().expect("a gate begins with what is healthy"))
}

fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
