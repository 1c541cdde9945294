//! Finding what a person means: a snapshot by a short text, a node by its path.
//!
//! Owns the grammar of `SNAP:PATH` and the order of a history. Reads only the tree pages on the way to a node; changes
//! nothing.

mod listed;

use std::collections::BTreeMap;

use mainstay_repo::{Content, Node, NodeKind, Owners, SnapshotEntry, TreePage, TreeReader};

use crate::{Error, Result};
pub use listed::Listed;

#[cfg(test)]
mod tests;

/// Fewest digits of an identifier that count as a prefix; fewer are more likely a typing error.
const PREFIX_DIGITS: usize = 4;
/// Candidates that an ambiguous prefix names.
const NAMED_CANDIDATES: usize = 5;

/// Finds the snapshot that `text` means, among those of one source if it is given: `latest`, `latest~2` (two before it),
/// or the first digits of an identifier.
///
/// # Errors
/// [`Error::NoSnapshot`] when it means none, several, or one that was forgotten.
pub fn find_snapshot<'e>(entries: &'e [SnapshotEntry], text: &str, source: Option<&str>) -> Result<&'e SnapshotEntry> {
    let found = match Reference::parse(text) {
        Ok(Reference::Latest { back }) => find_latest(entries, source, back),
        Ok(Reference::Prefix(prefix)) => find_by_prefix(entries, source, &prefix),
        Err(problem) => Err(problem),
    };
    found.map_err(|problem| Error::NoSnapshot { text: text.to_owned(), problem })
}

/// Makes sure that some snapshot, forgotten ones included, is of the source.
///
/// # Errors
/// [`Error::NoSource`] when none is.
pub fn require_source(entries: &[SnapshotEntry], source: &str) -> Result<()> {
    if entries.iter().any(|entry| entry.snapshot.source == source) {
        return Ok(());
    }
    let mut known: Vec<&str> = entries.iter().map(|entry| entry.snapshot.source.as_str()).collect();
    known.sort_unstable();
    known.dedup();
    known.truncate(NAMED_CANDIDATES);
    Err(Error::NoSource { source_name: source.to_owned(), known: known.join(", ") })
}

/// The snapshots that are not forgotten, of one source if it is given, oldest first.
pub fn history<'e>(entries: &'e [SnapshotEntry], source: Option<&str>) -> Vec<&'e SnapshotEntry> {
    let living = entries.iter().filter(|entry| !entry.forgotten && is_of(entry, source));
    in_order(living.collect())
}

/// Sorts snapshots, oldest first. Within a source the sequence decides, so that a clock that was set back does not turn
/// its history round; between sources the time decides.
pub fn in_order(mut entries: Vec<&SnapshotEntry>) -> Vec<&SnapshotEntry> {
    let key = |entry: &SnapshotEntry| (entry.snapshot.sequence, entry.snapshot.started, entry.id);
    entries.sort_by_key(|entry| key(entry));
    let mut latest = BTreeMap::<&str, i64>::new();
    let mut timed: Vec<(i64, &SnapshotEntry)> = Vec::with_capacity(entries.len());
    for entry in entries {
        let time = latest.entry(&entry.snapshot.source).or_insert(i64::MIN);
        *time = (*time).max(entry.snapshot.started);
        timed.push((*time, entry));
    }
    timed.sort_by(|(time_a, a), (time_b, b)| {
        (time_a, &a.snapshot.source, key(a)).cmp(&(time_b, &b.snapshot.source, key(b)))
    });
    timed.into_iter().map(|(_, entry)| entry).collect()
}

/// Splits `SNAP:PATH`. The path comes back normalised, empty for the root; without a colon there is none.
///
/// # Errors
/// [`Error::Invalid`] for a path with `..`, [`Error::NoSnapshot`] for a first part that is not text.
pub fn split_path(text: &[u8]) -> Result<(&str, Option<Vec<u8>>)> {
    let (snapshot, path) = match text.iter().position(|byte| *byte == b':') {
        Some(colon) => {
            let (snapshot, path) = text.split_at(colon);
            (snapshot, Some(normalise(path.get(1..).unwrap_or_default())?))
        }
        None => (text, None),
    };
    let snapshot = std::str::from_utf8(snapshot).map_err(|_| Error::NoSnapshot {
        text: String::from_utf8_lossy(snapshot).into_owned(),
        problem: "it is not text".to_owned(),
    })?;
    Ok((snapshot, path))
}

/// A path as trees know it: its names joined by single slashes, none in front, the root empty.
///
/// # Errors
/// [`Error::Invalid`] for a path with `..`: what it means would depend on symbolic links.
pub fn normalise(path: &[u8]) -> Result<Vec<u8>> {
    let mut names: Vec<&[u8]> = Vec::new();
    for name in path.split(|byte| *byte == b'/') {
        match name {
            b"" | b"." => {}
            b".." => {
                let path = String::from_utf8_lossy(path);
                return Err(Error::Invalid(format!("read path {path:?}: \"..\" is not allowed in it")));
            }
            name => names.push(name),
        }
    }
    Ok(names.join(&b'/'))
}

/// A path of a tree as people read it.
pub fn display_path(path: &[u8]) -> String {
    format!("/{}", String::from_utf8_lossy(path))
}

/// Finds a node in a snapshot by its normalised path; `None` is the root itself.
///
/// # Errors
/// [`Error::NoPath`] when there is no such entry.
pub fn find_in_snapshot(trees: &TreeReader, entry: &SnapshotEntry, path: &[u8]) -> Result<Option<Node>> {
    Ok(find_with_owners(trees, entry, path)?.map(|(node, _)| node))
}

/// The same with names of users and groups, the node's among them where the snapshot knows them.
pub fn find_with_owners(trees: &TreeReader, entry: &SnapshotEntry, path: &[u8]) -> Result<Option<(Node, Owners)>> {
    match look_up(trees, &entry.snapshot.root, path)? {
        Lookup::Root => Ok(None),
        Lookup::Found(node, owners) => Ok(Some((*node, owners))),
        Lookup::Absent => Err(Error::NoPath { snapshot: entry.id.short(), path: display_path(path) }),
    }
}

/// The same for whoever holds no more than the pages of a root; the error cannot name the snapshot then.
pub fn find_node(trees: &TreeReader, root: &Content, path: &[u8]) -> Result<Option<Node>> {
    match look_up(trees, root, path)? {
        Lookup::Root => Ok(None),
        Lookup::Found(node, _) => Ok(Some(*node)),
        Lookup::Absent => Err(Error::NoPath { snapshot: "with this root".to_owned(), path: display_path(path) }),
    }
}

/// What stands under a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    Root,
    /// The node, and the names that its page has for users and groups.
    Found(Box<Node>, Owners),
    Absent,
}

/// Looks a normalised path up in the tree of `root`.
pub fn look_up(trees: &TreeReader, root: &Content, path: &[u8]) -> Result<Lookup> {
    let mut found: Option<(Node, Owners)> = None;
    for name in path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()) {
        let directory = match &found {
            None => root,
            Some((node, _)) if node.kind == NodeKind::Directory => &node.content,
            Some(_) => return Ok(Lookup::Absent),
        };
        found = find_name(trees, directory, name)?;
        if found.is_none() {
            return Ok(Lookup::Absent);
        }
    }
    Ok(found.map_or(Lookup::Root, |(node, owners)| Lookup::Found(Box::new(node), owners)))
}

/// Finds a name in a directory, halving its pages: names ascend from page to page.
fn find_name(trees: &TreeReader, directory: &Content, name: &[u8]) -> Result<Option<(Node, Owners)>> {
    let pages = trees.extents(directory)?;
    let mut rest = pages.as_slice();
    while !rest.is_empty() {
        let (before, after) = rest.split_at(rest.len() / 2);
        let Some((middle, after)) = after.split_first() else { break };
        let TreePage { mut nodes, owners } = trees.page(middle)?;
        if nodes.first().is_some_and(|first| name < first.name.as_slice()) {
            rest = before;
        } else if nodes.last().is_none_or(|last| last.name.as_slice() < name) {
            rest = after;
        } else {
            let position = nodes.binary_search_by(|node| node.name.as_slice().cmp(name)).ok();
            return Ok(position.map(|position| (nodes.swap_remove(position), owners)));
        }
    }
    Ok(None)
}

/// What a text says before anything is looked up.
enum Reference {
    Latest {
        back: usize,
    },
    /// Lower-case hexadecimal digits.
    Prefix(String),
}

impl Reference {
    fn parse(text: &str) -> Result<Self, String> {
        let back = match text.strip_prefix("latest") {
            Some("") => Some(Ok(0)),
            Some(rest) => rest.strip_prefix('~').map(str::parse),
            None => None,
        };
        match back {
            Some(Ok(back)) => return Ok(Self::Latest { back }),
            Some(Err(_)) => return Err("a number is expected after \"latest~\"".to_owned()),
            None => {}
        }
        if !text.bytes().all(|byte| byte.is_ascii_hexdigit()) || text.is_empty() {
            return Err("expected latest, latest~N or the first digits of an id".to_owned());
        }
        if text.len() < PREFIX_DIGITS {
            return Err(format!("expected at least {PREFIX_DIGITS} digits of an id, got {}", text.len()));
        }
        Ok(Self::Prefix(text.to_ascii_lowercase()))
    }
}

fn is_of(entry: &SnapshotEntry, source: Option<&str>) -> bool {
    source.is_none_or(|source| entry.snapshot.source == source)
}

fn find_latest<'e>(
    entries: &'e [SnapshotEntry],
    source: Option<&str>,
    back: usize,
) -> Result<&'e SnapshotEntry, String> {
    let history = history(entries, source);
    let of = source.map(|source| format!(" of source {source}")).unwrap_or_default();
    if history.is_empty() {
        return Err(format!("there is no snapshot{of}"));
    }
    history.iter().rev().nth(back).copied().ok_or_else(|| match history.len() {
        1 => format!("there is only one snapshot{of}"),
        count => format!("there are only {count} snapshots{of}"),
    })
}

fn find_by_prefix<'e>(
    entries: &'e [SnapshotEntry],
    source: Option<&str>,
    prefix: &str,
) -> Result<&'e SnapshotEntry, String> {
    let begins: Vec<&SnapshotEntry> = entries.iter().filter(|entry| entry.id.to_string().starts_with(prefix)).collect();
    let own = || begins.iter().copied().filter(|entry| is_of(entry, source));
    let living: Vec<&SnapshotEntry> = own().filter(|entry| !entry.forgotten).collect();
    match (living.as_slice(), begins.first()) {
        ([entry], _) => Ok(entry),
        ([_, _, ..], _) => Err(name_candidates(&living)),
        ([], None) => Err("no snapshot has an id that begins so".to_owned()),
        ([], Some(_)) if own().next().is_some() => Err("it was forgotten, and the next prune removes it".to_owned()),
        ([], Some(other)) => Err(format!("it is a snapshot of source {}", other.snapshot.source)),
    }
}

fn name_candidates(entries: &[&SnapshotEntry]) -> String {
    let named: Vec<String> =
        entries.iter().take(NAMED_CANDIDATES).map(|entry| entry.id.to_string().chars().take(12).collect()).collect();
    let others = match entries.len().saturating_sub(NAMED_CANDIDATES) {
        0 => String::new(),
        count => format!(" and {count} more"),
    };
    format!("{} snapshots have ids that begin so: {}{others}", entries.len(), named.join(", "))
}
