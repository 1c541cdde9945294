//! The names of objects in the store.
//!
//! Owns the grammar of names, both ways. Never touches a store.

use super::{Decoded, Problem};
use crate::id::{HeaderSum, PackId, SessionId, SlotId, SnapshotId, SourceId, TableId};

pub const CONFIG: &str = "mainstay.json";
pub const KEY_SLOTS: &str = "keys/slots/";
pub const DATA_KEYS: &str = "keys/data/";
pub const PACKS: &str = "packs/";
pub const PARITY: &str = "parity/";
pub const INDEX: &str = "index/";
pub const REFS: &str = "refs/";
pub const SNAPSHOTS: &str = "snapshots/";
pub const TRASH: &str = "trash/";
/// Records of what was removed.
pub const HISTORY: &str = "history/";
pub const LOSSES: &str = "losses/";
/// Everything short-lived.
pub const COORD: &str = "coord/";
pub const LEASES: &str = "coord/leases/";
pub const INTENTS: &str = "coord/intents/";
pub const CONDEMNED: &str = "coord/condemned/";
pub const FENCES: &str = "coord/fences/";
pub const KEY_CHANGES: &str = "coord/keys/";

/// What makes a repository an archive.
pub const ARCHIVE: &str = "archive/";
/// The list of the objects of an archive.
pub const MANIFEST: &str = "archive/manifest";
/// Second copies of small objects, each under the name of what it is a copy of.
pub const COPIES: &str = "copies/";
/// The folders of what has second copies, beside the configuration.
pub const COPIED: [&str; 5] = [KEY_SLOTS, DATA_KEYS, SNAPSHOTS, HISTORY, FENCES];

/// How long an archive is held.
pub const HOLDS: &str = "archive/holds/";

/// The folders of what an archive is made of.
pub const ARCHIVED: [&str; 8] = ["keys/", PACKS, PARITY, INDEX, REFS, SNAPSHOTS, HISTORY, LOSSES];

/// Whether a name may be that of an object that a manifest lists: one in the folders of an archive, and nowhere else.
pub fn is_of_archive(name: &str) -> bool {
    let is_part =
        |part: &str| !part.is_empty() && part.bytes().all(is_of_name) && part.bytes().any(|byte| byte != b'.');
    let is_in_folder = ARCHIVED.iter().any(|folder| name.starts_with(folder));
    name == CONFIG || is_in_folder && name.split('/').all(is_part)
}

/// Whether a byte may stand in a name, beside `/`.
pub fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'.' || byte == b'-'
}

/// Whether an object of this name may have a second copy.
pub fn has_second_copy(name: &str) -> bool {
    name == CONFIG
        || parse_key_slot(name).is_ok()
        || parse_data_key(name).is_ok()
        || parse_snapshot(name).is_ok()
        || parse_removal(name).is_ok()
        || is_acquittal(name)
}

pub fn second_copy(name: &str) -> String {
    format!("{COPIES}{name}")
}

pub fn hold(id: TableId) -> String {
    format!("{HOLDS}{id}")
}

pub fn parse_hold(name: &str) -> Decoded<TableId> {
    let id = name.strip_prefix(HOLDS).and_then(|id| TableId::from_hex(id).ok());
    id.ok_or_else(|| Problem(format!("{name:?} is not the name of a hold")))
}

/// Slots and data keys are named after the generation of the secrets that they hold, or that wrap them, but for the first.
pub fn key_slot(id: SlotId, generation: u32) -> String {
    format!("{KEY_SLOTS}{id}{}", suffix(generation))
}

/// A wrap of the data keys of a session, as its name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DataKeyName {
    pub session: SessionId,
    /// Of the secrets that wrap them.
    pub generation: u32,
    /// The session that carried it here; none where it is the session's own. A name that is gone never comes back, so what is
    /// brought again has another.
    pub carrier: Option<SessionId>,
}

impl DataKeyName {
    pub fn name(&self) -> String {
        let carrier = self.carrier.map(|carrier| format!("-{carrier}")).unwrap_or_default();
        format!("{DATA_KEYS}{}{}{carrier}", self.session, suffix(self.generation))
    }
}

/// A session's own.
pub fn data_key(session: SessionId, generation: u32) -> String {
    DataKeyName { session, generation, carrier: None }.name()
}

fn suffix(generation: u32) -> String {
    if generation == 0 { String::new() } else { format!(".{generation}") }
}

pub fn parse_key_slot(name: &str) -> Decoded<(SlotId, u32)> {
    let parsed = name.strip_prefix(KEY_SLOTS).and_then(split_generation);
    let slot = parsed.and_then(|(id, generation)| Some((SlotId::from_hex(id).ok()?, generation)));
    slot.ok_or_else(|| Problem(format!("{name:?} is not the name of a key slot")))
}

pub fn parse_data_key(name: &str) -> Decoded<DataKeyName> {
    let parse = || {
        let file = name.strip_prefix(DATA_KEYS)?;
        let (key, carrier) = match file.split_once('-') {
            Some((key, carrier)) => (key, Some(SessionId::from_hex(carrier).ok()?)),
            None => (file, None),
        };
        let (session, generation) = split_generation(key)?;
        Some(DataKeyName { session: SessionId::from_hex(session).ok()?, generation, carrier })
    };
    parse().ok_or_else(|| Problem(format!("{name:?} is not the name of a data key")))
}

/// Only one spelling of a number is one.
fn split_generation(file: &str) -> Option<(&str, u32)> {
    let Some((id, digits)) = file.split_once('.') else { return Some((file, 0)) };
    let generation = digits.parse().ok().filter(|number: &u32| *number > 0 && number.to_string() == digits)?;
    Some((id, generation))
}

/// Packs are spread over 256 folders by the first byte of their identifier, so that no folder grows too long.
pub fn pack(id: PackId, session: SessionId) -> String {
    format!("{PACKS}{}/{id}-{session}", id.to_string().get(..2).unwrap_or_default())
}

pub fn parse_pack(name: &str) -> Decoded<(PackId, SessionId)> {
    let wrong = || Problem(format!("{name:?} is not the name of a pack"));
    let (folder, file) = name.strip_prefix(PACKS).and_then(|rest| rest.split_once('/')).ok_or_else(wrong)?;
    let (id, session) = file.split_once('-').ok_or_else(wrong)?;
    if !id.starts_with(folder) || folder.len() != 2 {
        return Err(wrong());
    }
    Ok((PackId::from_hex(id).map_err(|_| wrong())?, SessionId::from_hex(session).map_err(|_| wrong())?))
}

/// A sidecar of a pack. It bears the checksum of its header, which fixes every byte of it: a name never stands for two
/// contents, whoever makes the sidecar and however often.
pub fn parity(pack: PackId, header: HeaderSum) -> String {
    format!("{PARITY}{pack}-{header}")
}

pub fn parse_parity(name: &str) -> Decoded<(PackId, HeaderSum)> {
    let wrong = || Problem(format!("{name:?} is not the name of a sidecar"));
    let (pack, header) = name.strip_prefix(PARITY).and_then(|rest| rest.split_once('-')).ok_or_else(wrong)?;
    Ok((PackId::from_hex(pack).map_err(|_| wrong())?, HeaderSum::from_hex(header).map_err(|_| wrong())?))
}

pub fn parse_losses(name: &str) -> Decoded<TableId> {
    let id = name.strip_prefix(LOSSES).and_then(|id| TableId::from_hex(id).ok());
    id.ok_or_else(|| Problem(format!("{name:?} is not the name of a list of losses")))
}

/// A list of lost blocks.
pub fn losses(id: TableId) -> String {
    format!("{LOSSES}{id}")
}

/// The two kinds of index table, told apart by the first letter of their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableKind {
    /// Block → place in a pack; readable without keys.
    Blocks,
    /// Chunk → place in a block; sealed.
    Chunks,
}

pub fn table(kind: TableKind, id: TableId) -> String {
    match kind {
        TableKind::Blocks => format!("{INDEX}b-{id}"),
        TableKind::Chunks => format!("{INDEX}c-{id}"),
    }
}

pub fn parse_table(name: &str) -> Decoded<(TableKind, TableId)> {
    let wrong = || Problem(format!("{name:?} is not the name of an index table"));
    let (kind, id) = name.strip_prefix(INDEX).and_then(|rest| rest.split_once('-')).ok_or_else(wrong)?;
    let kind = match kind {
        "b" => TableKind::Blocks,
        "c" => TableKind::Chunks,
        _ => return Err(wrong()),
    };
    Ok((kind, TableId::from_hex(id).map_err(|_| wrong())?))
}

pub fn refs(id: SnapshotId) -> String {
    format!("{REFS}{id}")
}

pub fn trash(id: SnapshotId) -> String {
    format!("{TRASH}{id}")
}

pub fn removal(id: TableId) -> String {
    format!("{HISTORY}{id}")
}

pub fn parse_removal(name: &str) -> Decoded<TableId> {
    let id = name.strip_prefix(HISTORY).and_then(|id| TableId::from_hex(id).ok());
    id.ok_or_else(|| Problem(format!("{name:?} is not the name of a record of removal")))
}

/// Sequence numbers are padded, so that a plain listing is in order.
pub fn snapshot(source: SourceId, sequence: u64, id: SnapshotId) -> String {
    format!("{SNAPSHOTS}{source}/{sequence:012}-{id}")
}

pub fn parse_snapshot(name: &str) -> Decoded<(SourceId, u64, SnapshotId)> {
    let wrong = || Problem(format!("{name:?} is not the name of a snapshot"));
    let (source, file) = name.strip_prefix(SNAPSHOTS).and_then(|rest| rest.split_once('/')).ok_or_else(wrong)?;
    let (sequence, id) = file.split_once('-').ok_or_else(wrong)?;
    let source = SourceId::from_hex(source).map_err(|_| wrong())?;
    let sequence = sequence.parse().map_err(|_| wrong())?;
    let id = SnapshotId::from_hex(id).map_err(|_| wrong())?;
    // A number has other spellings, and each would be another object that passes for this one.
    if snapshot(source, sequence, id) != name {
        return Err(wrong());
    }
    Ok((source, sequence, id))
}

pub fn lease(session: SessionId, number: u32) -> String {
    format!("{LEASES}{session}/{number:06}")
}

pub fn lease_end(session: SessionId) -> String {
    format!("{LEASES}{session}/end")
}

/// What a name under `coord/leases/` stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseName {
    Claim(u32),
    End,
}

pub fn parse_lease(name: &str) -> Decoded<(SessionId, LeaseName)> {
    let wrong = || Problem(format!("{name:?} is not the name of a lease"));
    let (session, file) = name.strip_prefix(LEASES).and_then(|rest| rest.split_once('/')).ok_or_else(wrong)?;
    let session = SessionId::from_hex(session).map_err(|_| wrong())?;
    if file == "end" {
        return Ok((session, LeaseName::End));
    }
    let number = file.parse().map_err(|_| wrong())?;
    if lease(session, number) != name {
        return Err(wrong());
    }
    Ok((session, LeaseName::Claim(number)))
}

pub fn intent(session: SessionId, number: u32) -> String {
    format!("{INTENTS}{session}/{number:06}")
}

pub fn condemned(list: TableId) -> String {
    format!("{CONDEMNED}{list}")
}

pub fn parse_condemned(name: &str) -> Decoded<TableId> {
    let id = name.strip_prefix(CONDEMNED).and_then(|id| TableId::from_hex(id).ok());
    id.ok_or_else(|| Problem(format!("{name:?} is not the name of a condemned list")))
}

/// Fences of a session bear the name of the collector that put them, so that two never collide.
pub fn fence(session: SessionId, collector: SessionId) -> String {
    format!("{FENCES}{session}/{collector}")
}

pub fn settlement(session: SessionId, collector: SessionId) -> String {
    format!("{FENCES}{session}/{collector}-settled")
}

/// An acquittal bears the name of the session that put it.
pub fn acquittal(session: SessionId, by: SessionId) -> String {
    format!("{FENCES}{session}/{by}-acquits")
}

/// What a name under `coord/fences/` stands for, and which session put it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FenceName {
    Fence(SessionId),
    Settlement(SessionId),
    Acquittal(SessionId),
}

/// Of what is under `coord/fences/`, only this is lost with its object: whoever finds no settlement puts another one.
pub fn is_acquittal(name: &str) -> bool {
    matches!(parse_fence(name), Ok((_, FenceName::Acquittal(_))))
}

pub fn parse_fence(name: &str) -> Decoded<(SessionId, FenceName)> {
    let wrong = || Problem(format!("{name:?} is not the name of a fence"));
    let (session, file) = name.strip_prefix(FENCES).and_then(|rest| rest.split_once('/')).ok_or_else(wrong)?;
    let session = SessionId::from_hex(session).map_err(|_| wrong())?;
    let (by, part): (_, fn(SessionId) -> FenceName) = match file.split_once('-') {
        None => (file, FenceName::Fence),
        Some((by, "settled")) => (by, FenceName::Settlement),
        Some((by, "acquits")) => (by, FenceName::Acquittal),
        Some(_) => return Err(wrong()),
    };
    Ok((session, part(SessionId::from_hex(by).map_err(|_| wrong())?)))
}

/// That a session is changing keys.
pub fn key_change(session: SessionId) -> String {
    format!("{KEY_CHANGES}{session}")
}

/// Which slots it deletes.
pub fn key_removal(session: SessionId) -> String {
    format!("{KEY_CHANGES}{session}-removes")
}

/// What a session says of a change of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyChangeName {
    /// That it has begun.
    Begins,
    /// Which slots go.
    Removes,
}

pub fn parse_key_change(name: &str) -> Decoded<(SessionId, KeyChangeName)> {
    let wrong = || Problem(format!("{name:?} is not the name of a change of keys"));
    let file = name.strip_prefix(KEY_CHANGES).ok_or_else(wrong)?;
    let (session, part) = match file.strip_suffix("-removes") {
        Some(session) => (session, KeyChangeName::Removes),
        None => (file, KeyChangeName::Begins),
    };
    Ok((SessionId::from_hex(session).map_err(|_| wrong())?, part))
}

pub fn parse_intent(name: &str) -> Decoded<(SessionId, u32)> {
    let wrong = || Problem(format!("{name:?} is not the name of an intent"));
    let (session, number) = name.strip_prefix(INTENTS).and_then(|rest| rest.split_once('/')).ok_or_else(wrong)?;
    let (session, number) = (SessionId::from_hex(session).map_err(|_| wrong())?, number.parse().map_err(|_| wrong())?);
    if intent(session, number) != name {
        return Err(wrong());
    }
    Ok((session, number))
}

#[cfg(test)]
mod tests;
