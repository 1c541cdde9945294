//! Where things are when the user does not say.
//!
//! Owns the XDG base directories. Never creates anything.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::failure::{Failure, catalogue};

/// The directory for data of the user: `$XDG_DATA_HOME/mainstay`.
pub fn data_directory() -> Result<PathBuf, Failure> {
    base_directory("XDG_DATA_HOME", ".local/share")
}

/// The directory for keys: `$XDG_CONFIG_HOME/mainstay`.
pub fn config_directory() -> Result<PathBuf, Failure> {
    base_directory("XDG_CONFIG_HOME", ".config")
}

/// The directory for what can be done without: `$XDG_STATE_HOME/mainstay`, or the one that systemd gives to a service.
pub fn state_directory() -> Result<PathBuf, Failure> {
    match given_by_systemd("STATE_DIRECTORY") {
        Some(path) => Ok(path),
        None => base_directory("XDG_STATE_HOME", ".local/state"),
    }
}

/// The directory for copies of what is elsewhere: `$XDG_CACHE_HOME/mainstay`, or the one that systemd gives to a service.
pub fn cache_directory() -> Result<PathBuf, Failure> {
    match given_by_systemd("CACHE_DIRECTORY") {
        Some(path) => Ok(path),
        None => base_directory("XDG_CACHE_HOME", ".cache"),
    }
}

/// A directory that systemd has made for a service: the first of a list.
fn given_by_systemd(name: &str) -> Option<PathBuf> {
    let first = variable(name).and_then(|paths| std::env::split_paths(&paths).next());
    first.filter(|path| path.is_absolute())
}

/// The variables that the tools of providers read, as far as they are text; secrets of others are nobody's business.
pub fn variables() -> Vec<(String, String)> {
    const PREFIXES: [&str; 5] = ["AWS_", "GOOGLE_", "AZURE_", "WEBDAV_", "OPENDAL_"];
    const NAMES: [&str; 6] = ["HOME", "USER", "LOGNAME", "SSH_AUTH_SOCK", "OS_AUTH_TOKEN", "OS_STORAGE_URL"];
    const OF_POSTGRESQL: [&str; 6] =
        ["PGUSER", "PGPASSWORD", "PGPASSFILE", "PGSERVICE", "PGSERVICEFILE", "PGSYSCONFDIR"];
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    let is_read = |(name, _): &(String, String)| {
        NAMES.contains(&name.as_str())
            || OF_POSTGRESQL.contains(&name.as_str())
            || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
    };
    std::env::vars_os().filter_map(text).filter(is_read).collect()
}

/// An environment variable that is set and not empty.
pub fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

fn base_directory(name: &str, below_home: &str) -> Result<PathBuf, Failure> {
    // The specification has relative paths ignored.
    let named = variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = match named {
        Some(base) => base,
        None => home(name)?.join(below_home),
    };
    Ok(base.join("mainstay"))
}

fn home(wanted: &str) -> Result<PathBuf, Failure> {
    // Only what the user says: an account's entry in /etc/passwd may name a place that is not meant.
    variable("HOME").map(PathBuf::from).filter(|path| path.is_absolute()).ok_or_else(|| {
        let message = format!("find the home directory: neither {wanted} nor HOME is an absolute path");
        Failure::new(&catalogue::NO_HOME, message)
    })
}
