//! What a command prints: results on standard output, talk on standard error.
//!
//! Owns both streams, and the choice between text and JSON. Commands never print by themselves. Invariant: with `--json`
//! standard output holds JSON only, one document or lines; text is escaped before it gets here.

pub mod color;
pub mod encode;
pub mod escape;
pub mod progress;
pub mod rate;
pub mod stream;
pub mod table;
pub mod time;
pub mod units;

use std::io::{self, IsTerminal as _, Write as _};

use serde::Serialize;

use crate::failure::Failure;
use color::{Paint, Style};

/// How results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Text,
    Json,
}

/// How much is said beside the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Talk {
    Quiet,
    Normal,
    Verbose,
    /// Every request to the store as well.
    Requests,
}

/// A problem in `--json` output.
#[derive(Serialize)]
struct WarningMessage<'a> {
    message_type: &'static str,
    path: &'a str,
    message: &'a str,
}

/// How a command prints JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One document and no more, so that warnings go to standard error.
    Document,
    /// Lines, warnings among them.
    Lines,
}

/// The two streams and what may go to them.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    pub format: Format,
    pub shape: Shape,
    pub talk: Talk,
    paint_stdout: Paint,
    paint_stderr: Paint,
}

impl Output {
    pub fn new(format: Format, talk: Talk, choice: color::Choice) -> Self {
        Self {
            format,
            shape: Shape::Lines,
            talk,
            paint_stdout: choice.paint(io::stdout().is_terminal()),
            paint_stderr: choice.paint(io::stderr().is_terminal()),
        }
    }

    pub fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// Prints a result: text that ends its own lines.
    pub fn result(&self, text: &str) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes())?;
        Ok(stdout.flush()?)
    }

    /// Prints what came of a run that was not asked for output, so that a quiet one has nothing to say.
    pub fn outcome(&self, text: &str) -> Result<(), Failure> {
        if self.talk == Talk::Quiet { Ok(()) } else { self.result(text) }
    }

    /// Prints a table with its heading.
    pub fn table(&self, table: &table::Table) -> Result<(), Failure> {
        self.result(&table.render(self.paint_stdout))
    }

    /// Paints a part of a result.
    pub fn paint(&self, style: Style, text: &str) -> String {
        self.paint_stdout.apply(style, text)
    }

    /// Prints one JSON document.
    pub fn document(&self, document: &impl Serialize) -> Result<(), Failure> {
        let mut text = serde_json::to_string_pretty(document).map_err(io::Error::from)?;
        text.push('\n');
        self.result(&text)
    }

    /// Prints one line of JSON Lines.
    pub fn message(&self, message: &impl Serialize) -> Result<(), Failure> {
        let mut text = serde_json::to_string(message).map_err(io::Error::from)?;
        text.push('\n');
        self.result(&text)
    }

    /// Says something beside the result; nothing with `--quiet` or `--json`.
    pub fn say(&self, text: &str) {
        if self.talk >= Talk::Normal && !self.is_json() {
            line_to_stderr(text);
        }
    }

    /// Says something only with `--verbose`.
    pub fn detail(&self, text: &str) {
        if self.talk >= Talk::Verbose && !self.is_json() {
            line_to_stderr(text);
        }
    }

    /// Tells of a problem that does not end the run.
    pub fn warn(&self, text: &str) {
        if !self.is_json() {
            let label = self.paint_stderr.apply(Style::Warning, "warning:");
            line_to_stderr(&format!("{label} {text}"));
        }
    }

    /// Tells of a problem by its code, with advice: for runs that finish and are not whole.
    pub fn warn_by_code(&self, failure: &Failure) {
        if !self.is_json() {
            let label = format!("warning[{}]", failure.code.number);
            self.labelled(&self.paint_stderr.apply(Style::Warning, &label), failure);
        }
    }

    /// Tells of a problem as a line of JSON, which never stands beside a document. A reader of standard output that went away is noticed at the
    /// result.
    pub fn warning_message(&self, path: &str, message: &str) {
        let warning = WarningMessage { message_type: "warning", path, message };
        match self.shape {
            Shape::Lines => drop(self.message(&warning)),
            // Plain data always becomes JSON.
            Shape::Document => line_to_stderr(&serde_json::to_string(&warning).unwrap_or_default()),
        }
    }

    /// Tells why the command failed: on standard error, or as the last line of JSON.
    pub fn failure(&self, failure: &Failure) {
        if failure.is_silent() {
            return;
        }
        if self.is_json() {
            // Nobody is left to tell if this cannot be written either; the exit code speaks.
            let _ = self.message(&failure.as_message());
            return;
        }
        if let Some(help) = &failure.help {
            line_to_stderr(help.trim_end());
            return;
        }
        let label = format!("error[{}]", failure.code.number);
        self.labelled(&self.paint_stderr.apply(Style::Error, &label), failure);
    }

    fn labelled(&self, label: &str, failure: &Failure) {
        line_to_stderr(&format!("{label} {}", failure.text()));
        let hint = self.paint_stderr.apply(Style::Hint, "hint:");
        let hint_text = escape::message(failure.hint());
        line_to_stderr(&format!("{hint} {hint_text} (mainstay help {})", failure.code.number));
    }
}

/// Writes a line to standard error, if anybody still listens.
pub fn line_to_stderr(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}
