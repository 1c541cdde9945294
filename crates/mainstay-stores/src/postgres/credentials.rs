//! Who is said to ask a PostgreSQL server: `PGUSER`, `PGPASSWORD`, and the password file, as libpq reads them.
//!
//! Owns the grammar of the file. Never shows what it has read.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use crate::address::{Host, PostgresAddress};
use crate::settings::Surroundings;

#[cfg(test)]
mod tests;

/// Far more than anybody writes by hand.
const LONGEST: u64 = 1 << 20;

/// The name of the user, if anything but the system knows it.
pub fn user(address: &PostgresAddress, surroundings: &Surroundings) -> Option<String> {
    let named = address.user.clone();
    named.or_else(|| ["PGUSER", "USER"].iter().find_map(|name| surroundings.variable(name)).map(str::to_owned))
}

/// The password, if there is one.
///
/// # Errors
/// The password file cannot be read, or others may read it.
pub fn password(address: &PostgresAddress, surroundings: &Surroundings) -> io::Result<Option<String>> {
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
    let user = user(address, surroundings).unwrap_or_default();
    let (port, host) = (
        address.port.to_string(),
        match &address.host {
            Host::Network(name) => vec![name.as_str()],
            Host::Socket(directory) => vec![directory.as_str(), "localhost"],
        },
    );
    Ok(host.iter().find_map(|host| find(&text, [host, &port, &address.database, &user])))
}

/// The password of the first line that fits host, port, database and user.
fn find(text: &str, wanted: [&str; 4]) -> Option<String> {
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
