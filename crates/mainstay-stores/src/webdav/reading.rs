//! What there is on a server, and its bytes.
//!
//! Owns listings, lengths, ranges, and when something is absent. Writes nothing.

use std::io::{self, BufReader, Read as _};

use mainstay_repo::store::{Object, is_part};
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, RANGE};

use crate::repeat::Trouble;

use super::client::{Answer, Refusal};
use super::multistatus::{self, Kind, Member};
use super::places::{Depth, Place};
use super::{Inner, STAGING};

/// Properties that are asked for.
const ASKED: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\
    <propfind xmlns=\"DAV:\"><prop><resourcetype/><getcontentlength/></prop></propfind>";
/// Bytes of an answer about one collection: a kilobyte for each of 250,000 members.
const LONGEST_ANSWER: u64 = 256 << 20;
/// More objects beneath one folder than any repository has: 160 TB in packs of 16 MiB.
const MOST_LISTED: usize = 10_000_000;
/// Collections in collections, beneath the one that is listed.
const DEEPEST: usize = 16;
/// Bytes that are passed over where a server knows no ranges.
const MOST_SKIPPED: u64 = 256 << 20;

/// Bytes of an object.
pub struct Part {
    pub bytes: Vec<u8>,
    /// Length of the whole object.
    pub whole: u64,
}

/// What of an object is wanted.
#[derive(Clone, Copy)]
struct Wanted {
    offset: u64,
    len: u64,
}

impl Inner {
    /// Has a server tell of a place, and of its members.
    pub fn tell(&self, path: &str, place: &Place, depth: Depth) -> Result<Vec<Member>, Refusal> {
        self.repeat(|| {
            let request = self.client.request("PROPFIND", path).header("Depth", depth.header());
            let answer = self.client.send(request.header(CONTENT_TYPE, "application/xml").body(ASKED))?;
            if answer.status() != StatusCode::MULTI_STATUS {
                let message = format!("expected 207 as the answer to a listing, got {}", answer.status());
                return Err(Trouble::lasting(io::Error::other(message)).into());
            }
            read_members(answer, place).map_err(Refusal::from)
        })
    }

    /// Length of an object.
    pub fn len(&self, name: &str) -> io::Result<u64> {
        let place = self.place(name)?;
        match self.tell(&place.encoded(), &place, Depth::Itself) {
            Ok(told) => match told.first().map(|member| member.kind) {
                Some(Kind::Object { len }) => Ok(len),
                _ => Err(io::Error::new(io::ErrorKind::InvalidData, "expected an object, got a collection")),
            },
            Err(refusal) => Err(self.absent_or(refusal, &place)),
        }
    }

    /// Reads a whole object of at most `limit` bytes.
    pub fn read(&self, name: &str, limit: u64) -> io::Result<Vec<u8>> {
        // One byte more tells whether there are more.
        let part = self.get(name, 0, limit.saturating_add(1))?;
        if part.whole > limit {
            let message = format!("{} bytes exceed the limit of {limit}", part.whole);
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        Ok(part.bytes)
    }

    /// Reads a part of an object, or as much of it as there is.
    pub fn get(&self, name: &str, offset: u64, len: u64) -> io::Result<Part> {
        let place = self.place(name)?;
        let wanted = Wanted { offset, len };
        let range = format!("bytes={offset}-{}", offset.saturating_add(len - 1));
        let got = self.repeat(|| {
            let answer = self.client.send(self.client.request("GET", &place.encoded()).header(RANGE, &range))?;
            let part = if answer.status() == StatusCode::PARTIAL_CONTENT {
                read_range(answer, wanted)
            } else {
                self.len(name).and_then(|whole| read_from_whole(answer, whole, wanted))
            };
            part.map_err(|error| trouble_of(error).into())
        });
        match got {
            Ok(part) => Ok(part),
            Err(Refusal { status: Some(StatusCode::RANGE_NOT_SATISFIABLE), .. }) => match self.len(name)? {
                whole if whole <= offset => Ok(Part { bytes: Vec::new(), whole }),
                _ => Err(io::Error::other("the server refuses a range that is there")),
            },
            Err(refusal) => Err(self.absent_or(refusal, &place)),
        }
    }

    /// What a refusal means: that nothing is there, if that is known.
    fn absent_or(&self, refusal: Refusal, place: &Place) -> io::Error {
        if refusal.status != Some(StatusCode::NOT_FOUND) {
            return refusal.trouble.error;
        }
        match self.confirm_absence(place) {
            Ok(()) => io::Error::new(io::ErrorKind::NotFound, refusal.trouble.error),
            Err(error) => error,
        }
    }

    /// Makes sure that a server that answers 404 knows what it speaks of: the nearest place that leads there must tell that it is
    /// a collection.
    pub fn confirm_absence(&self, place: &Place) -> io::Result<()> {
        let mut above = place.parent();
        while let Some(place) = above {
            match self.tell(&place.as_collection(), &place, Depth::Itself) {
                Ok(told) => {
                    let is_collection = told.iter().any(|member| member.kind == Kind::Collection);
                    let message = format!("expected a collection, got something else at {}", place.encoded());
                    return if is_collection { Ok(()) } else { Err(io::Error::other(message)) };
                }
                Err(Refusal { status: Some(StatusCode::NOT_FOUND), .. }) => above = place.parent(),
                Err(refusal) => return Err(refusal.trouble.error),
            }
        }
        Err(io::Error::other("the server answers 404 to everything on the way: expected a WebDAV server there"))
    }

    /// A folder that answers that it is not there must not be among those that the folder above it tells of.
    fn confirm_not_among_members(&self, place: &Place) -> io::Result<()> {
        let Some(above) = place.parent() else { return Ok(()) };
        match self.tell(&above.as_collection(), &above, Depth::Members) {
            // That folder is not there either; the repository itself was asked before.
            Err(Refusal { status: Some(StatusCode::NOT_FOUND), .. }) => Ok(()),
            Err(refusal) => Err(refusal.trouble.error),
            Ok(told) if told.iter().any(|member| place.is_named(&member.path)) => {
                let message = format!("the server says of {} that it is not there, and lists it", place.encoded());
                Err(io::Error::other(message))
            }
            Ok(_) => Ok(()),
        }
    }

    /// Lists objects until there are `most` of them. What a name of an upload is given is no object yet.
    pub fn list(&self, prefix: &str, most: usize) -> io::Result<Vec<Object>> {
        let mut objects = Vec::new();
        let top = prefix.trim_end_matches('/');
        let mut folders = vec![top.to_owned()];
        while let Some(folder) = folders.pop() {
            let place = self.place(&folder)?;
            let told = match self.tell(&place.as_collection(), &place, Depth::Members) {
                // A folder that was never made is empty only where a repository is or could be; one that its own folder has
                // just told of is there.
                Err(Refusal { status: Some(StatusCode::NOT_FOUND), .. }) if folder == top => {
                    self.require_collection(&self.root())?;
                    return self.confirm_not_among_members(&place).map(|()| Vec::new());
                }
                told => told.map_err(|refusal| refusal.trouble.error)?,
            };
            for member in told.iter().filter(|member| !place.is_named(&member.path)) {
                let name = place.name_of(&member.path).and_then(|name| std::str::from_utf8(name).ok());
                let Some(name) = name.filter(|name| is_part(name)) else { continue };
                let name = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
                match member.kind {
                    Kind::Collection if name == STAGING => {}
                    Kind::Collection => folders.push(name),
                    Kind::Object { len } => objects.push(Object { name, len }),
                }
            }
            require_bounds(&folder, prefix, objects.len())?;
            if objects.len() >= most {
                break;
            }
        }
        objects.sort_by(|a, b| a.name.cmp(&b.name));
        objects.dedup();
        Ok(objects)
    }
}

fn require_bounds(folder: &str, prefix: &str, listed: usize) -> io::Result<()> {
    let depth = folder.get(prefix.len()..).unwrap_or_default().split('/').count();
    if listed > MOST_LISTED || depth > DEEPEST {
        let message = format!("a listing of {prefix:?} has more than {MOST_LISTED} objects, or folders {DEEPEST} deep");
        return Err(io::Error::other(message));
    }
    Ok(())
}

/// The members that an answer tells, the place itself first, which must be among them: an answer about something else is none.
fn read_members(answer: Answer<'_>, place: &Place) -> Result<Vec<Member>, Trouble> {
    let mut members: Vec<Member> = Vec::new();
    let mut itself = None;
    let mut keep = |member: Member| {
        if place.is_named(&member.path) {
            itself = Some(member);
        } else if place.name_of(&member.path).is_some() {
            members.push(member);
        } else {
            let path = String::from_utf8_lossy(&member.path).chars().take(200).collect::<String>();
            let message = format!("a listing of {} tells of {path:?}", place.encoded());
            return Err(io::Error::other(message));
        }
        Ok(())
    };
    let mut body = answer.take(LONGEST_ANSWER + 1);
    let read = multistatus::read(BufReader::new(&mut body), &mut keep);
    if body.limit() == 0 {
        let message = format!("an answer to a listing is longer than {LONGEST_ANSWER} bytes");
        return Err(Trouble::lasting(io::Error::other(message)));
    }
    read.map_err(trouble_of)?;
    let message = || io::Error::other(format!("a listing of {} does not tell of itself", place.encoded()));
    let itself = itself.ok_or_else(|| Trouble::lasting(message()))?;
    members.insert(0, itself);
    Ok(members)
}

/// Reads a body that is the range that was asked for, or its beginning where the object ends in it.
fn read_range(answer: Answer<'_>, wanted: Wanted) -> io::Result<Part> {
    let odd = |message: String| Err(io::Error::other(message));
    let Some((first, last, whole)) = answer.range() else {
        return odd("the server sent a part and did not say which".to_owned());
    };
    let end = wanted.offset.saturating_add(wanted.len).min(whole);
    if first != wanted.offset || last.checked_add(1) != Some(end) || last < first {
        return odd(format!("expected bytes from {} to {end} of {whole}, got {first}-{last}", wanted.offset));
    }
    let bytes = read_exactly(answer, end - first)?;
    Ok(Part { bytes, whole })
}

/// Reads the part that was asked for from a body that is the whole object.
fn read_from_whole(mut answer: Answer<'_>, whole: u64, wanted: Wanted) -> io::Result<Part> {
    if answer.status() != StatusCode::OK || answer.len().is_some_and(|len| len != whole) {
        let got = answer.len().map_or_else(|| answer.status().to_string(), |len| format!("{len} bytes"));
        return Err(io::Error::other(format!("expected an object of {whole} bytes, got {got}")));
    }
    let skipped = wanted.offset.min(whole);
    if skipped > MOST_SKIPPED {
        return Err(io::Error::new(io::ErrorKind::Unsupported, "the server knows no ranges"));
    }
    let passed = io::copy(&mut (&mut answer).take(skipped), &mut io::sink())?;
    if passed < skipped {
        return Err(io::Error::new(io::ErrorKind::TimedOut, format!("{passed} of {whole} bytes came")));
    }
    let end = wanted.offset.saturating_add(wanted.len).min(whole);
    let bytes = read_exactly(answer, end.saturating_sub(wanted.offset))?;
    Ok(Part { bytes, whole })
}

fn read_exactly(answer: Answer<'_>, len: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    answer.take(len).read_to_end(&mut bytes)?;
    if bytes.len() as u64 != len {
        return Err(io::Error::new(io::ErrorKind::TimedOut, format!("{} of {len} bytes came", bytes.len())));
    }
    Ok(bytes)
}

/// What was cut short may be whole the next time.
fn trouble_of(error: io::Error) -> Trouble {
    let is_passing = error.kind() == io::ErrorKind::TimedOut;
    Trouble { error, is_passing, after: None }
}
