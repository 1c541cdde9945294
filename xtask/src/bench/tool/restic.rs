//! restic's command lines.

use super::{Action, Existing, Place, Reading, Tool, with};
use std::process::Command;

pub struct Restic;

impl Tool for Restic {
    fn name(&self) -> &'static str {
        "restic"
    }

    fn version(&self) -> Command {
        with(Command::new("restic"), ["version"])
    }

    fn commands(&self, place: &Place, action: &Action<'_>) -> Option<Vec<Command>> {
        let restic = |words: &[&str]| {
            let mut command = with(place.command("restic"), words);
            command.env("RESTIC_REPOSITORY", &place.repository).env("RESTIC_PASSWORD_FILE", &place.password_file);
            command
        };
        Some(vec![match action {
            Action::Create => restic(&["init"]),
            Action::Backup { source, reading, .. } => {
                let words: &[&str] = match reading {
                    Reading::Changed => &["backup"],
                    Reading::Everything => &["backup", "--force"],
                };
                with(restic(words), [source])
            }
            Action::Restore { target, existing, .. } => {
                let command = with(restic(&["restore", "latest", "--target"]), [target]);
                match existing {
                    Existing::Empty | Existing::CompareBytes => command,
                    Existing::CompareTimes => with(command, ["--overwrite", "if-changed"]),
                }
            }
            Action::Verify => restic(&["check", "--read-data"]),
            Action::ForgetAndPrune { keep } => restic(&["forget", "--prune", "--keep-last", &keep.to_string()]),
        }])
    }
}
