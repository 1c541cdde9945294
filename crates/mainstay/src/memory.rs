//! What this machine remembers of the repositories that it has seen: the newest snapshot of each source.
//!
//! Owns the file, one for each place that a repository lies in, in `$XDG_STATE_HOME/mainstay/seen`, and telling of a history that was rewound. The
//! file is disposable: one that is absent, damaged or of another repository remembers nothing, and one that cannot be written
//! is not. What is in it and what follows from it is decided by the engine.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use mainstay_repo::{Listing, Repository, Rewind, Seen, SnapshotEntry, SnapshotPlace, names};

use crate::context::Opened;
use crate::exit_code::ExitCode;
use crate::failure::{Failure, Result, catalogue};
use crate::output::{Output, escape};
use crate::{defaults, private_file};

/// More than the heads of a hundred thousand sources.
const LEN_MAX: u64 = 16 << 20;

/// The memory of one repository.
pub struct Memory<'r> {
    repository: &'r Repository,
    /// None where the user has no place for it.
    path: Option<PathBuf>,
    text: String,
    seen: Seen,
}

/// The snapshots that this machine has seen and that a repository no longer leads to.
pub struct Rewinds(pub Vec<Rewind>);

/// Where a repository is remembered: each copy of it by itself, since one may lag behind another.
pub fn path(repository: &Repository) -> Result<PathBuf> {
    path_of(repository, Path::new(&repository.location()))
}

/// The same of the copy in another place, whether it is there or not.
pub fn path_of(repository: &Repository, place: &Path) -> Result<PathBuf> {
    let place = place.canonicalize().unwrap_or_else(|_| place.to_owned());
    let name = format!("{}-{}", repository.id(), repository.place_name(place.as_os_str().as_bytes()));
    Ok(defaults::state_directory()?.join("seen").join(name))
}

impl<'r> Memory<'r> {
    pub fn open(repository: &'r Repository) -> Self {
        let path = path(repository).ok();
        let text = path.as_deref().and_then(|path| private_file::read(path, LEN_MAX).ok()).unwrap_or_default();
        let seen = repository.recall(&text);
        Self { repository, path, text, seen }
    }

    /// Compares what is listed with what was seen.
    pub fn compare(&self, listing: &Listing) -> Result<Rewinds> {
        Ok(Rewinds(self.repository.rewinds(&self.seen, listing)?))
    }

    /// The same, then remembers it.
    pub fn look(&mut self, listing: &Listing) -> Result<Rewinds> {
        let rewinds = self.compare(listing)?;
        // Whoever cannot remember sees the repository as if for the first time.
        if self.repository.remember(&mut self.seen, listing, &rewinds.0).is_ok() {
            self.save();
        }
        Ok(rewinds)
    }

    /// Remembers a snapshot that was just made.
    pub fn note(&mut self, entry: &SnapshotEntry, rewinds: &Rewinds) {
        self.repository.remember_made(&mut self.seen, entry, &rewinds.0);
        self.save();
    }

    pub fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }

    fn save(&mut self) {
        let text = self.repository.memorize(&self.seen);
        if text == self.text || self.seen.is_empty() {
            return;
        }
        if let Some(path) = &self.path {
            // Whoever cannot remember sees the repository as if for the first time.
            let _ = private_file::replace(path, &text);
        }
        self.text = text;
    }
}

/// Lists the snapshots for a command that has no other need of them, and tells of a rewound history. A key that may not read
/// them knows them by their names.
pub fn look(opened: &Opened, output: &Output) -> Rewinds {
    let looked = look_at(&opened.repository).map(|(_, rewinds)| rewinds);
    // What cannot be listed now is told of by the command itself, each in its way.
    let rewinds = looked.unwrap_or(Rewinds(Vec::new()));
    rewinds.warn(output);
    rewinds
}

/// Refuses what is not safe where the history was rewound.
pub fn refuse_rewound(opened: &Opened, verb: &str) -> Result<()> {
    look_at(&opened.repository)?.1.refuse(verb)
}

/// Lists the snapshots and compares them with what was seen; in this order the memory comes first: what somebody else remembers
/// meanwhile may be younger than the listing, and is no rewind.
pub fn look_at(repository: &Repository) -> Result<(Listing, Rewinds)> {
    let mut memory = Memory::open(repository);
    let listing = repository.list_snapshots()?;
    let rewinds = memory.look(&listing)?;
    Ok((listing, rewinds))
}

impl Rewinds {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Tells of each, as a warning.
    pub fn warn(&self, output: &Output) {
        for rewind in &self.0 {
            let failure = failure(rewind);
            match output.is_json() {
                true => output.warning_message(&object(rewind.seen), &failure.message),
                false => output.warn_by_code(&failure),
            }
        }
    }

    /// How a command ends that did what was asked.
    pub fn exit_code(&self, otherwise: ExitCode) -> ExitCode {
        match otherwise {
            ExitCode::Success | ExitCode::Incomplete if !self.is_empty() => ExitCode::Rewound,
            other => other,
        }
    }

    /// Refuses what is not safe while a listing may lack snapshots.
    pub fn refuse(&self, verb: &str) -> Result<()> {
        match self.0.first() {
            None => Ok(()),
            Some(rewind) => {
                let mut failure = failure(rewind);
                failure.message.insert_str(0, &format!("{verb}: "));
                Err(failure)
            }
        }
    }
}

/// What was seen and what is there, in one sentence.
pub fn failure(rewind: &Rewind) -> Failure {
    let seen = rewind.seen;
    let source = rewind.source.as_deref().map_or_else(|| format!("source {}", seen.source.short()), escape::text);
    let now = match rewind.head {
        Some(head) => format!("it now ends at #{} ({})", head.sequence, head.id.short()),
        None => "no snapshot of it is there".to_owned(),
    };
    let message = format!(
        "history was rewound: this machine saw snapshot #{} ({}) of {source}, and {now}",
        seen.sequence,
        seen.id.short()
    );
    Failure::new(&catalogue::REWOUND, message)
}

/// The name of a snapshot's object.
fn object(place: SnapshotPlace) -> String {
    names::snapshot(place.source, place.sequence, place.id)
}
