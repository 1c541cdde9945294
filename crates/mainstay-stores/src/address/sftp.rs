//! Addresses of directories of other machines: `sftp://[USER@]HOST[:PORT]/PATH`, and `/~/PATH` from the home directory.
//!
//! Owns the form and what is compared of it. Knows no configuration: what `~/.ssh/config` calls a host is told elsewhere.

use std::fmt;
use std::net::Ipv6Addr;

use super::{BadAddress, decode_percent, encode_percent, is_plain};

/// The port of SSH.
pub const USUAL_PORT: u16 = 22;

/// A directory of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SftpAddress {
    pub user: Option<String>,
    /// A name or an address, as it was given; without brackets.
    pub host: String,
    pub port: Option<u16>,
    pub base: Base,
    /// Parts between slashes, none at either end. May be empty.
    pub path: String,
}

/// Where a path begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    Root,
    /// The directory in which the server lets a user begin.
    Home,
}

impl SftpAddress {
    /// Reads what stands behind `sftp:`.
    pub fn parse(rest: &[u8]) -> Result<Self, BadAddress> {
        let bad = |problem: &str| BadAddress(problem.to_owned());
        let form = || bad("expected sftp://USER@HOST:PORT/PATH, or sftp://USER@HOST/~/PATH from the home directory");
        let text = std::str::from_utf8(rest).ok().and_then(|text| text.strip_prefix("//")).ok_or_else(form)?;
        let (server, path) = text.split_once('/').ok_or_else(form)?;
        let (user, server) = server.rsplit_once('@').map_or((None, server), |(user, server)| (Some(user), server));
        if user.is_some_and(|user| user.contains(':')) {
            return Err(bad("credentials do not belong into an address: everybody who lists processes reads it"));
        }
        if text.contains(['?', '#']) {
            return Err(bad("an address of this kind has no settings; in a path write %3F for ? and %23 for #"));
        }
        let user = user.map(|user| decoded(user).filter(|user| !user.is_empty()).ok_or_else(form)).transpose()?;
        let (host, port) = split_port(server).ok_or_else(form)?;
        let (base, path) = match path.strip_prefix('~') {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => (Base::Home, rest.trim_start_matches('/')),
            _ => (Base::Root, path),
        };
        let path = decoded(path.strip_suffix('/').unwrap_or(path)).ok_or_else(form)?;
        if !path.is_empty() && path.split('/').any(|part| part.is_empty() || part == "." || part == "..") {
            return Err(bad("a path is made of names between single slashes, without `.` and `..`"));
        }
        Ok(Self { user, host: host.to_owned(), port, base, path })
    }

    /// The directory as the server is asked for it.
    pub fn directory(&self) -> String {
        match (self.base, self.path.as_str()) {
            (Base::Root, path) => format!("/{path}"),
            (Base::Home, "") => ".".to_owned(),
            (Base::Home, path) => path.to_owned(),
        }
    }

    /// A directory in it.
    pub fn beneath(&self, name: &str) -> Self {
        let parts = [self.path.as_str(), name].into_iter().filter(|part| !part.is_empty());
        Self { path: parts.collect::<Vec<_>>().join("/"), ..self.clone() }
    }

    /// Whether another address names the same directory, as far as addresses tell.
    pub fn is_same(&self, other: &Self) -> bool {
        self.is_of_one_tree(other) && self.path == other.path
    }

    /// Whether another address names this directory or one in it.
    pub fn holds(&self, other: &Self) -> bool {
        let inner = other.path.strip_prefix(self.path.as_str());
        let is_beneath = |rest: &str| self.path.is_empty() || rest.is_empty() || rest.starts_with('/');
        self.is_of_one_tree(other) && inner.is_some_and(is_beneath)
    }

    /// What it names, in one form only.
    pub fn place(&self) -> Self {
        let port = self.port.filter(|port| *port != USUAL_PORT);
        Self { host: self.host.to_ascii_lowercase(), port, ..self.clone() }
    }

    /// A server may show each user a tree of its own, so two that are named and differ do not meet.
    fn is_of_one_tree(&self, other: &Self) -> bool {
        let (own, other) = (self.place(), other.place());
        let is_other_user = own.user.is_some() && other.user.is_some() && own.user != other.user;
        own.host == other.host && own.port == other.port && own.base == other.base && !is_other_user
    }
}

impl fmt::Display for SftpAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sftp://")?;
        if let Some(user) = &self.user {
            write!(f, "{}@", encode_percent(user.as_bytes()))?;
        }
        if self.host.contains(':') { write!(f, "[{}]", self.host) } else { write!(f, "{}", self.host) }?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        let path = encode_percent(self.path.as_bytes());
        match (self.base, path.as_str()) {
            (Base::Home, "") => write!(f, "/~"),
            (Base::Home, path) => write!(f, "/~/{path}"),
            // What begins in the root and is called so.
            (Base::Root, path) => write!(f, "/{}", path.replacen('~', "%7E", usize::from(path.starts_with('~')))),
        }
    }
}

/// Text of which a server can be asked: no control characters, and a slash for what is between names alone.
fn decoded(text: &str) -> Option<String> {
    if text.to_ascii_lowercase().contains("%2f") {
        return None;
    }
    let text = String::from_utf8(decode_percent(text.as_bytes())?).ok()?;
    (!text.chars().any(char::is_control)).then_some(text)
}

/// The host and the port behind its last colon.
fn split_port(server: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = match server.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            host.parse::<Ipv6Addr>().ok()?;
            (host, if port.is_empty() { None } else { Some(port.strip_prefix(':')?) })
        }
        None => {
            let (host, port) = server.split_once(':').map_or((server, None), |(host, port)| (host, Some(port)));
            // What begins with a hyphen is taken for an option where it is handed on.
            let is_host = !host.is_empty() && !host.starts_with('-') && host.bytes().all(is_plain);
            (is_host.then_some(host)?, port)
        }
    };
    let number = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()).then(|| port.parse::<u16>().ok())?;
    let port = port.map(|port| number(port).filter(|port| *port != 0).ok_or(())).transpose().ok()?;
    Some((host, port))
}
