//! Which repository is meant, and the store it lies in.
//!
//! Owns the forms of `--repo` and `MAINSTAY_REPO`: a path, a `file://` address, or the address of another store. Never opens a
//! repository.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mainstay_repo::store::{Around, Surrounded};
use mainstay_repo::{LocalStore, Store};
use mainstay_stores::{Address, BadAddress, Patience, Surroundings, decode_percent};

use crate::arguments::reach::StorageClass;
use crate::defaults;
use crate::failure::{Failure, catalogue};
use crate::output::escape;

/// How the repository was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// By the user.
    Named,
    /// Nobody said anything.
    Default,
}

/// Where a repository is or will be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// An absolute path.
    Directory(PathBuf),
    Elsewhere(Address),
}

/// A place and the store in it.
#[derive(Clone)]
pub struct Location {
    pub place: Place,
    pub choice: Choice,
    patience: Patience,
    /// What lies above the store here and in every place beneath.
    layers: Vec<Cover>,
    store: Arc<dyn Store>,
}

/// Puts a layer over a store.
type Cover = Arc<dyn Fn(Arc<dyn Store>) -> Arc<dyn Store> + Send + Sync>;

/// What other programs call a store in the form `name:rest`, without the slashes of an address.
const FOREIGN_PREFIXES: [&str; 10] = ["s3", "sftp", "ssh", "rest", "b2", "azure", "gs", "swift", "rclone", "opendal"];

const EMPTY_HINT: &str = "name a place: a path, sqlite:///FILE, sftp://USER@HOST/PATH, s3://BUCKET/PREFIX; for the default repository leave out --repo and unset MAINSTAY_REPO";

impl Location {
    /// Reads the value of `--repo`; `None` means the default repository. Makes the store ready; nothing is sent or read yet.
    pub fn find(named: Option<&OsStr>, patience: Patience) -> Result<Self, Failure> {
        let Some(text) = named else {
            let path = defaults::data_directory()?.join("repository");
            return Self::at(Place::Directory(path), Choice::Default, patience);
        };
        if text.is_empty() {
            // A variable that a script did not set: the default repository is not what was meant.
            let message = "open repository: --repo or MAINSTAY_REPO is empty";
            return Err(Failure::new(&catalogue::ADDRESS, message).with_hint(EMPTY_HINT));
        }
        Self::at(parse(text)?, Choice::Named, patience)
    }

    fn at(place: Place, choice: Choice, patience: Patience) -> Result<Self, Failure> {
        let store: Arc<dyn Store> = match &place {
            Place::Directory(path) => Arc::new(LocalStore::new(path)),
            Place::Elsewhere(address) => {
                mainstay_stores::open(address, &Surroundings::new(defaults::variables()).with(patience)).map_err(
                    |error| {
                        let message = format!("open repository {address}: {error}");
                        Failure::new(&catalogue::ADDRESS, message).with_hint(
                            "check the settings of the address, and the variables and files that hold the credentials",
                        )
                    },
                )?
            }
        };
        Ok(Self { place, choice, patience, layers: Vec::new(), store })
    }

    /// The same place, with something around the requests to it.
    pub fn surrounded_by(self, around: impl Around) -> Self {
        let around = Arc::new(around);
        self.covered_by(Arc::new(move |store| Arc::new(Surrounded::over(store, Arc::clone(&around)))))
    }

    fn covered_by(mut self, cover: Cover) -> Self {
        self.store = cover(self.store);
        self.layers.push(cover);
        self
    }

    pub fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store)
    }

    /// The directory that the repository is, if it is one.
    pub fn directory(&self) -> Option<&Path> {
        match &self.place {
            Place::Directory(path) => Some(path),
            Place::Elsewhere(_) => None,
        }
    }

    /// The directory or file that the repository is on this machine.
    pub fn path(&self) -> Option<&Path> {
        match &self.place {
            Place::Directory(path) => Some(path),
            Place::Elsewhere(address) => address.file(),
        }
    }

    /// A place in this one: a directory, a prefix of a bucket, a file beside a file.
    pub fn beneath(&self, name: &str) -> Result<Self, Failure> {
        let place = match &self.place {
            Place::Directory(path) => Place::Directory(path.join(name)),
            Place::Elsewhere(address) => Place::Elsewhere(address.beneath(name)),
        };
        let beneath = Self::at(place, Choice::Named, self.patience)?;
        Ok(self.layers.iter().fold(beneath, |location, cover| location.covered_by(Arc::clone(cover))))
    }

    /// The same place, with packs going into a storage class where one is named.
    pub fn in_storage_class(self, class: &StorageClass) -> Result<Self, Failure> {
        let Some(class) = class.name() else { return Ok(self) };
        let refused = |problem: String| {
            let message =
                format!("put packs of {} into storage class {}: {problem}", self.quoted(), escape::text(class));
            Failure::new(&catalogue::USAGE, message)
                .with_hint("leave out --storage-class, or name a place s3://BUCKET/PREFIX")
        };
        let address = match &self.place {
            Place::Directory(_) => return Err(refused("a directory has none".to_owned())),
            Place::Elsewhere(address) => address.clone().in_storage_class(class),
        };
        let address = address.map_err(|BadAddress(problem)| refused(problem))?;
        let there = Self::at(Place::Elsewhere(address), self.choice, self.patience)?;
        Ok(self.layers.iter().fold(there, |location, cover| location.covered_by(Arc::clone(cover))))
    }

    /// The path or address as it is.
    pub fn text(&self) -> OsString {
        match &self.place {
            Place::Directory(path) => path.clone().into_os_string(),
            Place::Elsewhere(address) => address.to_string().into(),
        }
    }

    /// The same for people, and for a shell one word.
    pub fn quoted(&self) -> String {
        quoted(Path::new(&self.text()))
    }

    /// Whether another location is the same place.
    pub fn is_same(&self, other: &Self) -> bool {
        match (self.path(), other.path(), &self.place, &other.place) {
            (Some(own), Some(other), ..) => real(own) == real(other),
            (_, _, Place::Elsewhere(own), Place::Elsewhere(other)) => own.is_same(other),
            _ => false,
        }
    }

    /// Whether another location is in this one, or would be.
    pub fn holds(&self, other: &Self) -> bool {
        match (self.path(), other.path(), &self.place, &other.place) {
            (Some(own), Some(other), ..) => real(other).starts_with(real(own)),
            (_, _, Place::Elsewhere(own), Place::Elsewhere(other)) => own.holds(other),
            _ => false,
        }
    }

    /// The words that name this repository on a command line; nothing for the default one.
    pub fn flag(&self) -> String {
        match self.choice {
            Choice::Named => format!(" --repo {}", self.quoted()),
            Choice::Default => String::new(),
        }
    }
}

/// A path without links, as far as it is there.
fn real(path: &Path) -> PathBuf {
    let there = path.ancestors().find_map(|above| Some((above, above.canonicalize().ok()?)));
    there.map_or_else(|| path.to_owned(), |(above, real)| real.join(path.strip_prefix(above).unwrap_or(path)))
}

/// A path as a shell takes it for one word.
pub fn quoted(path: &Path) -> String {
    let text = crate::output::escape::bytes(path.as_os_str().as_bytes());
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+,:@%=".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_plain) {
        return text;
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn parse(text: &OsStr) -> Result<Place, Failure> {
    let shown = || crate::output::escape::bytes(&without_secrets(text.as_bytes()));
    let directory = |path: PathBuf| {
        let absolute = std::path::absolute(&path).map_err(|error| {
            let message = format!("find the repository {}: {error}", path.display());
            Failure::new(&catalogue::ADDRESS, message)
        });
        absolute.map(Place::Directory)
    };
    let is_remote = |colon: usize| {
        let (host, path) = text.as_bytes().split_at(colon);
        !host.is_empty() && !host.contains(&b'/') && path.starts_with(b":/") && !path.starts_with(b"://")
    };
    if text.as_bytes().iter().position(|byte| *byte == b':').is_some_and(is_remote) {
        let text = shown();
        let message = format!("open repository {text}: directories of other machines are not known to this version");
        let hint = format!("mount it; if it is a directory of this machine, write ./{text}");
        return Err(Failure::new(&catalogue::ADDRESS, message).with_hint(hint));
    }
    let Some((scheme, rest)) = split_scheme(text.as_bytes()) else {
        return directory(PathBuf::from(text));
    };
    let refused = |why: String| Failure::new(&catalogue::ADDRESS, format!("open repository {}: {why}", shown()));
    if scheme == "file" {
        let expected = || refused("expected file:///PATH with an absolute path of this machine".to_owned());
        return directory(parse_file_address(rest).ok_or_else(expected)?);
    }
    match Address::parse(&scheme, rest) {
        Some(address) => address.map(Place::Elsewhere).map_err(|error| refused(error.0)),
        None => Err(refused(format!("stores of the kind `{scheme}` are not known to this version"))),
    }
}

/// An address for a message: what stands before an `@` may be a password, and so may the value of a setting.
fn without_secrets(text: &[u8]) -> Vec<u8> {
    let behind_slashes = text.windows(3).position(|part| part == b"://").map(|at| at + 3);
    // What OpenDAL's users may write.
    let behind_colon = text.starts_with(b"opendal:").then_some(b"opendal:".len());
    let Some(begin) = behind_slashes.or(behind_colon) else { return text.to_owned() };
    let mut shown = text.to_owned();
    if let Some(end) = shown.iter().rposition(|byte| *byte == b'@').filter(|end| *end > begin) {
        shown.splice(begin..end, *b"***");
    }
    if let Some(at) = shown.iter().position(|byte| *byte == b'?') {
        shown.splice(at + 1.., *b"***");
    }
    shown
}

/// The scheme of an address and what follows its colon; `None` for a path.
fn split_scheme(text: &[u8]) -> Option<(String, &[u8])> {
    let colon = text.iter().position(|byte| *byte == b':')?;
    let (scheme, rest) = text.split_at_checked(colon)?;
    let rest = rest.get(1..)?;
    let is_name = scheme.first().is_some_and(u8::is_ascii_alphabetic)
        && scheme.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+.-".contains(byte));
    let scheme = String::from_utf8(scheme.to_ascii_lowercase()).ok()?;
    let is_address = rest.starts_with(b"//") || FOREIGN_PREFIXES.contains(&scheme.as_str());
    (is_name && is_address).then_some((scheme, rest))
}

/// The path of `//HOST/PATH` where the host is this one (RFC 8089).
fn parse_file_address(rest: &[u8]) -> Option<PathBuf> {
    let rest = rest.strip_prefix(b"//")?;
    let path = rest.strip_prefix(b"localhost").unwrap_or(rest);
    if !path.starts_with(b"/") {
        return None;
    }
    let path = decode_percent(path)?;
    let usable = !path.contains(&0);
    usable.then(|| PathBuf::from(OsString::from_vec(path)))
}

#[cfg(test)]
mod tests;
