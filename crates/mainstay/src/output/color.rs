//! Whether and how output is coloured.
//!
//! Owns the rules (`--color`, `NO_COLOR`, `FORCE_COLOR`, `TERM`) and the few styles. Colour never carries meaning alone.

use crate::defaults::variable;

/// What the user says about colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Choice {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    Always,
    Never,
}

/// What kind of text is painted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    Error,
    Warning,
    Hint,
    Heading,
    Good,
}

/// Whether one stream is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    Plain,
    Coloured,
}

/// What the environment says about colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    pub no_color: bool,
    pub force_color: bool,
    pub dumb_terminal: bool,
}

impl Wishes {
    fn read() -> Self {
        Self {
            no_color: variable("NO_COLOR").is_some(),
            force_color: variable("FORCE_COLOR").is_some_and(|value| value != "0"),
            dumb_terminal: variable("TERM").is_none_or(|term| term == "dumb"),
        }
    }
}

impl Choice {
    /// Decides for a stream that is a terminal or not.
    pub fn paint(self, is_terminal: bool) -> Paint {
        self.decide(Wishes::read(), is_terminal)
    }

    fn decide(self, wishes: Wishes, is_terminal: bool) -> Paint {
        let coloured = match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto if wishes.no_color => false,
            Self::Auto if wishes.force_color => true,
            Self::Auto => is_terminal && !wishes.dumb_terminal,
        };
        if coloured { Paint::Coloured } else { Paint::Plain }
    }

    /// The same choice for the parser's help texts and errors.
    pub fn for_parser(self, is_terminal: bool) -> clap::ColorChoice {
        match self.paint(is_terminal) {
            Paint::Coloured => clap::ColorChoice::Always,
            Paint::Plain => clap::ColorChoice::Never,
        }
    }
}

impl Paint {
    /// The text between the codes of its style (ECMA-48 SGR).
    pub fn apply(self, style: Style, text: &str) -> String {
        if self == Self::Plain {
            return text.to_owned();
        }
        let code = match style {
            Style::Error => "1;31",
            Style::Warning => "1;33",
            Style::Hint => "1;36",
            Style::Heading => "1",
            Style::Good => "32",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

#[cfg(test)]
mod tests;
