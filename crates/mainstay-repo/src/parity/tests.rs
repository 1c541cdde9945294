//! Tests of parity: what a sample of a pack and its sidecar go through.

mod damage;
mod dividing;
mod patterns;

use super::*;
use crate::fixtures::seeded;
use crate::id::RepositoryId;

const REPOSITORY: RepositoryId = RepositoryId([0xa1; 16]);

/// A pack and its sidecar, both in memory.
#[derive(Clone)]
struct Sample {
    header: ParityHeader,
    pack: Vec<u8>,
    sidecar: Vec<u8>,
}

impl Sample {
    /// A pack of random bytes, divided as it would be in a repository.
    fn planned(seed: u64, len: usize, percent: u8) -> Self {
        let pack = seeded(seed, len);
        let header = plan(id_of(&pack), len as u64, percent);
        Self::divided(pack, header)
    }

    /// A small pack in several groups.
    fn grouped(seed: u64, len: usize, groups: u32, parity: u32) -> Self {
        let pack = seeded(seed, len);
        let cells = (len as u32).div_ceil(64);
        let data = cells.div_ceil(groups);
        let header = ParityHeader { pack: id_of(&pack), pack_len: len as u64, cell_len: 64, groups, data, parity };
        Self::divided(pack, header)
    }

    fn divided(pack: Vec<u8>, header: ParityHeader) -> Self {
        let mut sidecar = Vec::new();
        let write = |part: &[u8]| {
            sidecar.extend_from_slice(part);
            Ok(())
        };
        encode::encode(REPOSITORY, &header, &pack, write).unwrap();
        assert_eq!(sidecar.len() as u64, header.sidecar_len());
        Self { header, pack, sidecar }
    }

    /// The pack as the sidecar gives it back; `None` if it cannot.
    fn heal(&self) -> Option<Vec<u8>> {
        let sidecar = self.open()?;
        let healed = HealedPack::recover(&self.pack, &sidecar).unwrap()?;
        let mut bytes = vec![0; healed.len() as usize];
        assert!(healed.read_at(0, &mut bytes).unwrap());
        Some(bytes)
    }

    fn open(&self) -> Option<Sidecar<'_>> {
        let named = (self.header.pack, self.header.sum(REPOSITORY));
        Sidecar::read(REPOSITORY, named, Box::new(self.sidecar.clone())).unwrap()
    }

    fn judge(&self) -> Option<Verdict> {
        self.open().map(|sidecar| HealedPack::judge(&self.pack, &sidecar).unwrap())
    }
}

impl Bytes for Vec<u8> {
    fn len(&self) -> u64 {
        Vec::len(self) as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<bool> {
        let found = self.get(offset as usize..offset as usize + buffer.len());
        if let Some(found) = found {
            buffer.copy_from_slice(found);
        }
        Ok(found.is_some())
    }
}

fn id_of(pack: &[u8]) -> PackId {
    PackId(*blake3::hash(pack).as_bytes())
}
