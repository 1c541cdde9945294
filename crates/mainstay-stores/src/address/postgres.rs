//! Addresses of schemas in PostgreSQL: `postgresql://[USER@]HOST[:PORT]/DATABASE?schema=NAME`, a part of what libpq reads.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::{BadAddress, decode_percent, encode_percent};

const USUAL_PORT: u16 = 5432;
const USUAL_SCHEMA: &str = "mainstay";
/// Of longer names PostgreSQL cuts off the rest.
const LONGEST_SCHEMA: usize = 63;

/// A schema of a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresAddress {
    /// None for whoever the surroundings name.
    pub user: Option<String>,
    pub host: Host,
    pub port: u16,
    pub database: String,
    /// In small letters, digits and `_`, so that it needs no quotes.
    pub schema: String,
    pub encryption: Option<Encryption>,
}

/// Where the server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// A name or a number, an IPv6 address without brackets.
    Network(String),
    /// The directory of its socket on this machine.
    Socket(String),
}

/// What libpq calls `sslmode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    Disable,
    /// Where the server can; whose it is stays unknown.
    Prefer,
    /// Always; whose the server is stays unknown.
    Require,
    /// Always, and the server must prove its name.
    VerifyFull,
}

impl Encryption {
    const ALL: [Self; 4] = [Self::Disable, Self::Prefer, Self::Require, Self::VerifyFull];

    fn name(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::VerifyFull => "verify-full",
        }
    }
}

impl PostgresAddress {
    /// Reads what stands behind the colon.
    pub fn parse(rest: &[u8]) -> Result<Self, BadAddress> {
        let form = || BadAddress("expected postgresql://[USER@]HOST[:PORT]/DATABASE?schema=NAME".to_owned());
        let text = std::str::from_utf8(rest).ok().and_then(|text| text.strip_prefix("//")).ok_or_else(form)?;
        let (place, settings) = text.split_once('?').unwrap_or((text, ""));
        let (server, database) = place.split_once('/').ok_or_else(form)?;
        let (user, server) = server.rsplit_once('@').map_or((None, server), |(user, server)| (Some(user), server));
        if user.is_some_and(|user| user.contains(':')) {
            return Err(no_password());
        }
        let user = user.map(|user| decoded(user).ok_or_else(form)).transpose()?;
        let database = decoded(database).ok_or_else(form)?;
        let (host, port) = split_port(server).ok_or_else(form)?;
        let schema = USUAL_SCHEMA.to_owned();
        let host = Host::Network(host);
        let mut address = Self { user, host, port: port.unwrap_or(USUAL_PORT), database, schema, encryption: None };
        for pair in settings.split('&').filter(|pair| !pair.is_empty()) {
            address.set(pair)?;
        }
        if address.host == Host::Network(String::new()) {
            return Err(form());
        }
        Ok(address)
    }

    fn set(&mut self, pair: &str) -> Result<(), BadAddress> {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let expected = |what: &str| BadAddress(format!("expected {what} for the setting `{name}`"));
        let value = decoded(value).ok_or_else(|| expected("a value"))?;
        match name {
            "schema" => {
                let is_name = value.len() <= LONGEST_SCHEMA
                    && value.starts_with(|first: char| first.is_ascii_lowercase())
                    && !value.starts_with("pg_")
                    && value.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
                self.schema = Some(value).filter(|_| is_name).ok_or_else(|| {
                    expected("a name of up to 63 small letters, digits and `_`, a letter first and not `pg_`,")
                })?;
            }
            "host" if value.starts_with('/') && self.host == Host::Network(String::new()) => {
                self.host = Host::Socket(value);
            }
            "host" => return Err(expected("the directory of a socket, and no other host,")),
            "sslmode" => {
                let known = Encryption::ALL.into_iter().find(|mode| mode.name() == value);
                let names = Encryption::ALL.map(Encryption::name).join(", ");
                self.encryption = Some(known.ok_or_else(|| expected(&format!("one of {names}")))?);
            }
            "password" => return Err(no_password()),
            _ => return Err(BadAddress(format!("there is no setting `{name}`; there are schema, host, sslmode"))),
        }
        Ok(())
    }

    /// How the connection is protected. On this machine nobody is in between.
    pub fn encryption(&self) -> Encryption {
        let is_local = match &self.host {
            Host::Socket(_) => true,
            Host::Network(name) => {
                name == "localhost"
                    || name.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
                    || name.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback())
            }
        };
        self.encryption.unwrap_or(if is_local { Encryption::Prefer } else { Encryption::VerifyFull })
    }

    /// What it names, without who asks and how.
    pub fn place(&self) -> Self {
        Self { user: None, encryption: None, ..self.clone() }
    }

    /// Whether another address names the same objects.
    pub fn is_same(&self, other: &Self) -> bool {
        self.place() == other.place()
    }

    /// A schema beside this one.
    pub fn beneath(&self, name: &str) -> Self {
        let name = name.replace('-', "_");
        let long = format!("{}_{name}", self.schema);
        Self { schema: if long.len() <= LONGEST_SCHEMA { long } else { name }, ..self.clone() }
    }
}

impl fmt::Display for PostgresAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What has a meaning in front of the settings is written in another way.
        let plain = |text: &str| {
            if text.contains(['/', ':', '@']) { percent(text) } else { encode_percent(text.as_bytes()) }
        };
        f.write_str("postgresql://")?;
        if let Some(user) = &self.user {
            write!(f, "{}@", plain(user))?;
        }
        match &self.host {
            Host::Network(name) if name.contains(':') => write!(f, "[{name}]")?,
            Host::Network(name) => f.write_str(name)?,
            Host::Socket(_) => {}
        }
        if self.port != USUAL_PORT {
            write!(f, ":{}", self.port)?;
        }
        write!(f, "/{}?schema={}", plain(&self.database), self.schema)?;
        if let Host::Socket(directory) = &self.host {
            write!(f, "&host={}", encode_percent(directory.as_bytes()))?;
        }
        self.encryption.map_or(Ok(()), |mode| write!(f, "&sslmode={}", mode.name()))
    }
}

fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn no_password() -> BadAddress {
    let message = "credentials do not belong into an address: everybody who lists processes reads it; \
        PGPASSWORD holds a password, or ~/.pgpass";
    BadAddress(message.to_owned())
}

fn decoded(text: &str) -> Option<String> {
    let text = String::from_utf8(decode_percent(text.as_bytes())?).ok()?;
    (!text.is_empty() && !text.chars().any(char::is_control)).then_some(text)
}

/// The host, which may be none, and the port of a server; `None` where it is no server.
fn split_port(server: &str) -> Option<(String, Option<u16>)> {
    let (host, port) = match server.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((number, port)) => (number.parse::<Ipv6Addr>().ok()?.to_string(), port),
        None => {
            let (host, port) = server.split_at_checked(server.find(':').unwrap_or(server.len()))?;
            let is_name = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
            (is_name.then(|| host.to_ascii_lowercase())?, port)
        }
    };
    match port.strip_prefix(':') {
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => Some((host, Some(digits.parse().ok()?))),
        None if port.is_empty() => Some((host, None)),
        _ => None,
    }
}
