//! The service that `PGSERVICE` names, as libpq finds it: who asks a server, and by which password.
//!
//! Owns the grammar of the file, and whether a service is about an address: its password goes to no other server than the one that it
//! names. Takes no server from it, since an address says where a repository lies. Never shows what it has read.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::address::{Host, PostgresAddress};
use crate::settings::Surroundings;

#[cfg(test)]
mod tests;

/// Far more than anybody writes by hand.
const LONGEST: u64 = 1 << 20;
/// Where Debian's libpq looks for what holds for the whole machine, unless `PGSYSCONFDIR` says otherwise.
const OF_THE_SYSTEM: &str = "/etc/postgresql-common";
const FILE: &str = "pg_service.conf";

/// What a service says of who asks.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Service {
    pub user: Option<String>,
    pub password: Option<String>,
}

/// The service that is named, if it is about this address.
///
/// # Errors
/// No file has it; a file cannot be read; others may read a file in which it has a password.
pub fn find(address: &PostgresAddress, surroundings: &Surroundings) -> io::Result<Option<Service>> {
    let Some(name) = surroundings.variable("PGSERVICE") else { return Ok(None) };
    for path in paths(surroundings) {
        if let Some(settings) = read(&path)?.and_then(|text| section(&text, name)) {
            if settings.contains_key("password") {
                require_private(&path)?;
            }
            return Ok(is_about(&settings, address).then(|| Service {
                user: settings.get("user").cloned(),
                password: settings.get("password").cloned(),
            }));
        }
    }
    let message =
        format!("find the service {name:?}, which PGSERVICE names: there is none in ~/.pg_service.conf or {FILE}");
    Err(io::Error::new(io::ErrorKind::InvalidInput, message))
}

/// The files that may have it, the first that does first.
fn paths(surroundings: &Surroundings) -> Vec<PathBuf> {
    let of_home = || surroundings.variable("HOME").map(|home| Path::new(home).join(".pg_service.conf"));
    let own = surroundings.variable("PGSERVICEFILE").map(PathBuf::from).or_else(of_home);
    let of_the_system = Path::new(surroundings.variable("PGSYSCONFDIR").unwrap_or(OF_THE_SYSTEM)).join(FILE);
    own.into_iter().chain([of_the_system]).collect()
}

fn read(path: &Path) -> io::Result<Option<String>> {
    let told = |error: io::Error| io::Error::new(error.kind(), format!("read {}: {error}", path.display()));
    match path.metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Ok(status) if status.len() > LONGEST => {
            return Err(told(io::Error::new(io::ErrorKind::InvalidInput, "it is no file of services")));
        }
        status => status.map_err(told)?,
    };
    std::fs::read_to_string(path).map(Some).map_err(told)
}

fn require_private(path: &Path) -> io::Result<()> {
    if path.metadata()?.permissions().mode() & 0o077 == 0 {
        return Ok(());
    }
    let message = format!("read {}: others may read the password in it: expected the mode 0600", path.display());
    Err(io::Error::new(io::ErrorKind::InvalidInput, message))
}

/// The settings under `[name]`; none where there is no such heading.
fn section(text: &str, name: &str) -> Option<BTreeMap<String, String>> {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    lines.find(|line| line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) == Some(name))?;
    let own = lines.take_while(|line| !line.starts_with('['));
    let pairs = own.filter_map(|line| line.split_once('=')).filter(|(_, value)| !value.is_empty());
    Some(pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
}

/// Whether nothing that a service names is another thing in the address.
fn is_about(settings: &BTreeMap<String, String>, address: &PostgresAddress) -> bool {
    let is = |key: &str, own: &str| settings.get(key).is_none_or(|value| value == own);
    let is_host = match &address.host {
        Host::Network(name) => settings.get("host").is_none_or(|host| host.eq_ignore_ascii_case(name)),
        Host::Socket(directory) => is("host", directory),
    };
    let is_user = address.user.as_deref().is_none_or(|user| is("user", user));
    is_host && is("port", &address.port.to_string()) && is("dbname", &address.database) && is_user
}
