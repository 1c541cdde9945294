//! Where things are on a server.
//!
//! Owns the way from names to paths, and back. Sends nothing.

use crate::address::encode_percent;

/// How far down a server is asked to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    Itself,
    Members,
}

impl Depth {
    pub fn header(self) -> &'static str {
        match self {
            Self::Itself => "0",
            Self::Members => "1",
        }
    }
}

/// A path on a server: parts as they are, between slashes, none at either end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place(String);

impl Place {
    pub fn new(parts: &[String]) -> Self {
        Self(parts.join("/"))
    }

    /// A place further in; `None` for a name that would lead elsewhere.
    pub fn beneath(&self, name: &str) -> Option<Self> {
        let name = name.strip_suffix('/').unwrap_or(name);
        if name.is_empty() {
            return Some(self.clone());
        }
        if name.split('/').any(|part| part.is_empty() || part == "." || part == "..") {
            return None;
        }
        Some(if self.0.is_empty() { Self(name.to_owned()) } else { Self(format!("{}/{name}", self.0)) })
    }

    /// The place that holds it; `None` for the outermost.
    pub fn parent(&self) -> Option<Self> {
        if self.0.is_empty() {
            return None;
        }
        Some(Self(self.0.rsplit_once('/').map(|(parent, _)| parent.to_owned()).unwrap_or_default()))
    }

    /// As requests name an object.
    pub fn encoded(&self) -> String {
        encode_percent(self.0.as_bytes())
    }

    /// As requests name a collection.
    pub fn as_collection(&self) -> String {
        if self.0.is_empty() { String::new() } else { format!("{}/", self.encoded()) }
    }

    pub fn is_named(&self, path: &[u8]) -> bool {
        self.0.as_bytes() == path
    }

    /// The name by which a member of this place is told, if it is one.
    pub fn name_of<'p>(&self, path: &'p [u8]) -> Option<&'p [u8]> {
        let rest = path.strip_prefix(self.0.as_bytes())?;
        let name = if self.0.is_empty() { rest } else { rest.strip_prefix(b"/")? };
        (!name.is_empty() && !name.contains(&b'/') && name != b"." && name != b"..").then_some(name)
    }
}
