//! The exit codes: what a script learns from a run.
//!
//! Owns the numbers and their meaning; the numbers follow restic where it has one. Never decides which error gets which
//! code: the catalogue in `failure` does.

use std::fmt::Write as _;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitCode {
    Success,
    Failure,
    Usage,
    Incomplete,
    Damage,
    NoRepository,
    Busy,
    WrongKey,
    Unreachable,
    NoSpace,
    Rewound,
    Refused,
    Configuration,
    Interrupted,
    Terminated,
}

impl ExitCode {
    pub const ALL: [Self; 15] = [
        Self::Success,
        Self::Failure,
        Self::Usage,
        Self::Incomplete,
        Self::Damage,
        Self::NoRepository,
        Self::Busy,
        Self::WrongKey,
        Self::Unreachable,
        Self::NoSpace,
        Self::Rewound,
        Self::Refused,
        Self::Configuration,
        Self::Interrupted,
        Self::Terminated,
    ];

    pub fn number(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failure => 1,
            Self::Usage => 2,
            Self::Incomplete => 3,
            Self::Damage => 4,
            Self::NoRepository => 10,
            Self::Busy => 11,
            Self::WrongKey => 12,
            Self::Unreachable => 13,
            Self::NoSpace => 14,
            Self::Rewound => 15,
            Self::Refused => 16,
            Self::Configuration => 17,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }

    pub fn meaning(self) -> &'static str {
        match self {
            Self::Success => "done, without warnings",
            Self::Failure => "not done",
            Self::Usage => "the command line makes no sense",
            Self::Incomplete => "finished, with warnings: something could not be read or written",
            Self::Damage => "damage found in the repository",
            Self::NoRepository => "there is no repository here",
            Self::Busy => "another session stands in the way",
            Self::WrongKey => "no key, one that does not open the repository, or one that may not do this",
            Self::Unreachable => "the store does not answer or refuses",
            Self::NoSpace => "the store is full, or the target of a restore",
            Self::Rewound => "the history was rewound, or lacks a snapshot",
            Self::Refused => "refused, because something would be lost",
            Self::Configuration => "the surroundings (environment, files) are not usable",
            Self::Interrupted => "stopped by Ctrl-C (SIGINT)",
            Self::Terminated => "stopped by SIGTERM",
        }
    }

    /// The table that `mainstay help exit-codes` prints.
    pub fn table() -> String {
        let mut text = String::new();
        for code in Self::ALL {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{:>5}  {}", code.number(), code.meaning());
        }
        text.push_str("\nOther numbers below 30 are kept for later.\n");
        text
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code.number())
    }
}
