//! Addresses of stores: `sqlite:///FILE`, `s3://BUCKET/PREFIX`, `gs://…`, `az://…`, `sftp://HOST/PATH`, `webdavs://HOST/PATH`,
//! `postgresql://HOST/DATABASE`, `opendal://SERVICE/ROOT`.
//!
//! Owns what is common to them; each kind has its form in a module of its own. Never reaches a store, and never holds a
//! credential: an address is shown in messages, in recovery kits and to everybody who lists processes.

use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

mod cloud;
mod postgres;
mod service;
mod sftp;
#[cfg(test)]
mod tests;
mod webdav;

pub use cloud::{Cloud, CloudAddress, Setting};
pub use postgres::{Encryption, Host, PostgresAddress};
pub use service::{Service, ServiceAddress, ServiceSetting};
pub use sftp::{SftpAddress, USUAL_PORT};
#[cfg(feature = "opendal")]
pub(crate) use webdav::is_loopback;
pub use webdav::{Security, WebdavAddress};

/// Where a store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// One SQLite file.
    Sqlite(PathBuf),
    Cloud(CloudAddress),
    Sftp(SftpAddress),
    Webdav(WebdavAddress),
    Postgres(PostgresAddress),
    Service(ServiceAddress),
}

/// Why a text is no address, in words that follow the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadAddress(pub String);

impl Address {
    /// Reads an address; `None` for the scheme of something else.
    pub fn parse(scheme: &str, rest: &[u8]) -> Option<Result<Self, BadAddress>> {
        if scheme == "sqlite" {
            return Some(parse_sqlite(rest));
        }
        if scheme == "sftp" {
            return Some(SftpAddress::parse(rest).map(Self::Sftp));
        }
        if scheme == "postgresql" || scheme == "postgres" {
            return Some(PostgresAddress::parse(rest).map(Self::Postgres));
        }
        if scheme == "opendal" {
            return Some(ServiceAddress::parse(cfg!(feature = "opendal"), rest).map(Self::Service));
        }
        if let Some(address) = WebdavAddress::parse(scheme, rest) {
            return Some(address.map(Self::Webdav));
        }
        let cloud = Cloud::ALL.into_iter().find(|cloud| cloud.scheme() == scheme)?;
        Some(CloudAddress::parse(cloud, rest).map(Self::Cloud))
    }

    /// The same place, with packs going into a storage class.
    ///
    /// # Errors
    /// Where there is none of that name, or none at all.
    pub fn in_storage_class(self, class: &str) -> Result<Self, BadAddress> {
        match self {
            Self::Cloud(cloud) => cloud.in_storage_class(class).map(Self::Cloud),
            _ => Err(BadAddress(cloud::NO_CLASSES.to_owned())),
        }
    }

    /// The file of this machine that the store is, if it is one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Sqlite(path) => Some(path),
            Self::Cloud(_) | Self::Sftp(_) | Self::Webdav(_) | Self::Postgres(_) | Self::Service(_) => None,
        }
    }

    /// Whether another address names the same objects. What is a file is compared by whoever knows links.
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Cloud(own), Self::Cloud(other)) => own.is_same(other),
            (Self::Sftp(own), Self::Sftp(other)) => own.is_same(other),
            (Self::Webdav(own), Self::Webdav(other)) => own.is_same(other),
            (Self::Postgres(own), Self::Postgres(other)) => own.is_same(other),
            _ => self == other,
        }
    }

    /// Whether the objects of another address are among those of this one.
    pub fn holds(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Cloud(own), Self::Cloud(other)) => own.holds(other),
            (Self::Sftp(own), Self::Sftp(other)) => own.holds(other),
            (Self::Webdav(own), Self::Webdav(other)) => own.holds(other),
            (Self::Postgres(own), Self::Postgres(other)) => own.is_same(other),
            (Self::Service(own), Self::Service(other)) => own.holds(other),
            _ => self == other,
        }
    }

    /// The address of a store beneath a prefix, or in a file beside the file.
    pub fn beneath(&self, name: &str) -> Self {
        match self {
            Self::Sqlite(path) => {
                let mut file = path.clone().into_os_string();
                file.push(format!("-{name}"));
                Self::Sqlite(file.into())
            }
            Self::Cloud(cloud) => Self::Cloud(cloud.beneath(name)),
            Self::Sftp(sftp) => Self::Sftp(sftp.beneath(name)),
            Self::Webdav(webdav) => Self::Webdav(webdav.beneath(name)),
            Self::Postgres(schema) => Self::Postgres(schema.beneath(name)),
            Self::Service(service) => Self::Service(service.beneath(name)),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite://{}", encode_percent(path.as_os_str().as_bytes())),
            Self::Cloud(cloud) => cloud.fmt(f),
            Self::Sftp(sftp) => sftp.fmt(f),
            Self::Webdav(webdav) => webdav.fmt(f),
            Self::Postgres(schema) => schema.fmt(f),
            Self::Service(service) => service.fmt(f),
        }
    }
}

fn parse_sqlite(rest: &[u8]) -> Result<Address, BadAddress> {
    let path = rest.strip_prefix(b"//").filter(|path| path.starts_with(b"/") && !path.ends_with(b"/"));
    let path = path.and_then(decode_percent).filter(|path| !path.contains(&0));
    let path =
        path.ok_or_else(|| BadAddress("expected sqlite:///FILE with an absolute path of this machine".to_owned()))?;
    Ok(Address::Sqlite(PathBuf::from(OsString::from_vec(path))))
}

/// Nothing that another program would write in another way: the address is the same text wherever it is shown.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b".-_".contains(&byte)
}

/// A path in an address: what has a meaning there, and what cannot be shown, in hexadecimal digits.
pub(crate) fn encode_percent(path: &[u8]) -> String {
    let encode = |byte: &u8| match byte {
        b'/' | b'+' | b',' | b':' | b'=' | b'@' | b'~' => char::from(*byte).to_string(),
        byte if is_plain(*byte) => char::from(*byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    path.iter().map(encode).collect()
}

/// The bytes that a part of an address stands for (RFC 3986, 2.1); `None` where a `%` has no two digits behind it.
pub fn decode_percent(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        if *byte != b'%' {
            bytes.push(*byte);
            continue;
        }
        let mut digit = || char::from(*rest.next()?).to_digit(16);
        let value = digit()? << 4 | digit()?;
        bytes.push(u8::try_from(value).ok()?);
    }
    Some(bytes)
}
