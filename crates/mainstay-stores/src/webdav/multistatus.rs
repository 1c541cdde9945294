//! The answer by which a server tells what there is (RFC 4918, 13), read as it comes.
//!
//! Owns what is believed of it: only an answer that is whole and says of every member what it is. Anything less is an error, and
//! never a shorter listing, which would cost somebody his backups. Bounds what one member may take. Sends nothing.

use std::io::{self, BufRead};

use quick_xml::NsReader;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesRef, Event};
use quick_xml::name::{Namespace, ResolveResult};

use crate::address::decode_percent;

#[cfg(test)]
mod tests;

/// Elements in elements; servers use a handful.
const DEEPEST: usize = 32;
/// Bytes of one address, status or length.
const LONGEST_TEXT: usize = 16 << 10;

/// What a server says of one object or collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its path on the server, decoded, without slashes at its ends.
    pub path: Vec<u8>,
    pub kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Collection,
    Object { len: u64 },
}

/// Reads an answer and hands on each member.
///
/// # Errors
/// Of kind `TimedOut` where the answer is cut short, of another where it is none.
pub fn read(answer: impl BufRead, each: &mut dyn FnMut(Member) -> io::Result<()>) -> io::Result<()> {
    let mut reader = NsReader::from_reader(answer);
    reader.config_mut().expand_empty_elements = true;
    let mut state = State::default();
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        let (namespace, event) = reader.read_resolved_event_into(&mut buffer).map_err(unreadable)?;
        let is_ours = matches!(namespace, ResolveResult::Bound(Namespace(b"DAV:")));
        match event {
            Event::Start(start) => {
                state.begin(if is_ours { Tag::of(start.local_name().as_ref()) } else { Tag::Other })?
            }
            Event::End(_) => {
                if let Some(member) = state.end()? {
                    each(member)?;
                }
            }
            Event::Text(text) => state.add(&text.decode().map_err(|_| odd("it is no UTF-8"))?)?,
            Event::CData(text) => state.add(&text.decode().map_err(|_| odd("it is no UTF-8"))?)?,
            Event::GeneralRef(reference) => state.add(&resolved(&reference)?)?,
            Event::DocType(_) => return Err(odd("it brings definitions of its own")),
            Event::Eof => return state.finish(),
            _ => {}
        }
    }
}

/// The elements that are understood; of all others the text is passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tag {
    Multistatus,
    Response,
    Href,
    Propstat,
    Prop,
    ResourceType,
    Collection,
    Length,
    Status,
    Other,
}

impl Tag {
    fn of(name: &[u8]) -> Self {
        match name {
            b"multistatus" => Self::Multistatus,
            b"response" => Self::Response,
            b"href" => Self::Href,
            b"propstat" => Self::Propstat,
            b"prop" => Self::Prop,
            b"resourcetype" => Self::ResourceType,
            b"collection" => Self::Collection,
            b"getcontentlength" => Self::Length,
            b"status" => Self::Status,
            _ => Self::Other,
        }
    }
}

/// What a group of properties says, or a whole response.
#[derive(Default)]
struct Said {
    status: Option<u16>,
    is_collection: Option<bool>,
    len: Option<u64>,
}

#[derive(Default)]
struct State {
    open: Vec<Tag>,
    has_begun: bool,
    text: String,
    href: Option<String>,
    response: Said,
    group: Said,
}

impl State {
    fn begin(&mut self, tag: Tag) -> io::Result<()> {
        match (self.open.as_slice(), tag) {
            ([], Tag::Multistatus) if !self.has_begun => self.has_begun = true,
            ([], _) => return Err(odd("it is no `multistatus`")),
            ([Tag::Multistatus], Tag::Response) => (self.href, self.response) = (None, Said::default()),
            ([.., Tag::Response], Tag::Propstat) => self.group = Said::default(),
            ([.., Tag::Prop], Tag::ResourceType) => self.group.is_collection = Some(false),
            ([.., Tag::ResourceType], Tag::Collection) => self.group.is_collection = Some(true),
            _ => {}
        }
        if self.open.len() == DEEPEST {
            return Err(odd("its elements are too deep in each other"));
        }
        self.text.clear();
        self.open.push(tag);
        Ok(())
    }

    fn add(&mut self, text: &str) -> io::Result<()> {
        if !matches!(self.open.last(), Some(Tag::Href | Tag::Status | Tag::Length)) {
            return Ok(());
        }
        if self.text.len() + text.len() > LONGEST_TEXT {
            return Err(odd("one of its texts is too long"));
        }
        self.text.push_str(text);
        Ok(())
    }

    fn end(&mut self) -> io::Result<Option<Member>> {
        let tag = self.open.pop();
        match (self.open.as_slice(), tag) {
            ([.., Tag::Response], Some(Tag::Href)) if self.href.is_some() => {
                return Err(odd("one of its members has two addresses"));
            }
            ([.., Tag::Response], Some(Tag::Href)) => self.href = Some(self.text.trim().to_owned()),
            ([.., Tag::Response], Some(Tag::Status)) => self.response.status = Some(status(&self.text)?),
            ([.., Tag::Propstat], Some(Tag::Status)) => self.group.status = Some(status(&self.text)?),
            ([.., Tag::Prop], Some(Tag::Length)) => self.group.len = length(&self.text)?,
            ([.., Tag::Response], Some(Tag::Propstat)) => self.end_group()?,
            ([Tag::Multistatus], Some(Tag::Response)) => return self.member().map(Some),
            _ => {}
        }
        Ok(None)
    }

    /// Takes over what a group says. Properties that there are none of come in a group with the status 404.
    fn end_group(&mut self) -> io::Result<()> {
        match self.group.status {
            Some(200) => {
                self.response.is_collection = self.response.is_collection.or(self.group.is_collection);
                self.response.len = self.response.len.or(self.group.len);
                Ok(())
            }
            Some(404) => Ok(()),
            Some(other) => Err(refused(other, self.href.as_deref())),
            None => Err(odd("properties have no status")),
        }
    }

    fn member(&mut self) -> io::Result<Member> {
        let href = self.href.take().ok_or_else(|| odd("one of its members has no address"))?;
        if let Some(status) = self.response.status.filter(|status| *status != 200) {
            return Err(refused(status, Some(&href)));
        }
        let kind = match (self.response.is_collection, self.response.len) {
            (Some(true), _) => Kind::Collection,
            (Some(false), Some(len)) => Kind::Object { len },
            (Some(false), None) => return Err(odd(&format!("{} has no length", shown(&href)))),
            (None, _) => return Err(odd(&format!("it does not say what {} is", shown(&href)))),
        };
        Ok(Member { path: path_of(&href).ok_or_else(|| odd(&format!("{} is no address", shown(&href))))?, kind })
    }

    fn finish(&self) -> io::Result<()> {
        match (self.has_begun, self.open.is_empty()) {
            (true, true) => Ok(()),
            (false, _) => Err(odd("it is empty")),
            // Without a length in its head nobody else has noticed.
            (true, false) => Err(io::Error::new(io::ErrorKind::TimedOut, "the answer was cut short")),
        }
    }
}

/// The path of an address, which may be that of a whole URL.
fn path_of(href: &str) -> Option<Vec<u8>> {
    let path = match href.split_once("://") {
        Some((scheme, rest)) if !scheme.contains('/') => rest.find('/').and_then(|slash| rest.get(slash..))?,
        _ => href,
    };
    let path = decode_percent(path.strip_prefix('/')?.as_bytes())?;
    Some(path.strip_suffix(b"/").unwrap_or(&path).to_vec())
}

/// `HTTP/1.1 200 OK`.
fn status(line: &str) -> io::Result<u16> {
    let code = line.split_ascii_whitespace().nth(1).and_then(|code| code.parse().ok());
    code.filter(|_| line.trim_start().starts_with("HTTP/")).ok_or_else(|| odd("one of its states is none"))
}

/// Of a collection some servers give an empty one.
fn length(text: &str) -> io::Result<Option<u64>> {
    match text.trim() {
        "" => Ok(None),
        digits => digits.parse().map(Some).map_err(|_| odd("one of its lengths is no number")),
    }
}

fn resolved(reference: &BytesRef<'_>) -> io::Result<String> {
    if let Some(character) = reference.resolve_char_ref().map_err(|_| odd("it holds a character that is none"))? {
        return Ok(character.to_string());
    }
    let name = reference.decode().map_err(|_| odd("it is no UTF-8"))?;
    let text = resolve_xml_entity(&name).ok_or_else(|| odd("it relies on definitions of its own"))?;
    Ok(text.to_owned())
}

fn unreadable(error: quick_xml::Error) -> io::Error {
    match error {
        quick_xml::Error::Io(error) => io::Error::new(error.kind(), error.to_string()),
        error => odd(&error.to_string()),
    }
}

fn odd(problem: &str) -> io::Error {
    io::Error::other(format!("the answer to a listing cannot be relied on: {problem}"))
}

fn refused(status: u16, href: Option<&str>) -> io::Error {
    let kind = if status == 401 || status == 403 { io::ErrorKind::PermissionDenied } else { io::ErrorKind::Other };
    let whom = href.map_or_else(|| "a member".to_owned(), shown);
    io::Error::new(kind, format!("the server says {status} of {whom} in a listing"))
}

/// Characters of an address that are told.
const LONGEST_TOLD: usize = 200;

fn shown(href: &str) -> String {
    href.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST_TOLD).collect()
}
