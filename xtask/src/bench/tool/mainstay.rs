//! Mainstay's command lines: a default repository with a generated key.

use super::{Action, Existing, Place, Reading, Tool, with};
use std::path::{Path, PathBuf};
use std::process::Command;

pub struct Mainstay {
    binary: PathBuf,
}

impl Mainstay {
    pub fn new(binary: &Path) -> Self {
        Self { binary: binary.to_path_buf() }
    }
}

impl Tool for Mainstay {
    fn name(&self) -> &'static str {
        "mainstay"
    }

    fn version(&self) -> Command {
        with(Command::new(&self.binary), ["--version"])
    }

    fn commands(&self, place: &Place, action: &Action<'_>) -> Option<Vec<Command>> {
        let mainstay = |words: &[&str]| {
            let mut command = with(place.command(&self.binary), words);
            command.env("MAINSTAY_REPO", &place.repository);
            command
        };
        Some(match action {
            Action::Create => vec![mainstay(&["init"])],
            Action::Backup { source, reading, .. } => {
                let words: &[&str] = match reading {
                    Reading::Changed => &["backup"],
                    Reading::Everything => &["backup", "--type", "full"],
                };
                vec![with(mainstay(words), [source])]
            }
            Action::Restore { target, existing, .. } => {
                let command = with(mainstay(&["restore", "latest", "--target"]), [target]);
                vec![match existing {
                    Existing::Empty => command,
                    Existing::CompareBytes => with(command, ["--overwrite", "always"]),
                    Existing::CompareTimes => with(command, ["--overwrite", "if-changed"]),
                }]
            }
            Action::Verify => vec![mainstay(&["verify"])],
            Action::ForgetAndPrune { keep } => {
                vec![mainstay(&["forget", "--keep-last", &keep.to_string()]), mainstay(&["prune", "--hold", "0d"])]
            }
        })
    }
}
