//! Addresses of stores: `sqlite:///FILE`, `s3://BUCKET/PREFIX`, `gs://…`, `az://…`.
//!
//! Owns their forms and the settings that may stand behind a `?`. Never reaches a store, and never holds a credential: an
//! address is shown in messages, in recovery kits and to everybody who lists processes.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;

#[cfg(test)]
mod tests;

/// Where a store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// One SQLite file.
    Sqlite(PathBuf),
    Cloud(CloudAddress),
}

/// A part of a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloudAddress {
    pub cloud: Cloud,
    /// The bucket, or the container.
    pub bucket: String,
    /// What the names of all objects begin with: parts between slashes, none at either end. May be empty.
    pub prefix: String,
    pub settings: BTreeMap<Setting, String>,
}

/// Who keeps a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cloud {
    S3,
    Google,
    Azure,
}

/// What an address may say behind its `?`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Setting {
    /// The server, where it is not the provider's own.
    Endpoint,
    Region,
    /// `path` or `virtual`: whether the bucket stands in the path or in the name of the server.
    Style,
    /// `off` where the server does not keep the condition that an object must be new.
    Conditions,
    /// The storage account (Azure).
    Account,
}

impl Setting {
    const ALL: [Self; 5] = [Self::Endpoint, Self::Region, Self::Style, Self::Conditions, Self::Account];

    fn name(self) -> &'static str {
        match self {
            Self::Endpoint => "endpoint",
            Self::Region => "region",
            Self::Style => "style",
            Self::Conditions => "conditions",
            Self::Account => "account",
        }
    }

    /// What may be said, where it is not just any text.
    fn choices(self) -> &'static [&'static str] {
        match self {
            Self::Style => &["path", "virtual"],
            Self::Conditions => &["on", "off"],
            Self::Endpoint | Self::Region | Self::Account => &[],
        }
    }

    fn is_of(self, cloud: Cloud) -> bool {
        match self {
            Self::Endpoint | Self::Conditions => true,
            Self::Region | Self::Style => cloud == Cloud::S3,
            Self::Account => cloud == Cloud::Azure,
        }
    }
}

impl Cloud {
    const ALL: [Self; 3] = [Self::S3, Self::Google, Self::Azure];

    pub fn scheme(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Google => "gs",
            Self::Azure => "az",
        }
    }
}

impl CloudAddress {
    /// Whether another address names the same objects.
    pub fn is_same(&self, other: &Self) -> bool {
        self.place() == other.place()
    }

    /// Whether the objects of another address are among those of this one.
    pub fn holds(&self, other: &Self) -> bool {
        let inner = other.prefix.strip_prefix(self.prefix.as_str());
        let is_beneath = |rest: &str| self.prefix.is_empty() || rest.is_empty() || rest.starts_with('/');
        let bucket = |address: &Self| Self { prefix: String::new(), ..address.clone() }.place();
        bucket(self) == bucket(other) && inner.is_some_and(is_beneath)
    }

    /// What it names, without what only says how it is reached: what is remembered of a place does not hang on that.
    pub fn place(&self) -> Self {
        let names_it = |setting: &Setting| matches!(setting, Setting::Endpoint | Setting::Account);
        let mut settings = self.settings.clone();
        settings.retain(|setting, _| names_it(setting));
        Self { settings, ..self.clone() }
    }
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
        let cloud = Cloud::ALL.into_iter().find(|cloud| cloud.scheme() == scheme)?;
        Some(parse_cloud(cloud, rest).map(Self::Cloud))
    }

    /// The address of a store beneath a prefix, or in a file beside the file.
    pub fn beneath(&self, name: &str) -> Self {
        match self {
            Self::Sqlite(path) => {
                let mut file = path.clone().into_os_string();
                file.push(format!("-{name}"));
                Self::Sqlite(file.into())
            }
            Self::Cloud(cloud) => {
                let prefix = [cloud.prefix.as_str(), name].into_iter().filter(|part| !part.is_empty());
                Self::Cloud(CloudAddress { prefix: prefix.collect::<Vec<_>>().join("/"), ..cloud.clone() })
            }
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite://{}", encode_percent(path.as_os_str().as_bytes())),
            Self::Cloud(cloud) => cloud.fmt(f),
        }
    }
}

impl fmt::Display for CloudAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.cloud.scheme(), self.bucket)?;
        if !self.prefix.is_empty() {
            write!(f, "/{}", self.prefix)?;
        }
        for (number, (setting, value)) in self.settings.iter().enumerate() {
            write!(f, "{}{}={value}", if number == 0 { '?' } else { '&' }, setting.name())?;
        }
        Ok(())
    }
}

fn parse_sqlite(rest: &[u8]) -> Result<Address, BadAddress> {
    let path = rest.strip_prefix(b"//").filter(|path| path.starts_with(b"/") && !path.ends_with(b"/"));
    let path = path.and_then(decode_percent).filter(|path| !path.contains(&0));
    let path =
        path.ok_or_else(|| BadAddress("expected sqlite:///FILE with an absolute path of this machine".to_owned()))?;
    Ok(Address::Sqlite(PathBuf::from(OsString::from_vec(path))))
}

fn parse_cloud(cloud: Cloud, rest: &[u8]) -> Result<CloudAddress, BadAddress> {
    let form = || BadAddress(format!("expected {}://BUCKET/PREFIX", cloud.scheme()));
    let text = std::str::from_utf8(rest).ok().and_then(|text| text.strip_prefix("//")).ok_or_else(form)?;
    let (place, settings) = text.split_once('?').unwrap_or((text, ""));
    let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
    if bucket.contains('@') {
        let message = "credentials do not belong into an address: everybody who lists processes reads it";
        return Err(BadAddress(message.to_owned()));
    }
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
    if bucket.is_empty() || !bucket.bytes().all(is_plain) {
        return Err(form());
    }
    let is_part = |part: &str| !part.is_empty() && part != "." && part != ".." && part.bytes().all(is_plain);
    if !prefix.is_empty() && !prefix.split('/').all(is_part) {
        return Err(BadAddress(
            "a prefix is made of letters, digits, `.`, `-` and `_`, in parts between slashes".to_owned(),
        ));
    }
    let settings = parse_settings(cloud, settings)?;
    Ok(CloudAddress { cloud, bucket: bucket.to_owned(), prefix: prefix.to_owned(), settings })
}

/// Nothing that another program would write in another way: the address is the same text wherever it is shown.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b".-_".contains(&byte)
}

fn parse_settings(cloud: Cloud, text: &str) -> Result<BTreeMap<Setting, String>, BadAddress> {
    let mut settings = BTreeMap::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let known = || Setting::ALL.into_iter().filter(|setting| setting.is_of(cloud));
        let Some(setting) = known().find(|setting| setting.name() == name) else {
            let names: Vec<&str> = known().map(Setting::name).collect();
            return Err(BadAddress(format!("there is no setting `{name}`; there are {}", names.join(", "))));
        };
        let value = decode_percent(value.as_bytes()).and_then(|value| String::from_utf8(value).ok());
        let choices = setting.choices();
        let fits = |value: &String| !value.is_empty() && (choices.is_empty() || choices.contains(&value.as_str()));
        let Some(value) = value.filter(fits) else {
            let choices = if choices.is_empty() { "a value".to_owned() } else { choices.join(" or ") };
            return Err(BadAddress(format!("expected {choices} for the setting `{name}`")));
        };
        if settings.insert(setting, value).is_some() {
            return Err(BadAddress(format!("the setting `{name}` stands there twice")));
        }
    }
    Ok(settings)
}

/// A path in an address: what has a meaning there, and what cannot be shown, in hexadecimal digits.
fn encode_percent(path: &[u8]) -> String {
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
