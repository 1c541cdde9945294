//! Borg's command lines.

use super::{Action, Existing, Place, Reading, Tool, with};
use std::process::Command;

pub struct Borg;

impl Tool for Borg {
    fn name(&self) -> &'static str {
        "borg"
    }

    fn version(&self) -> Command {
        with(Command::new("borg"), ["--version"])
    }

    fn commands(&self, place: &Place, action: &Action<'_>) -> Option<Vec<Command>> {
        let borg = |words: &[&str]| {
            let mut command = with(place.command("borg"), words);
            command
                .env("BORG_REPO", &place.repository)
                .env("BORG_PASSCOMMAND", format!("cat {}", place.password_file.display()));
            command
        };
        let archive = |number: &usize| format!("::backup-{number:04}");
        Some(match action {
            // BLAKE2 is the faster of the two where the processor has no SHA instructions.
            Action::Create => vec![borg(&["init", "--encryption", "repokey-blake2"])],
            Action::Backup { source, reading, number } => {
                let words: &[&str] = match reading {
                    Reading::Changed => &["create"],
                    Reading::Everything => &["create", "--files-cache=disabled"],
                };
                vec![with(with(borg(words), [archive(number)]), [source])]
            }
            Action::Restore { existing: Existing::CompareTimes, .. } => return None,
            Action::Restore { target, number, .. } => {
                let mut command = borg(&["extract", &archive(number)]);
                command.current_dir(target);
                vec![command]
            }
            Action::Verify => vec![borg(&["check", "--verify-data"])],
            Action::ForgetAndPrune { keep } => {
                vec![borg(&["prune", "--keep-last", &keep.to_string()]), borg(&["compact"])]
            }
        })
    }
}
