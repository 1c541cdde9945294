//! Addresses of collections on WebDAV servers: `webdav://HOST[:PORT]/PATH` and, by TLS, `webdavs://…`.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::{BadAddress, decode_percent, encode_percent};

/// A collection on a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebdavAddress {
    pub security: Security,
    /// In small letters; an IPv6 address with its brackets.
    pub host: String,
    /// None for the usual one.
    pub port: Option<u16>,
    /// What the collections are called that lead to it, the outermost first, as they are and not as an address writes them.
    pub path: Vec<String>,
}

/// Whether a connection is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    Tls,
    /// What is stored is encrypted, but whoever is in between may take it away, or answer in the server's place.
    Plain,
}

impl Security {
    fn scheme(self) -> &'static str {
        match self {
            Self::Tls => "webdavs",
            Self::Plain => "webdav",
        }
    }

    fn usual_port(self) -> u16 {
        match self {
            Self::Tls => 443,
            Self::Plain => 80,
        }
    }
}

impl WebdavAddress {
    /// Reads what stands behind the colon; `None` for the scheme of something else.
    pub fn parse(scheme: &str, rest: &[u8]) -> Option<Result<Self, BadAddress>> {
        let security = [Security::Tls, Security::Plain].into_iter().find(|security| security.scheme() == scheme)?;
        Some(parse(security, rest))
    }

    /// Where the server is, for requests.
    pub fn server(&self) -> String {
        let scheme = if self.security == Security::Tls { "https" } else { "http" };
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        format!("{scheme}://{}{port}", self.host)
    }

    /// Whether the server is this machine, so that nobody is in between.
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.host)
    }

    /// Whether another address names the same objects. By TLS or without is how they are reached, but for the port.
    pub fn is_same(&self, other: &Self) -> bool {
        self.is_on_server_of(other) && self.path == other.path
    }

    /// Whether the objects of another address are among those of this one.
    pub fn holds(&self, other: &Self) -> bool {
        self.is_on_server_of(other) && other.path.starts_with(&self.path)
    }

    fn is_on_server_of(&self, other: &Self) -> bool {
        (&self.host, self.security, self.port) == (&other.host, other.security, other.port)
    }

    /// The same server, further in.
    pub fn beneath(&self, name: &str) -> Self {
        let path = self.path.iter().cloned().chain([name.to_owned()]).collect();
        Self { path, ..self.clone() }
    }
}

impl fmt::Display for WebdavAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        write!(f, "{}://{}{port}/", self.security.scheme(), self.host)?;
        f.write_str(&encode_percent(self.path.join("/").as_bytes()))
    }
}

/// Whether a host is this machine.
pub(crate) fn is_loopback(host: &str) -> bool {
    let number = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || number.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
        || number.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback())
}

fn parse(security: Security, rest: &[u8]) -> Result<WebdavAddress, BadAddress> {
    let form = || BadAddress(format!("expected {}://HOST/PATH", security.scheme()));
    let text = std::str::from_utf8(rest).ok().and_then(|text| text.strip_prefix("//")).ok_or_else(form)?;
    let (server, path) = text.split_once('/').unwrap_or((text, ""));
    if server.contains('@') {
        let message = "credentials do not belong into an address: everybody who lists processes reads it; \
            WEBDAV_USERNAME and WEBDAV_PASSWORD hold them, or ~/.netrc";
        return Err(BadAddress(message.to_owned()));
    }
    if text.contains(['?', '#']) {
        return Err(BadAddress("an address of this kind has no settings; write %3F or %23 for `?` or `#`".to_owned()));
    }
    let (host, port) = split_port(server).ok_or_else(form)?;
    let path = path.strip_suffix('/').unwrap_or(path);
    let path = match path {
        "" => Vec::new(),
        path => path.split('/').map(part).collect::<Option<_>>().ok_or_else(|| {
            BadAddress(
                "a path is what stands in parts between slashes, with %XX for what has a meaning there".to_owned(),
            )
        })?,
    };
    let port = port.filter(|port| *port != security.usual_port());
    Ok(WebdavAddress { security, host, port, path })
}

/// The host and the port of a server; `None` where it is no server.
fn split_port(server: &str) -> Option<(String, Option<u16>)> {
    let end = if server.starts_with('[') { server.find(']')? + 1 } else { server.find(':').unwrap_or(server.len()) };
    let (host, port) = server.split_at_checked(end)?;
    let is_number = host.starts_with('[') && host.trim_matches(['[', ']']).parse::<Ipv6Addr>().is_ok();
    let is_name = !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
    let port = match port.strip_prefix(':') {
        Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => Some(port.parse::<u16>().ok()?),
        None if port.is_empty() => None,
        _ => return None,
    };
    (is_number || is_name).then(|| (host.to_ascii_lowercase(), port))
}

/// The name of a collection, as it is.
fn part(text: &str) -> Option<String> {
    let part = String::from_utf8(decode_percent(text.as_bytes())?).ok()?;
    let is_name = !part.is_empty() && part != "." && part != ".." && !part.contains('/');
    (is_name && !part.chars().any(char::is_control)).then_some(part)
}
