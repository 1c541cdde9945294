//! What a checkup found: for each check whether all is well, and how to make it so.
//!
//! Owns the findings and how the run ends. Checks nothing and prints nothing.

use serde::Serialize;

use crate::exit_code::ExitCode;
use crate::failure::Failure;

/// How well it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Ok,
    Warn,
    Fail,
}

/// One check.
#[derive(Debug, Serialize)]
pub struct Finding {
    pub group: &'static str,
    pub check: &'static str,
    pub state: State,
    pub detail: String,
    pub fix: Option<String>,
    #[serde(skip)]
    exit_code: ExitCode,
}

/// The checks so far, in order.
#[derive(Default)]
pub struct Checkup {
    pub findings: Vec<Finding>,
    group: &'static str,
}

impl Checkup {
    /// Begins a group: the checks that follow belong to it.
    pub fn group(&mut self, name: &'static str) {
        self.group = name;
    }

    pub fn ok(&mut self, check: &'static str, detail: impl Into<String>) {
        self.push(check, (State::Ok, ExitCode::Success), detail.into(), None);
    }

    pub fn warn(&mut self, check: &'static str, detail: impl Into<String>, fix: impl Into<String>) {
        self.push(check, (State::Warn, ExitCode::Incomplete), detail.into(), Some(fix.into()));
    }

    /// A failure ends the run with the exit code of its error.
    pub fn fail(&mut self, check: &'static str, failure: &Failure) {
        let fix = Some(failure.hint().to_owned());
        self.push(check, (State::Fail, failure.exit_code()), failure.message.clone(), fix);
    }

    pub fn count(&self, state: State) -> u64 {
        self.findings.iter().filter(|finding| finding.state == state).count() as u64
    }

    /// The exit code of the first failure, or that of warnings.
    pub fn exit_code(&self) -> ExitCode {
        let of = |state| self.findings.iter().find(|finding| finding.state == state).map(|finding| finding.exit_code);
        of(State::Fail).or(of(State::Warn)).unwrap_or(ExitCode::Success)
    }

    fn push(
        &mut self,
        check: &'static str,
        (state, exit_code): (State, ExitCode),
        detail: String,
        fix: Option<String>,
    ) {
        self.findings.push(Finding { group: self.group, check, state, detail, fix, exit_code });
    }
}
