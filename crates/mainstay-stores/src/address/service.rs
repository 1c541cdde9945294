//! Addresses of services that are reached through OpenDAL: `opendal://SERVICE/ROOT`, and the settings behind a `?`.
//!
//! Owns which services there are, what an address says of each, and why others are not among them. Names the variables that
//! hold credentials and reads none. Known to every build, so that one without the feature can say what it lacks.

use std::collections::BTreeMap;
use std::fmt;

use super::{BadAddress, decode_percent, encode_percent, is_plain};

/// A place in a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceAddress {
    pub service: Service,
    /// What the names of all objects begin with: parts between slashes, none at either end. May be empty.
    pub root: String,
    pub settings: BTreeMap<ServiceSetting, String>,
}

/// What keeps the contract of a store, as far as it could be read in its code or tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    Dropbox,
    OneDrive,
    /// OpenStack's object store, and Ceph's gateway in its place.
    Swift,
}

/// What an address may say behind its `?`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ServiceSetting {
    Container,
    Endpoint,
}

/// What an address cannot name here, and what to name instead.
const NOT_HERE: [(&str, &str); 11] = [
    ("azblob", "it has a store of its own: az://CONTAINER/PREFIX"),
    ("b2", "it speaks the protocol of S3: s3://BUCKET/PREFIX?endpoint=https://s3.REGION.backblazeb2.com"),
    ("fs", "it has a store of its own: a path"),
    ("ftp", "its client brings a second provider of ciphers; an ordinary server has SFTP as well: sftp://HOST/PATH"),
    ("gcs", "it has a store of its own: gs://BUCKET/PREFIX"),
    ("gdrive", "its client answers what is there from its own memory, which nobody can rely on"),
    ("postgresql", "it has a store of its own: postgresql://HOST/DATABASE"),
    ("s3", "it has a store of its own: s3://BUCKET/PREFIX"),
    ("sftp", "it has a store of its own: sftp://HOST/PATH"),
    ("webdav", "it has a store of its own: webdavs://HOST/PATH"),
    ("webhdfs", "its client writes in place, so that an upload that breaks off leaves a part of an object"),
];

const NOT_BUILT: &str = "this build lacks the feature `opendal`, by which such services are reached; \
    `cargo build --release --locked --features opendal` builds with it";

impl ServiceSetting {
    fn name(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Endpoint => "endpoint",
        }
    }
}

impl Service {
    const ALL: [Self; 3] = [Self::Dropbox, Self::OneDrive, Self::Swift];

    pub fn name(self) -> &'static str {
        match self {
            Self::Dropbox => "dropbox",
            Self::OneDrive => "onedrive",
            Self::Swift => "swift",
        }
    }

    fn settings(self) -> &'static [ServiceSetting] {
        match self {
            Self::Dropbox | Self::OneDrive => &[],
            Self::Swift => &[ServiceSetting::Container, ServiceSetting::Endpoint],
        }
    }

    /// What is known of it that nobody can try from here.
    pub fn caveat(self) -> &'static str {
        match self {
            Self::Swift => {
                "OpenStack's own server, on several machines, may list late what was put while one of them was away, and \
                `prune` deletes by what is listed: keep a copy elsewhere (Ceph's gateway lists at once)"
            }
            Self::Dropbox | Self::OneDrive => "it was not tried on the real service: keep a copy elsewhere",
        }
    }

    /// Where OpenDAL's other users have the value of a key.
    pub fn variable(self, key: &str) -> String {
        format!("OPENDAL_{}_{}", self.name(), key).to_ascii_uppercase()
    }
}

impl ServiceAddress {
    /// Reads what stands behind `opendal:`, in a build that has the feature or lacks it.
    pub fn parse(is_built: bool, rest: &[u8]) -> Result<Self, BadAddress> {
        if !is_built {
            return Err(BadAddress(NOT_BUILT.to_owned()));
        }
        let names = Service::ALL.map(Service::name).join(", ");
        let form = || BadAddress(format!("expected opendal://SERVICE/ROOT, with one of the services {names}"));
        let text = std::str::from_utf8(rest).ok().and_then(|text| text.strip_prefix("//")).ok_or_else(form)?;
        let (place, settings) = text.split_once('?').unwrap_or((text, ""));
        let (name, root) = place.split_once('/').unwrap_or((place, ""));
        if let Some((name, why)) = NOT_HERE.iter().find(|(other, _)| *other == name) {
            return Err(BadAddress(format!("`{name}` is not reached this way: {why}")));
        }
        let service = Service::ALL.into_iter().find(|service| service.name() == name).ok_or_else(form)?;
        let root = root.strip_suffix('/').unwrap_or(root);
        let is_part = |part: &str| !part.is_empty() && part != "." && part != ".." && part.bytes().all(is_plain);
        if !root.is_empty() && !root.split('/').all(is_part) {
            let message = "a root is made of letters, digits, `.`, `-` and `_`, in parts between slashes";
            return Err(BadAddress(message.to_owned()));
        }
        Ok(Self { service, root: root.to_owned(), settings: parse_settings(service, settings)? })
    }

    pub fn setting(&self, setting: ServiceSetting) -> Option<&str> {
        self.settings.get(&setting).map(String::as_str)
    }

    /// The same service, further in.
    pub fn beneath(&self, name: &str) -> Self {
        let root = [self.root.as_str(), name].into_iter().filter(|part| !part.is_empty());
        Self { root: root.collect::<Vec<_>>().join("/"), ..self.clone() }
    }

    /// Whether the objects of another address are among those of this one.
    pub fn holds(&self, other: &Self) -> bool {
        let inner = other.root.strip_prefix(self.root.as_str());
        let is_beneath = |rest: &str| self.root.is_empty() || rest.is_empty() || rest.starts_with('/');
        (self.service, &self.settings) == (other.service, &other.settings) && inner.is_some_and(is_beneath)
    }
}

impl fmt::Display for ServiceAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "opendal://{}", self.service.name())?;
        if !self.root.is_empty() {
            write!(f, "/{}", self.root)?;
        }
        for (number, (setting, value)) in self.settings.iter().enumerate() {
            let value = encode_percent(value.as_bytes());
            write!(f, "{}{}={value}", if number == 0 { '?' } else { '&' }, setting.name())?;
        }
        Ok(())
    }
}

/// Whether the value of a key is nobody's business. Of what OpenDAL calls its settings these are the words for credentials.
fn is_secret(key: &str) -> bool {
    let words = ["token", "secret", "password", "key", "credential", "client_id", "user", "delegation"];
    words.iter().any(|word| key.contains(word))
}

fn parse_settings(service: Service, text: &str) -> Result<BTreeMap<ServiceSetting, String>, BadAddress> {
    let mut settings = BTreeMap::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let Some(setting) = service.settings().iter().find(|setting| setting.name() == name) else {
            return Err(BadAddress(no_setting(service, &name.to_ascii_lowercase())));
        };
        let value = decode_percent(value.as_bytes()).and_then(|value| String::from_utf8(value).ok());
        let value = value.map(|value| value.trim_end_matches('/').to_owned());
        let Some(value) = value.filter(|value| !value.is_empty() && !value.chars().any(char::is_control)) else {
            return Err(BadAddress(format!("expected a value for the setting `{name}`")));
        };
        let fits = match setting {
            ServiceSetting::Container => value.bytes().all(is_plain),
            ServiceSetting::Endpoint => !value.contains(['@', '?', '#']),
        };
        if !fits {
            let message = format!("the value of `{name}` has a letter that has no place there; credentials have none");
            return Err(BadAddress(message));
        }
        if settings.insert(*setting, value).is_some() {
            return Err(BadAddress(format!("the setting `{name}` stands there twice")));
        }
    }
    Ok(settings)
}

fn no_setting(service: Service, name: &str) -> String {
    if is_secret(name) {
        return format!(
            "credentials do not belong into an address: everybody who lists processes reads it; variables such as \
            {} hold them",
            service.variable("token")
        );
    }
    match service.settings() {
        [] => format!("the service `{}` has no settings in an address", service.name()),
        known => {
            let names: Vec<&str> = known.iter().map(|setting| setting.name()).collect();
            format!("there is no such setting of `{}`; there are {}", service.name(), names.join(", "))
        }
    }
}
