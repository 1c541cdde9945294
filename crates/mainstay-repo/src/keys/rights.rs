//! What a key may do, and the error of a key that may not.
//!
//! Owns the names of rights and their numbers in clear slots. Which rights a key has is decided by the secrets in it, and by what it may sign.

use std::fmt;

use crate::error::Error;

/// One right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Right {
    /// Back up.
    Write = 1,
    /// Read snapshots and trees: names, sizes, times.
    List = 2,
    /// Read the content of files.
    Restore = 4,
    /// Forget and prune. Who has all the others too manages keys.
    Maintain = 8,
}

impl Right {
    pub const ALL: [Self; 4] = [Self::Write, Self::List, Self::Restore, Self::Maintain];

    pub fn name(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::List => "list",
            Self::Restore => "restore",
            Self::Maintain => "maintain",
        }
    }
}

/// A set of rights.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Rights(u8);

impl Rights {
    pub const ALL: Self = Self(15);

    pub fn of(rights: &[Right]) -> Self {
        Self(rights.iter().fold(0, |set, right| set | *right as u8))
    }

    /// As a clear slot says it; what is not known is not granted.
    pub(super) fn from_number(number: Option<u8>) -> Self {
        number.map_or(Self::ALL, |number| Self(number & Self::ALL.0))
    }

    pub(super) fn number(self) -> Option<u8> {
        (self != Self::ALL).then_some(self.0)
    }

    pub fn has(self, right: Right) -> bool {
        self.0 & right as u8 != 0
    }

    pub fn names(self) -> Vec<&'static str> {
        Right::ALL.into_iter().filter(|right| self.has(*right)).map(Right::name).collect()
    }
}

impl fmt::Debug for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

impl Error {
    /// The error of a key that lacks a right.
    pub fn not_allowed(verb: &'static str, right: Right) -> Self {
        Self::NotAllowed { verb, right: right.name(), holders: String::new() }
    }
}
