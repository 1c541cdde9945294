//! Which entries of a snapshot are restored: include and exclude patterns.
//!
//! Owns matching only. Patterns are gitignore's; a path is the one in the snapshot.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use ignore::gitignore::{Gitignore, GitignoreBuilder};
use mainstay_sources::Error;

use crate::Result;

/// What becomes of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    Take,
    /// A directory that was not asked for but may hold something that was.
    Descend,
    Skip,
}

pub struct Filter {
    include: Option<Gitignore>,
    exclude: Option<Gitignore>,
}

impl Filter {
    pub fn new(include: &[String], exclude: &[String]) -> Result<Self> {
        Ok(Self { include: compile(include)?, exclude: compile(exclude)? })
    }

    /// Decides about an entry whose directory was decided as `above`.
    pub fn decide(&self, path: &[u8], is_directory: bool, above: Decision) -> Decision {
        let path = Path::new(OsStr::from_bytes(path));
        let matches = |rules: &Gitignore| rules.matched(path, is_directory).is_ignore();
        if self.exclude.as_ref().is_some_and(matches) {
            return Decision::Skip;
        }
        match &self.include {
            None => Decision::Take,
            Some(_) if above == Decision::Take => Decision::Take,
            Some(rules) if matches(rules) => Decision::Take,
            Some(_) if is_directory => Decision::Descend,
            Some(_) => Decision::Skip,
        }
    }

    /// How the top of what is restored is decided.
    pub fn top(&self) -> Decision {
        if self.include.is_some() { Decision::Descend } else { Decision::Take }
    }
}

fn compile(patterns: &[String]) -> Result<Option<Gitignore>> {
    if patterns.is_empty() {
        return Ok(None);
    }
    let mut builder = GitignoreBuilder::new("");
    builder.allow_unclosed_class(false);
    for pattern in patterns {
        builder.add_line(None, pattern).map_err(|error| Error::rule(pattern, &error))?;
    }
    Ok(Some(builder.build().map_err(|error| Error::rule(&patterns.join("\n"), &error))?))
}
