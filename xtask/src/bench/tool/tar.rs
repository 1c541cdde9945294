//! `tar | zstd -T0 -3`: no encryption and no deduplication, the yardstick for plain work.

use super::{Action, Existing, Place, Reading, Tool, with};
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Command;

pub struct Tar;

impl Tool for Tar {
    fn name(&self) -> &'static str {
        "tar"
    }

    fn version(&self) -> Command {
        let script = "command -v tar >/dev/null && zstd --version | tr -d '*'";
        with(Command::new("bash"), ["-c", script])
    }

    fn commands(&self, place: &Place, action: &Action<'_>) -> Option<Vec<Command>> {
        let archive = place.repository.join("backup.tar.zst");
        let script = |script: &str, path: &Path| {
            let script = format!("set -euo pipefail; {script}");
            let command = with(place.command("bash"), ["-c", &script, "bash"]);
            with(command, [archive.as_os_str(), path.as_os_str()])
        };
        Some(vec![match action {
            Action::Create => {
                // An archive has no repository to create, only a directory to stand in.
                fs::create_dir_all(&place.repository).ok()?;
                return Some(Vec::new());
            }
            Action::Backup { source, reading: Reading::Changed, number: 0 } => script(
                "tar -cf - -C \"$(dirname \"$2\")\" \"$(basename \"$2\")\" | zstd -q -f -T0 -3 -o \"$1\"",
                source,
            ),
            Action::Restore { existing: Existing::CompareTimes, .. } => return None,
            Action::Restore { target, .. } => script("zstd -dc \"$1\" | tar -xf - -C \"$2\"", target),
            Action::Verify => script("zstd -dc \"$1\" | tar -tf - >/dev/null", OsStr::new("").as_ref()),
            Action::Backup { .. } | Action::ForgetAndPrune { .. } => return None,
        }])
    }
}
