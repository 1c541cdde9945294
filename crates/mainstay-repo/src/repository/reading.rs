//! Reading a snapshot's object: what it says to anybody, who signed it, and the record in it.
//!
//! Owns the order of proof: the bytes are those that the name tells, the signature counts, the seal opens, and all three say
//! the same of where the snapshot stands. Believes nothing before it is proved.

use super::{Link, Repository, SnapshotPlace};
use crate::error::{Error, Kind, Result, unless_damaged};
use crate::fence::Fences;
use crate::format::envelope::ObjectKind;
use crate::format::signature::SigningRights;
use crate::format::snapshot::Snapshot;
use crate::format::snapshot::frame::SnapshotFrame;
use crate::format::{Decoded, Problem, names};
use crate::id::{RepositoryId, SessionId, SnapshotId, SourceId};
use crate::keys::Right;
use crate::pack_reader::read_object;
use crate::signer::{Holder, Judge};
use crate::store::read_through;

/// What a snapshot proves to anybody who knows the repository's id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedSnapshot {
    pub place: SnapshotPlace,
    /// The last snapshot of its source that its writer saw.
    pub previous: Option<SnapshotId>,
    /// BLAKE3 of the map of the blocks that it needs.
    pub references: [u8; 32],
    /// Shares no pack with earlier snapshots.
    pub independent: bool,
    /// The session whose data key seals the record.
    pub session: SessionId,
    pub signer: Holder,
}

impl SignedSnapshot {
    /// Checks the bytes of a snapshot without any key: for those who only keep or mirror a repository.
    ///
    /// # Errors
    /// When they are not what their name says, or not signed by a holder of this repository.
    pub fn check(repository: RepositoryId, name: &str, bytes: &[u8]) -> Result<Self> {
        let checked = names::parse_snapshot(name).and_then(|(source, sequence, id)| {
            let place = SnapshotPlace { source, sequence, id };
            check(&Judge::new(repository), repository, place, bytes).map(|(signed, _)| signed)
        });
        checked.map_err(|problem| Error::damaged("check snapshot", name, problem))
    }

    /// The snapshot as a link of its source's chain.
    pub(super) fn link(&self, is_removed: bool) -> Link {
        let SnapshotPlace { source, sequence, id } = self.place;
        Link { source, sequence, id, previous: self.previous, is_removed }
    }
}

fn check<'b>(
    judge: &Judge,
    repository: RepositoryId,
    place: SnapshotPlace,
    bytes: &'b [u8],
) -> Decoded<(SignedSnapshot, SnapshotFrame<'b>)> {
    if blake3::hash(bytes).as_bytes() != &place.id.0 {
        return Err(Problem::new("its bytes do not match its name"));
    }
    let frame = SnapshotFrame::decode(bytes)?;
    let header = &frame.header;
    if header.repository != repository {
        return Err(Problem::new("it belongs to another repository"));
    }
    if (header.source, header.sequence) != (place.source, place.sequence) {
        return Err(Problem::new("it says that it belongs elsewhere in the history"));
    }
    let signer = judge.judge(&header.certificates, SigningRights::SNAPSHOTS, &frame.signed(), &frame.signature)?;
    let signed = SignedSnapshot {
        place,
        previous: header.previous,
        references: header.references,
        independent: header.independent,
        session: header.session,
        signer,
    };
    Ok((signed, frame))
}

impl Repository {
    /// Why the data keys of a session do not open, if they do not.
    ///
    /// # Errors
    /// When the store fails.
    pub fn data_key_problem(&self, session: SessionId) -> Result<Option<Error>> {
        match self.data_keys.get(session) {
            Err(error) if matches!(error.kind(), Kind::Corrupt | Kind::NotFound) => Ok(Some(error)),
            opened => opened.map(|_| None),
        }
    }

    /// Makes sure that the holder who opened this repository is known, so that what it may sign is believed.
    pub fn confirm_signer(&self) -> Result<()> {
        let right =
            if self.keys.rights().has(Right::Write) { SigningRights::SNAPSHOTS } else { SigningRights::REMOVALS };
        let confirmed = self.keys.signer().confirm(self.id(), right);
        confirmed.map_err(|problem| Error::Invalid(format!("sign: {problem}")))
    }

    /// Makes sure that the holder who opened this repository may write and is known, so that what it signs is believed.
    pub fn confirm_writer(&self) -> Result<()> {
        self.require(Right::Write, "back up")?;
        let confirmed = self.keys.signer().confirm(self.id(), SigningRights::SNAPSHOTS);
        confirmed.map_err(|problem| Error::Invalid(format!("sign snapshots: {problem}")))
    }

    /// Reads one snapshot, as its name in the store says.
    pub fn read_snapshot(&self, source: SourceId, sequence: u64, id: SnapshotId) -> Result<Snapshot> {
        self.read_signed_snapshot(SnapshotPlace { source, sequence, id }).map(|(_, snapshot)| snapshot)
    }

    /// Reads one snapshot and what its signature proves.
    pub fn read_signed_snapshot(&self, place: SnapshotPlace) -> Result<(SignedSnapshot, Snapshot)> {
        read_through(&*self.store, &place.name(), || self.read_signed_snapshot_once(place))
    }

    fn read_signed_snapshot_once(&self, place: SnapshotPlace) -> Result<(SignedSnapshot, Snapshot)> {
        let name = names::snapshot(place.source, place.sequence, place.id);
        let damaged = |problem: Problem| Error::damaged("read snapshot", &name, problem);
        let bytes = read_object(&*self.store, &name, "read snapshot")?;
        let (signed, frame) = check(&self.judge, self.id(), place, &bytes).map_err(damaged)?;
        let data_key = self.data_keys.get(signed.session)?;
        let mut sealed = frame.sealed.to_vec();
        let plain = data_key
            .object_key(ObjectKind::Snapshot)?
            .open(frame.header.nonce, &frame.sealed_with(), &mut sealed)
            .map_err(|_| damaged(Problem::new("its seal does not match")))?;
        let mut snapshot = Snapshot::decode(plain).map_err(damaged)?;
        let (source, shown) = self.keys.source_of(signed.session, &snapshot.source)?;
        if (source, snapshot.sequence, snapshot.previous) != (place.source, place.sequence, signed.previous) {
            return Err(damaged(Problem::new("what is sealed in it says that it belongs elsewhere in the history")));
        }
        if snapshot.session != signed.session {
            return Err(damaged(Problem::new("it says that another session wrote it")));
        }
        if (snapshot.references, snapshot.independent) != (signed.references, signed.independent) {
            return Err(damaged(Problem::new("what is sealed in it says that it needs other blocks")));
        }
        self.require_signer_of_domain(&signed).map_err(damaged)?;
        snapshot.source = shown;
        Ok((signed, snapshot))
    }

    /// What a snapshot proves to whoever may not open it.
    ///
    /// # Errors
    /// As of one that is read; it may not open nevertheless.
    pub fn read_proof(&self, place: SnapshotPlace) -> Result<SignedSnapshot> {
        read_through(&*self.store, &place.name(), || self.read_proof_once(place))
    }

    fn read_proof_once(&self, place: SnapshotPlace) -> Result<SignedSnapshot> {
        let name = names::snapshot(place.source, place.sequence, place.id);
        let bytes = read_object(&*self.store, &name, "read snapshot")?;
        let checked = check(&self.judge, self.id(), place, &bytes);
        checked.map(|(signed, _)| signed).map_err(|problem| Error::damaged("read snapshot", &name, problem))
    }

    /// The same for whoever deletes: its signer must write in the domain of its session, too.
    pub(crate) fn read_counted(&self, place: SnapshotPlace) -> Result<SignedSnapshot> {
        let signed = self.read_proof(place)?;
        // The data key says whose session it is, whether it may be opened or not.
        self.data_keys.get(signed.session)?;
        let name = || names::snapshot(place.source, place.sequence, place.id);
        self.require_signer_of_domain(&signed).map_err(|problem| Error::damaged("read snapshot", name(), problem))?;
        Ok(signed)
    }

    /// The same of one that is not void: what is may lack everything, its data key as well.
    pub(crate) fn read_unless_void(&self, place: SnapshotPlace, fences: &Fences) -> Result<Option<SignedSnapshot>> {
        let signed = self.read_proof(place)?;
        match fences.is_void(signed.session, place.id) {
            true => Ok(None),
            false => self.read_counted(place).map(Some),
        }
    }

    /// What a void snapshot proves of which the data key is missing or damaged.
    pub(crate) fn void_without_key(&self, place: SnapshotPlace, fences: &Fences) -> Result<Option<SignedSnapshot>> {
        let Some(signed) = unless_damaged(self.read_proof(place))? else { return Ok(None) };
        let is_void = fences.is_void(signed.session, place.id);
        Ok((is_void && unless_damaged(self.data_keys.get(signed.session))?.is_none()).then_some(signed))
    }

    /// Of a session whose data key was read.
    fn require_signer_of_domain(&self, signed: &SignedSnapshot) -> Decoded<()> {
        if signed.signer.may_write_in(self.keys.domain_of(signed.session)) {
            return Ok(());
        }
        Err(Problem::new("its signer writes in another domain"))
    }

    /// The last of these snapshots that proves itself, counts, and was signed by somebody who writes in the domain of this key:
    /// for a session that may not read what it goes on from.
    pub fn newest_proved(&self, places: &[SnapshotPlace]) -> Result<Option<SnapshotPlace>> {
        if places.is_empty() {
            return Ok(None);
        }
        let mut places = places.to_vec();
        places.sort_by_key(|place| std::cmp::Reverse((place.sequence, place.id)));
        let fences = self.fences()?;
        for place in places {
            match self.read_proof(place) {
                Ok(signed) if fences.is_void(signed.session, place.id) => {}
                Ok(signed) if signed.signer.may_write_in(self.keys.own_domain()) => return Ok(Some(place)),
                Ok(_) => {}
                Err(error) if error.kind() == Kind::Corrupt => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests;
