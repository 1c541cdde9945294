//! Making parity.
//!
//! Owns the two readings of a pack: the first tells whether it is the pack that its name says, and the checksums of its
//! cells; the second makes the parity of one group after the other. Writes nothing itself.

use reed_solomon_simd::ReedSolomonEncoder;

use super::{Bytes, code_error, read_cell};
use crate::error::{Error, Result};
use crate::format::parity::{PARITY_HEADER_LEN, ParityHeader, Sum, sum_of};
use crate::id::RepositoryId;

/// Makes the sidecar of a pack and hands it on piece by piece.
///
/// # Errors
/// When the pack is not what its name says: parity of damage would be worth nothing.
pub fn encode(
    repository: RepositoryId,
    header: &ParityHeader,
    pack: &dyn Bytes,
    mut write: impl FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let sums = sum_cells(header, pack)?;
    let mut whole = blake3::Hasher::new();
    let mut put = |bytes: &[u8]| {
        whole.update(bytes);
        write(bytes)
    };
    let encoded = header.encode(repository);
    put(&encoded)?;
    put(sums.as_flattened())?;
    let mut parity_sums = Vec::<Sum>::new();
    let mut encoder = ReedSolomonEncoder::new(header.data as usize, header.parity as usize, header.cell_len as usize)
        .map_err(code_error)?;
    for group in 0..header.groups {
        parity_sums.extend(encode_group(header, (pack, &sums), (group, &mut encoder), &mut put)?);
    }
    put(sums.as_flattened())?;
    put(parity_sums.as_flattened())?;
    debug_assert_eq!(encoded.len() as u64, PARITY_HEADER_LEN);
    put(&encoded)?;
    let sum = whole.finalize();
    write(sum.as_bytes())
}

/// The checksums of a pack's cells, if the pack is what its name says.
fn sum_cells(header: &ParityHeader, pack: &dyn Bytes) -> Result<Vec<Sum>> {
    let mut hasher = blake3::Hasher::new();
    let (mut sums, mut buffer) = (Vec::with_capacity(header.pack_cells() as usize), Vec::new());
    let mut rest = header.pack_len;
    for number in 0..header.pack_cells() {
        let cell = read_cell(pack, header, number, &mut buffer)?.ok_or_else(|| damaged(header))?;
        let len = rest.min(header.cell_len.into());
        rest -= len;
        hasher.update(cell.split_at(len as usize).0);
        sums.push(sum_of(cell));
    }
    if pack.len() != header.pack_len || hasher.finalize().as_bytes() != &header.pack.0 {
        return Err(damaged(header));
    }
    Ok(sums)
}

fn damaged(header: &ParityHeader) -> Error {
    Error::damaged("make parity of", format!("pack {}", header.pack), "its bytes do not match its name")
}

/// Makes the parity of a group and its checksums.
fn encode_group(
    header: &ParityHeader,
    (pack, sums): (&dyn Bytes, &[Sum]),
    (group, encoder): (u32, &mut ReedSolomonEncoder),
    put: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<Vec<Sum>> {
    let mut buffer = Vec::new();
    for index in 0..header.data {
        let number = u64::from(index) * u64::from(header.groups) + u64::from(group);
        let cell = read_cell(pack, header, number, &mut buffer)?.ok_or_else(|| damaged(header))?;
        // What has changed since the first reading must not get into the parity.
        if sums.get(number as usize).is_some_and(|sum| *sum != sum_of(cell)) {
            return Err(damaged(header));
        }
        encoder.add_original_shard(cell).map_err(code_error)?;
    }
    let encoded = encoder.encode().map_err(code_error)?;
    let mut parity_sums = Vec::with_capacity(header.parity as usize);
    for cell in encoded.recovery_iter() {
        parity_sums.push(sum_of(cell));
        put(cell)?;
    }
    put(parity_sums.as_flattened())?;
    Ok(parity_sums)
}
