//! How a store in another place is reached: options of every command.
//!
//! Owns the limits that a user sets and what they become. Reaches nothing.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::time::Duration;

use clap::Args;
use mainstay_stores::{Limits, Patience};

use crate::output::units;

#[cfg(test)]
mod tests;

const HEADING: &str = "Repositories in other places";

/// Options for repositories that are not on this machine.
#[derive(Args, Clone, Debug)]
pub struct Reach {
    #[command(flatten)]
    pub way: Way,
    /// Keep so much of the repository on this machine as well, or nothing (0)
    #[arg(long, global = true, value_name = "SIZE", env = "MAINSTAY_CACHE_LIMIT", hide_env_values = true)]
    #[arg(default_value = "1GiB", value_parser = units::parse_size, help_heading = HEADING)]
    pub cache_limit: u64,
}

/// Where in a bucket a command puts packs.
#[derive(Args, Clone, Debug, Default)]
pub struct StorageClass {
    /// Put packs into this storage class of the bucket (S3), such as STANDARD_IA or GLACIER_IR
    #[arg(long, value_name = "CLASS", value_parser = super::not_empty())]
    storage_class: Option<String>,
}

impl StorageClass {
    pub fn name(&self) -> Option<&str> {
        self.storage_class.as_deref()
    }
}

/// How one place is reached, as options say it or the place's address.
#[derive(Args, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Way {
    /// Send at most so many bytes a second
    #[arg(long, global = true, value_name = "SIZE", env = "MAINSTAY_LIMIT_UPLOAD", hide_env_values = true)]
    #[arg(value_parser = rate, help_heading = HEADING)]
    limit_upload: Option<u64>,
    /// Receive at most so many bytes a second
    #[arg(long, global = true, value_name = "SIZE", env = "MAINSTAY_LIMIT_DOWNLOAD", hide_env_values = true)]
    #[arg(value_parser = rate, help_heading = HEADING)]
    limit_download: Option<u64>,
    /// Have at most so many requests under way at once
    #[arg(long, global = true, value_name = "N", env = "MAINSTAY_CONNECTIONS", hide_env_values = true)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..), help_heading = HEADING)]
    connections: Option<u16>,
    /// Give a request up after so many seconds [default: 600]
    #[arg(long, global = true, value_name = "SECONDS", env = "MAINSTAY_TIMEOUT", hide_env_values = true)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..), help_heading = HEADING)]
    timeout: Option<u32>,
    /// Ask again so many times after what may pass, within a minute [default: 100]
    #[arg(long, global = true, value_name = "N", env = "MAINSTAY_RETRIES", hide_env_values = true)]
    #[arg(help_heading = HEADING)]
    retries: Option<u16>,
}

impl Way {
    /// Takes out of an address what it says of the way to it: `s3://bucket/prefix?limit-upload=5MiB&region=…`.
    ///
    /// # Errors
    /// Which setting is wrong, in words that follow the address.
    pub fn split(text: &OsStr) -> Result<(OsString, Self), String> {
        let mut way = Self::default();
        let bytes = text.as_bytes();
        let is_address = bytes.windows(3).any(|part| part == b"://");
        let Some(at) = bytes.iter().position(|byte| *byte == b'?').filter(|_| is_address) else {
            return Ok((text.to_owned(), way));
        };
        let is_here = [&b"file:"[..], b"sqlite:"].iter().any(|scheme| bytes.starts_with(scheme));
        let (address, query) = bytes.split_at(at);
        let mut rest = Vec::new();
        for setting in query.get(1..).unwrap_or_default().split(|byte| *byte == b'&') {
            let said = str::from_utf8(setting).ok().and_then(|setting| setting.split_once('='));
            if !said.map_or(Ok(false), |(key, value)| way.set(key, value))? {
                rest.push(setting);
            }
        }
        if is_here {
            // A name may have such a letter in it, and a setting would be taken for a name.
            return if way == Self::default() {
                Ok((text.to_owned(), way))
            } else {
                Err("a store on this machine is reached without limits: leave out what stands behind the ?".to_owned())
            };
        }
        let mut address = address.to_owned();
        if !rest.is_empty() {
            address.push(b'?');
            address.extend(rest.join(&b'&'));
        }
        Ok((OsString::from_vec(address), way))
    }

    /// Answers whether it is a setting of the way.
    fn set(&mut self, key: &str, value: &str) -> Result<bool, String> {
        let told = |problem: String| format!("{key}: {problem}");
        let number = |most: u32| match value.parse::<u32>() {
            Ok(number) if number <= most => Ok(number),
            _ => Err(told(format!("expected a number up to {most}"))),
        };
        let several =
            |most| number(most).and_then(|number| (number > 0).then_some(number).ok_or(told("0 is none".to_owned())));
        match key {
            "limit-upload" => self.limit_upload = Some(rate(value).map_err(told)?),
            "limit-download" => self.limit_download = Some(rate(value).map_err(told)?),
            "connections" => self.connections = Some(several(u16::MAX.into())? as u16),
            "timeout" => self.timeout = Some(several(u32::MAX)?),
            "retries" => self.retries = Some(number(u16::MAX.into())? as u16),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// This way, and where it says nothing the other one.
    pub fn or(self, other: Self) -> Self {
        Self {
            limit_upload: self.limit_upload.or(other.limit_upload),
            limit_download: self.limit_download.or(other.limit_download),
            connections: self.connections.or(other.connections),
            timeout: self.timeout.or(other.timeout),
            retries: self.retries.or(other.retries),
        }
    }

    /// How long a server is waited for.
    pub fn patience(&self) -> Patience {
        let default = Patience::default();
        let request = self.timeout.map_or(default.request, |seconds| Duration::from_secs(seconds.into()));
        let connect = default.connect.min(request);
        Patience { request, connect, retries: self.retries.map_or(default.retries, usize::from), ..default }
    }

    /// The limits, if there are any.
    pub fn limits(&self) -> Option<Limits> {
        let is_limited = self.limit_upload.or(self.limit_download).is_some() || self.connections.is_some();
        is_limited.then(|| Limits::new(self.limit_upload, self.limit_download, self.connections.map(usize::from)))
    }
}

/// A rate of nothing would wait for ever.
fn rate(text: &str) -> Result<u64, String> {
    match units::parse_size(text)? {
        0 => Err("nothing would ever be moved".to_owned()),
        rate => Ok(rate),
    }
}
