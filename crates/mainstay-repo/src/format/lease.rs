//! A session's lease: the claim that it is at work, and on which machine.
//!
//! Owns the encoding. Whether a claim is still alive is decided elsewhere, never from a clock.

use super::envelope::{ObjectKind, decode_clear, encode_clear};
use super::{Decoded, Problem, from_cbor, to_cbor};
use crate::id::{RepositoryId, SessionId, TableId};

/// What a session does with the repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Writer,
    Reader,
    Collector,
}

impl<C> minicbor::Encode<C> for Role {
    fn encode<W: minicbor::encode::Write>(
        &self,
        encoder: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        let number = match self {
            Self::Writer => 1,
            Self::Reader => 2,
            Self::Collector => 3,
        };
        encoder.u8(number)?.ok()
    }
}

impl<'b, C> minicbor::Decode<'b, C> for Role {
    fn decode(decoder: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        match decoder.u8()? {
            1 => Ok(Self::Writer),
            2 => Ok(Self::Reader),
            3 => Ok(Self::Collector),
            _ => Err(minicbor::decode::Error::message("unknown role")),
        }
    }
}

/// Who is at work: enough to see, on the same machine, that the process is gone.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(map)]
pub struct Claim {
    /// Keyed hashes, so that the store learns no host name.
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    pub machine: [u8; 16],
    /// Changes with every start of the machine.
    #[n(2)]
    #[cbor(with = "minicbor::bytes")]
    pub boot: [u8; 16],
    #[n(3)]
    pub process: u32,
    /// Start time of the process in the machine's own ticks; tells a reused process number apart.
    #[n(4)]
    pub process_start: u64,
}

/// One lease object. A session publishes a new one, with the next number, when it has read the condemned lists, and from time
/// to time to show that it is at work.
#[derive(Clone, Debug, PartialEq, Eq, minicbor::Encode, minicbor::Decode)]
#[cbor(map)]
pub struct Lease {
    #[n(1)]
    pub session: SessionId,
    #[n(2)]
    pub number: u32,
    #[n(3)]
    pub role: Role,
    #[n(4)]
    pub claim: Claim,
    /// The condemned lists that the session knew when it began, and obeys: they need not wait for it.
    #[n(5)]
    pub seen: Vec<TableId>,
    /// When it was published, nanoseconds since the Unix epoch by the session's clock. Decides only when a session that says
    /// nothing more is fenced.
    #[n(6)]
    pub renewed: i64,
}

pub(crate) fn encode(repository: RepositoryId, lease: &Lease) -> Vec<u8> {
    encode_clear(ObjectKind::Lease, repository, &to_cbor(lease))
}

pub(crate) fn decode(repository: RepositoryId, session: SessionId, bytes: &[u8]) -> Decoded<Lease> {
    let lease: Lease = from_cbor("lease", decode_clear(ObjectKind::Lease, repository, bytes)?)?;
    if lease.session != session {
        return Err(Problem(format!("it is the lease of session {}", lease.session)));
    }
    Ok(lease)
}

/// The end of a session: from then on its lease claims nothing.
pub(crate) fn encode_end(repository: RepositoryId, session: SessionId) -> Vec<u8> {
    encode_clear(ObjectKind::LeaseEnd, repository, &to_cbor(&session))
}

#[cfg(test)]
mod tests;
