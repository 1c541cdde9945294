//! Where content lies: extents, lists of them, and the sessions that they name.
//!
//! Owns their encoding. A page or a list names each session once and refers to it by number.

use minicbor::{Decoder, Encoder};

use super::fields::{INFALLIBLE, Sink, array_len, bytes, expect_end, expect_key, expect_map, unsigned, unsigned32};
use crate::format::{Decoded, Problem, limits, within};
use crate::id::{BlockId, SessionId};

/// A stretch of content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Extent {
    /// `len` plaintext bytes at `offset` of a block. Adjacent chunks of one block make one extent.
    Data { block: BlockId, offset: u32, len: u32 },
    /// `len` bytes that read as zeros and take no space.
    Hole { len: u64 },
}

impl Extent {
    /// Length in bytes of content.
    pub fn content_len(&self) -> u64 {
        match self {
            Self::Data { len, .. } => u64::from(*len),
            Self::Hole { len } => *len,
        }
    }
}

/// The content of a file, or the pages of a directory (one extent each).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// The extents in order, unless `lists` holds them.
    pub extents: Vec<Extent>,
    /// Extent list chunks that hold the extents in order when there are too many to keep inline.
    pub lists: Vec<Extent>,
}

impl Content {
    /// Adds an extent, joining it with the last one where they touch.
    pub fn push(&mut self, extent: Extent) {
        match (self.extents.last_mut(), extent) {
            (Some(Extent::Data { block: last, offset: from, len: held }), Extent::Data { block, offset, len })
                if *last == block && *from + *held == offset =>
            {
                *held += len
            }
            (Some(Extent::Hole { len: held }), Extent::Hole { len }) => *held += len,
            _ => self.extents.push(extent),
        }
    }
}

/// A list of extents in a chunk of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExtentList {
    pub extents: Vec<Extent>,
}

/// The sessions that the extents of one encoded thing refer to, in order of first use.
#[derive(Default)]
pub struct Sessions(Vec<SessionId>);

impl Sessions {
    fn number(&mut self, session: SessionId) -> u64 {
        let found = self.0.iter().rposition(|known| *known == session);
        found.unwrap_or_else(|| {
            self.0.push(session);
            self.0.len() - 1
        }) as u64
    }

    pub fn collect<'a>(extents: impl Iterator<Item = &'a Extent>) -> Self {
        let mut sessions = Self::default();
        for extent in extents {
            if let Extent::Data { block, .. } = extent {
                sessions.number(block.session);
            }
        }
        sessions
    }

    pub fn encode(&self, encoder: &mut Sink<'_>) {
        encoder.array(self.0.len() as u64).expect(INFALLIBLE);
        for session in &self.0 {
            encoder.bytes(&session.0).expect(INFALLIBLE);
        }
    }

    pub fn decode(decoder: &mut Decoder<'_>) -> Decoded<Self> {
        let count = array_len(decoder, "sessions")?;
        let mut sessions = Self::default();
        for _ in 0..count {
            let id = SessionId::from_slice(bytes(decoder)?).map_err(|_| Problem::new("session of the wrong length"))?;
            sessions.0.push(id);
        }
        Ok(sessions)
    }

    /// An extent is `0, len` for a hole and `session number + 1, serial, offset, len` for data.
    pub fn encode_extents(&mut self, extents: &[Extent], encoder: &mut Sink<'_>) {
        let numbers: usize =
            extents.iter().map(|extent| if matches!(extent, Extent::Hole { .. }) { 2 } else { 4 }).sum();
        encoder.array(numbers as u64).expect(INFALLIBLE);
        for extent in extents {
            match extent {
                Extent::Hole { len } => encoder.u8(0).and_then(|e| e.u64(*len)).expect(INFALLIBLE),
                Extent::Data { block, offset, len } => encoder
                    .u64(self.number(block.session) + 1)
                    .and_then(|e| e.u32(block.serial))
                    .and_then(|e| e.u32(*offset))
                    .and_then(|e| e.u32(*len))
                    .expect(INFALLIBLE),
            };
        }
    }

    pub fn decode_extents(&self, decoder: &mut Decoder<'_>) -> Decoded<Vec<Extent>> {
        let mut numbers = array_len(decoder, "extents")?;
        let mut extents = Vec::with_capacity((numbers / 4) as usize);
        while numbers > 0 {
            let session = unsigned(decoder)?;
            let taken = if session == 0 { 2 } else { 4 };
            numbers = numbers.checked_sub(taken).ok_or_else(|| Problem::new("an extent is cut short"))?;
            extents.push(match session.checked_sub(1) {
                None => Extent::Hole { len: unsigned(decoder)? },
                Some(number) => self.decode_data(number, decoder)?,
            });
        }
        Ok(extents)
    }

    fn decode_data(&self, number: u64, decoder: &mut Decoder<'_>) -> Decoded<Extent> {
        let session = usize::try_from(number).ok().and_then(|number| self.0.get(number)).copied();
        let session = session.ok_or_else(|| Problem(format!("session number {number} is not in its list")))?;
        let serial = unsigned32(decoder)?;
        let (offset, len) = (unsigned32(decoder)?, unsigned32(decoder)?);
        within("end of an extent in its block", u64::from(offset) + u64::from(len), limits::BLOCK_LEN as u64)?;
        Ok(Extent::Data { block: BlockId { session, serial }, offset, len })
    }
}

impl ExtentList {
    /// Encodes the list: `{1: sessions, 2: extents}`.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(32 + self.extents.len() * 12);
        encode_extents(&self.extents, &mut Encoder::new(&mut out));
        out
    }

    pub fn decode(input: &[u8]) -> Decoded<Self> {
        let mut decoder = Decoder::new(input);
        let extents = decode_extents(&mut decoder)?;
        expect_end(&decoder, input)?;
        within("extents of a list", extents.len() as u64, limits::LIST_EXTENTS as u64)?;
        Ok(Self { extents })
    }
}

fn encode_extents(extents: &[Extent], encoder: &mut Sink<'_>) {
    let mut sessions = Sessions::collect(extents.iter());
    encoder.map(2).and_then(|e| e.u8(1)).expect(INFALLIBLE);
    sessions.encode(encoder);
    encoder.u8(2).expect(INFALLIBLE);
    sessions.encode_extents(extents, encoder);
}

fn decode_extents(decoder: &mut Decoder<'_>) -> Decoded<Vec<Extent>> {
    expect_map(decoder, 2)?;
    expect_key(decoder, 1)?;
    let sessions = Sessions::decode(decoder)?;
    expect_key(decoder, 2)?;
    sessions.decode_extents(decoder)
}

/// A content that stands alone, as a snapshot holds its root: `[inline extents, lists]`, each `{1: sessions, 2: extents}`.
impl<C> minicbor::Encode<C> for Content {
    fn encode<W: minicbor::encode::Write>(
        &self,
        encoder: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        encoder.array(2)?;
        for extents in [&self.extents, &self.lists] {
            encoder.bytes(&ExtentList { extents: extents.clone() }.encode())?;
        }
        Ok(())
    }
}

impl<'b, C> minicbor::Decode<'b, C> for Content {
    fn decode(decoder: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let fault = |problem: Problem| minicbor::decode::Error::message(problem.0);
        if decoder.array()? != Some(2) {
            return Err(minicbor::decode::Error::message("content is not a pair"));
        }
        let mut list = || ExtentList::decode(decoder.bytes()?).map(|list| list.extents).map_err(fault);
        Ok(Self { extents: list()?, lists: list()? })
    }
}
