//! What every store promises, as data: trials that a store stands or does not.
//!
//! Owns the list of promises and how a broken one is told. Measures no time (the caller has a clock), asks nothing of a store but
//! [`Store`], and never panics: whatever a store does is an answer. Each trial has names of its own in `packs/` or `coord/`, so
//! that trials do not disturb each other, may follow each other in one store, and leave a repository's objects alone.

mod expect;
mod listing;
mod reading;
mod together;
mod writing;

use std::fmt;

use super::Store;

/// Whether the engine relies on a promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Without it a repository can lose data, or find itself damaged.
    Required,
    /// The engine does without, and is better off with it.
    Bonus,
}

/// One promise, and how it is tried.
pub struct Trial {
    /// In lower case with hyphens; never changed, since scripts look for it.
    pub name: &'static str,
    /// What is promised, in one sentence.
    pub promise: &'static str,
    pub need: Need,
    attempt: fn(&dyn Store, &Ground) -> Result<(), Broken>,
}

/// A promise that was not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    pub expected: String,
    pub got: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "expected {}, got {}", self.expected, self.got)
    }
}

impl std::error::Error for Broken {}

/// The part of a store in which a trial is made, and how large it is.
#[derive(Clone, Debug)]
pub struct Ground {
    trial: &'static str,
    listed: u32,
}

/// Enough to tell a listing that loses objects, and little enough for a store that answers slowly.
const LISTED_OBJECTS: u32 = 300;

impl Default for Ground {
    fn default() -> Self {
        Self { trial: "", listed: LISTED_OBJECTS }
    }
}

impl Ground {
    /// Has the longest listing hold so many objects: many stores list 1,000 at a time, and lose what is beyond.
    pub fn with_listed(listed: u32) -> Self {
        Self { listed, ..Self::default() }
    }

    /// The folder of the trial; it ends in `/`.
    fn folder(&self) -> String {
        format!("packs/{}/", self.trial)
    }

    fn name(&self, rest: &str) -> String {
        format!("packs/{}/{rest}", self.trial)
    }

    /// A name in the folder of a session, which goes when its last object is deleted.
    fn session_name(&self, rest: &str) -> String {
        format!("{}{}/{rest}", crate::format::names::LEASES, self.trial)
    }
}

impl Trial {
    /// Makes this trial. It takes new names: of one store it is asked once.
    ///
    /// # Errors
    /// What was expected of the store, and what it did.
    pub fn run(&self, store: &dyn Store, ground: &Ground) -> Result<(), Broken> {
        (self.attempt)(store, &Ground { trial: self.name, ..ground.clone() })
    }
}

const fn required(
    name: &'static str,
    promise: &'static str,
    attempt: fn(&dyn Store, &Ground) -> Result<(), Broken>,
) -> Trial {
    Trial { name, promise, need: Need::Required, attempt }
}

const fn bonus(
    name: &'static str,
    promise: &'static str,
    attempt: fn(&dyn Store, &Ground) -> Result<(), Broken>,
) -> Trial {
    Trial { name, promise, need: Need::Bonus, attempt }
}

/// Every promise, the simplest first: a store that does not keep those will not keep the others.
pub const TRIALS: &[Trial] = &[
    required("read-back", "an object is read back as it was put", writing::read_back),
    required("empty-object", "an object of no bytes is an object", writing::empty_object),
    required(
        "large-object",
        "an object of 8 MiB, written in uneven pieces, is whole in every range",
        writing::large_object,
    ),
    required("every-name", "names of every allowed character, and of 200 bytes, are told apart", writing::every_name),
    required(
        "published-once",
        "a published name is never published again, and keeps its first bytes",
        writing::published_once,
    ),
    required("hidden-before", "nothing is visible before it is published", writing::hidden_before),
    required("given-up", "an upload that is given up leaves nothing", writing::given_up),
    required("uploads-apart", "two uploads at once do not mix", writing::uploads_apart),
    required("replace", "a damaged object can be replaced, and one that is gone put back", writing::replace),
    required("durable-again", "what can be seen can be made durable, an object and a folder", writing::durable_again),
    required("ranges", "a range is read exactly", reading::ranges),
    required("empty-range", "a range of no bytes can be read", reading::empty_range),
    required("beyond-the-end", "a range beyond the end is an error, and is never filled up", reading::beyond_the_end),
    required("read-limit", "an object longer than the limit is not read", reading::read_limit),
    required("absent-object", "an absent object is known to be absent", reading::absent_object),
    required("list-after-write", "what was put is listed at once, each object once", listing::list_after_write),
    required(
        "list-after-delete",
        "what was deleted is not listed any more, and the rest is",
        listing::list_after_delete,
    ),
    required("list-beneath", "a folder lists everything beneath it and nothing beside it", listing::list_beneath),
    required("delete", "a deleted object is gone, and may be deleted again", listing::delete),
    required("session-folder", "a folder whose last object was deleted takes another", listing::session_folder),
    required("many-threads", "eight threads put, read and list at once", together::many_threads),
    bonus(
        "conditional-creation",
        "of many threads that publish one name at once, one wins",
        together::conditional_creation,
    ),
    bonus("replace-without-gap", "an object that is replaced is there at every moment", together::replace_without_gap),
];

/// Bytes that no store can compress, the same for the same seed.
pub fn content(seed: &str, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(seed.as_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests;
