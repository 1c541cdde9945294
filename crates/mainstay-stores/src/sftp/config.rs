//! Who is called, and with what: an address together with `~/.ssh/config`.
//!
//! Owns the part of that file that is read: `Host` blocks with HostName, User, Port, IdentityFile, IdentitiesOnly, IdentityAgent,
//! UserKnownHostsFile and HostKeyAlias, the first value of each going before. `Match` blocks and `Include` are passed over; a
//! host that is reached through another is refused, since a call past it might end at the wrong one.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use crate::address::{SftpAddress, USUAL_PORT};
use crate::settings::Surroundings;

/// Files longer than this are neither settings nor keys.
const LONGEST: u64 = 4 << 20;
/// The keys that are tried where none is named.
const USUAL_KEYS: [&str; 3] = [".ssh/id_ed25519", ".ssh/id_ecdsa", ".ssh/id_rsa"];
const USUAL_KNOWN_HOSTS: [&str; 2] = [".ssh/known_hosts", ".ssh/known_hosts2"];
/// What the administrator of this machine knows.
const KNOWN_TO_ALL: &str = "/etc/ssh/ssh_known_hosts";

/// Everything that is needed to make a connection.
#[derive(Clone, Debug)]
pub struct Target {
    pub host: String,
    pub port: u16,
    pub user: String,
    /// The name by which the key of the host is known, where it is another.
    pub alias: Option<String>,
    pub known_hosts: Vec<PathBuf>,
    /// Private keys, in the order in which they are tried.
    pub keys: Vec<PathBuf>,
    /// Whether the user named them.
    pub are_keys_named: bool,
    /// The socket of an agent.
    pub agent: Option<PathBuf>,
}

impl Target {
    /// Reads the settings that belong to an address.
    ///
    /// # Errors
    /// When a file cannot be read, or nobody says who the user is.
    pub fn find(address: &SftpAddress, surroundings: &Surroundings) -> io::Result<Self> {
        let home = surroundings.variable("HOME").map(PathBuf::from);
        let file = home.as_ref().map(|home| home.join(".ssh/config"));
        let text = file.map(|file| text_of(&file)).transpose()?.flatten().unwrap_or_default();
        let said = Said::of_host(&text, &address.host);
        let invalid = |problem: String| io::Error::new(io::ErrorKind::InvalidInput, problem);
        if let Some(way) = said.first("proxyjump").or(said.first("proxycommand")).filter(|way| *way != "none") {
            let problem = "hosts that are reached through another one are not known to this version";
            return Err(invalid(format!("{} says to go by `{way}`: {problem}", "~/.ssh/config")));
        }
        let host = said.first("hostname").map_or(address.host.clone(), |name| name.replace("%h", &address.host));
        let port = match (address.port, said.first("port")) {
            (Some(port), _) => port,
            (None, Some(port)) => port.parse().map_err(|_| invalid(format!("~/.ssh/config has the port `{port}`")))?,
            (None, None) => USUAL_PORT,
        };
        let own = || surroundings.variable("USER").or_else(|| surroundings.variable("LOGNAME")).map(str::to_owned);
        let user = address.user.clone().or_else(|| said.first("user").map(str::to_owned)).or_else(own);
        let user = user.ok_or_else(|| invalid("no user is named: write sftp://USER@HOST/PATH".to_owned()))?;
        let place = |text: &str| expand(text, home.as_deref(), (&host, &user));
        let beneath = |files: &[&str]| files.iter().filter_map(|file| Some(home.as_ref()?.join(file))).collect();
        let keys: Vec<PathBuf> = said.all("identityfile").filter_map(place).collect();
        let mut known_hosts: Vec<PathBuf> = match said.first("userknownhostsfile") {
            Some(files) => files.split_whitespace().filter(|file| *file != "none").filter_map(place).collect(),
            None => beneath(&USUAL_KNOWN_HOSTS),
        };
        known_hosts.push(KNOWN_TO_ALL.into());
        let is_agent_asked = keys.is_empty() || said.first("identitiesonly") != Some("yes");
        let agent = match said.first("identityagent") {
            Some("none") => None,
            Some(path) if path != "SSH_AUTH_SOCK" => place(path),
            _ => surroundings.variable("SSH_AUTH_SOCK").map(PathBuf::from),
        };
        Ok(Self {
            alias: said.first("hostkeyalias").map(str::to_ascii_lowercase),
            host,
            port,
            user,
            known_hosts,
            are_keys_named: !keys.is_empty(),
            keys: if keys.is_empty() { beneath(&USUAL_KEYS) } else { keys },
            agent: agent.filter(|_| is_agent_asked),
        })
    }

    /// The host as files of known hosts write it.
    pub fn known_name(&self) -> String {
        let host = self.host.to_ascii_lowercase();
        match (&self.alias, self.port) {
            (Some(alias), _) => alias.clone(),
            (None, USUAL_PORT) => host,
            (None, port) => format!("[{host}]:{port}"),
        }
    }
}

/// What the file says of one host: settings in lower case, in the order of the file.
struct Said(Vec<(String, String)>);

impl Said {
    fn of_host(text: &str, host: &str) -> Self {
        let mut said = Vec::new();
        // What stands before the first block is said of every host.
        let mut is_meant = true;
        for line in text.lines() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let end = line.find([' ', '\t', '=']).unwrap_or(line.len());
            let (name, value) = line.split_at(end);
            let value = value.trim_start().strip_prefix('=').unwrap_or(value).trim();
            let value = value.strip_prefix('"').and_then(|inner| inner.strip_suffix('"')).unwrap_or(value);
            match name.to_ascii_lowercase().as_str() {
                "host" => is_meant = is_among(host, value.split_whitespace()),
                "match" => is_meant = false,
                name if is_meant => said.push((name.to_owned(), value.to_owned())),
                _ => {}
            }
        }
        Self(said)
    }

    fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(said, _)| said == name).map(|(_, value)| value.as_str())
    }

    fn first(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }
}

/// Whether a host is meant by patterns, of which one with a `!` before it excludes.
pub fn is_among<'p>(host: &str, patterns: impl Iterator<Item = &'p str>) -> bool {
    let mut is_meant = false;
    for pattern in patterns {
        match pattern.strip_prefix('!') {
            Some(pattern) if fits(host.as_bytes(), pattern.as_bytes()) => return false,
            Some(_) => {}
            None => is_meant |= fits(host.as_bytes(), pattern.as_bytes()),
        }
    }
    is_meant
}

/// Whether a name fits a pattern: `*` stands for any text and `?` for one byte. Goes back to the last `*` alone, so that no
/// pattern takes long.
fn fits(name: &[u8], pattern: &[u8]) -> bool {
    let (mut at, mut wanted, mut star) = (0, 0, None);
    while let Some(byte) = name.get(at) {
        match pattern.get(wanted) {
            Some(b'*') => {
                star = Some((wanted, at));
                wanted += 1;
            }
            Some(expected) if *expected == b'?' || expected.eq_ignore_ascii_case(byte) => {
                (at, wanted) = (at + 1, wanted + 1);
            }
            _ => {
                let Some((place, tried)) = star else { return false };
                star = Some((place, tried + 1));
                (at, wanted) = (tried + 1, place + 1);
            }
        }
    }
    pattern.get(wanted..).is_some_and(|rest| rest.iter().all(|byte| *byte == b'*'))
}

/// A path of the file; `None` where a home is needed and there is none.
fn expand(text: &str, home: Option<&Path>, (host, user): (&str, &str)) -> Option<PathBuf> {
    let text = text.replace("%h", host).replace("%r", user);
    let rest = text.strip_prefix("~/").or_else(|| text.strip_prefix("%d/"));
    match rest {
        Some(rest) => Some(home?.join(rest)),
        None => Some(PathBuf::from(text)),
    }
}

/// The text of a file, of which what is no text is replaced; `None` where there is no such file.
pub fn text_of(path: &Path) -> io::Result<Option<String>> {
    let context = |error: io::Error| io::Error::new(error.kind(), format!("read {}: {error}", path.display()));
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(context)?,
    };
    let mut bytes = Vec::new();
    file.take(LONGEST + 1).read_to_end(&mut bytes).map_err(context)?;
    if bytes.len() as u64 > LONGEST {
        let message = format!("it has more than {LONGEST} bytes");
        return Err(context(io::Error::new(io::ErrorKind::InvalidInput, message)));
    }
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

#[cfg(test)]
mod tests;
