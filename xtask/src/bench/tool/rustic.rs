//! rustic's command lines.

use super::{Action, Existing, Place, Reading, Tool, with};
use std::process::Command;

pub struct Rustic;

impl Tool for Rustic {
    fn name(&self) -> &'static str {
        "rustic"
    }

    fn version(&self) -> Command {
        with(Command::new("rustic"), ["--version"])
    }

    fn commands(&self, place: &Place, action: &Action<'_>) -> Option<Vec<Command>> {
        let rustic = |words: &[&str]| {
            let mut command = with(place.command("rustic"), words);
            command.env("RUSTIC_REPOSITORY", &place.repository).env("RUSTIC_PASSWORD_FILE", &place.password_file);
            command
        };
        Some(vec![match action {
            Action::Create => rustic(&["init"]),
            Action::Backup { source, reading, .. } => {
                let words: &[&str] = match reading {
                    Reading::Changed => &["backup"],
                    Reading::Everything => &["backup", "--force"],
                };
                with(rustic(words), [source])
            }
            Action::Restore { target, existing, .. } => {
                let words: &[&str] = match existing {
                    Existing::Empty | Existing::CompareTimes => &["restore", "latest"],
                    Existing::CompareBytes => &["restore", "--verify-existing", "latest"],
                };
                with(rustic(words), [target])
            }
            Action::Verify => rustic(&["check", "--read-data"]),
            Action::ForgetAndPrune { keep } => rustic(&["forget", "--prune", "--keep-last", &keep.to_string()]),
        }])
    }
}
