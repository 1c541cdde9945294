//! Who is said to ask a PostgreSQL server: a service, `PGUSER`, `PGPASSWORD`, and the password file, in the order of libpq.
//!
//! Owns the grammar of the file. Never shows what it has read.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use super::service;
use crate::address::{Host, PostgresAddress};
use crate::settings::Surroundings;

#[cfg(test)]
mod tests;

/// Far more than anybody writes by hand.
const LONGEST: u64 = 1 << 20;

/// Who asks.
#[derive(Default)]
pub struct Credentials {
    /// The name of the user, if anything but the system knows it.
    pub user: Option<String>,
    pub password: Option<String>,
}

/// The credentials for an address.
///
/// # Errors
/// A file of theirs cannot be read, or others may read it; the service that is named is not there.
pub fn find(address: &PostgresAddress, surroundings: &Surroundings) -> io::Result<Credentials> {
    let service = service::find(address, surroundings)?.unwrap_or_default();
    let of_variables = || ["PGUSER", "USER"].iter().find_map(|name| surroundings.variable(name)).map(str::to_owned);
    let user = address.user.clone().or(service.user).or_else(of_variables);
    let password = match service.password {
        None => password(address, user.as_deref().unwrap_or_default(), surroundings)?,
        password => password,
    };
    Ok(Credentials { user, password })
}

fn password(address: &PostgresAddress, user: &str, surroundings: &Surroundings) -> io::Result<Option<String>> {
    if let Some(password) = surroundings.variable("PGPASSWORD") {
        return Ok(Some(password.to_owned()));
    }
    let of_home = || surroundings.variable("HOME").map(|home| PathBuf::from(home).join(".pgpass"));
    let Some(path) = surroundings.variable("PGPASSFILE").map(PathBuf::from).or_else(of_home) else { return Ok(None) };
    let told = |error: &dyn std::fmt::Display| format!("read {}: {error}", path.display());
    let status = match std::fs::metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        status => status.map_err(|error| io::Error::new(error.kind(), told(&error)))?,
    };
    if status.len() > LONGEST || status.permissions().mode() & 0o077 != 0 {
        let message = "others may read it, or it is no password file: expected the mode 0600";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, told(&message)));
    }
    let text = std::fs::read_to_string(&path).map_err(|error| io::Error::new(error.kind(), told(&error)))?;
    let (port, host) = (
        address.port.to_string(),
        match &address.host {
            Host::Network(name) => vec![name.as_str()],
            Host::Socket(directory) => vec![directory.as_str(), "localhost"],
        },
    );
    Ok(host.iter().find_map(|host| fitting(&text, [host, &port, &address.database, user])))
}

/// The password of the first line that fits host, port, database and user.
fn fitting(text: &str, wanted: [&str; 4]) -> Option<String> {
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let fields = fields(line);
        let (password, given) = fields.split_last().filter(|(_, given)| given.len() == wanted.len())?;
        let fits = given.iter().zip(wanted).all(|(given, wanted)| given == "*" || given == wanted);
        (fits && !password.is_empty()).then(|| password.clone())
    })
}

/// What stands between the colons; `\` stands before one that is meant as it is. The fifth is the rest of the line.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        let is_last = fields.len() == 5;
        match (character, fields.last_mut()) {
            (':', _) if !is_last => fields.push(String::new()),
            ('\\', Some(field)) => field.extend(characters.next()),
            (character, Some(field)) => field.push(character),
            (_, None) => {}
        }
    }
    fields
}
