//! Words that name commands and topics: completion offers them, and the nearest one is named when a word is none of them.
//!
//! Owns the lists. Whether a word makes sense is decided by the command that takes it.

use std::ffi::OsStr;

use clap::builder::{PossibleValue, PossibleValuesParser, StringValueParser, TypedValueParser};
use clap::error::{ContextKind, ContextValue};
use clap::{Arg, Command, Error};

use super::layout::GROUPS;
use crate::failure::catalogue;

/// The commands of `mainstay key`.
const KEY_VERBS: [&str; 4] = ["add", "list", "remove", "export-kit"];
const TOPICS: [&str; 3] = ["exit-codes", "environment", "errors"];

/// What a list of words names.
#[derive(Clone, Copy, Debug)]
pub enum Words {
    Commands,
    /// Commands, topics and errors.
    Topics,
}

impl Words {
    fn list(self) -> Vec<&'static str> {
        let commands = GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).chain(KEY_VERBS);
        match self {
            Self::Commands => commands.collect(),
            Self::Topics => commands.chain(TOPICS).chain(catalogue::ALL.iter().map(|code| code.number)).collect(),
        }
    }

    /// The word that was probably meant.
    pub fn nearest(self, word: &str) -> Option<String> {
        // The parser of the command line judges likeness, so that a typo gets the same answer everywhere.
        let list = Arg::new("word").value_parser(PossibleValuesParser::new(self.list()));
        let error = Command::new("words").arg(list).try_get_matches_from(["words", "--", word]).err()?;
        match error.get(ContextKind::SuggestedValue)? {
            ContextValue::String(nearest) => Some(nearest.clone()),
            _ => None,
        }
    }
}

/// Takes any word, and offers these.
impl TypedValueParser for Words {
    type Value = String;

    fn parse_ref(&self, command: &Command, argument: Option<&Arg>, value: &OsStr) -> Result<String, Error> {
        StringValueParser::new().parse_ref(command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.list().into_iter().map(PossibleValue::new)))
    }
}
