//! Addresses of buckets: `s3://BUCKET/PREFIX`, `gs://…`, `az://…`, and the settings that may stand behind a `?`.

use std::collections::BTreeMap;
use std::fmt;

use super::{BadAddress, decode_percent, is_plain};

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
    /// The storage class of packs (S3). Everything else is small, and needed to know what there is.
    StorageClass,
}

/// Why a place cannot put packs into a storage class.
pub const NO_CLASSES: &str = "only buckets of S3 have storage classes that can be named";

impl Setting {
    const ALL: [Self; 6] =
        [Self::Endpoint, Self::Region, Self::Style, Self::Conditions, Self::Account, Self::StorageClass];

    fn name(self) -> &'static str {
        match self {
            Self::Endpoint => "endpoint",
            Self::Region => "region",
            Self::Style => "style",
            Self::Conditions => "conditions",
            Self::Account => "account",
            Self::StorageClass => "storage-class",
        }
    }

    /// What may be said, where it is not just any text.
    fn choices(self) -> &'static [&'static str] {
        match self {
            Self::Style => &["path", "virtual"],
            Self::Conditions => &["on", "off"],
            Self::Endpoint | Self::Region | Self::Account | Self::StorageClass => &[],
        }
    }

    fn is_of(self, cloud: Cloud) -> bool {
        match self {
            Self::Endpoint | Self::Conditions => true,
            Self::Region | Self::Style | Self::StorageClass => cloud == Cloud::S3,
            Self::Account => cloud == Cloud::Azure,
        }
    }
}

impl Cloud {
    pub const ALL: [Self; 3] = [Self::S3, Self::Google, Self::Azure];

    pub fn scheme(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Google => "gs",
            Self::Azure => "az",
        }
    }
}

impl CloudAddress {
    /// Reads what stands behind `s3:`.
    pub fn parse(cloud: Cloud, rest: &[u8]) -> Result<Self, BadAddress> {
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
        Ok(Self { cloud, bucket: bucket.to_owned(), prefix: prefix.to_owned(), settings })
    }

    /// The same bucket, further in.
    pub fn beneath(&self, name: &str) -> Self {
        let prefix = [self.prefix.as_str(), name].into_iter().filter(|part| !part.is_empty());
        Self { prefix: prefix.collect::<Vec<_>>().join("/"), ..self.clone() }
    }

    /// The same place, with packs going into a storage class.
    ///
    /// # Errors
    /// Where there is none of that name, or none at all.
    pub fn in_storage_class(mut self, class: &str) -> Result<Self, BadAddress> {
        if !Setting::StorageClass.is_of(self.cloud) {
            return Err(BadAddress(NO_CLASSES.to_owned()));
        }
        if class.is_empty() || !class.bytes().all(is_plain) {
            return Err(BadAddress("names of storage classes are made of letters, digits and `_`".to_owned()));
        }
        self.settings.insert(Setting::StorageClass, class.to_owned());
        Ok(self)
    }

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
