//! Tests of the command lines: each tool is asked for the same work.

use super::*;
use std::ffi::OsStr;

fn place() -> Place {
    Place {
        repository: PathBuf::from("/s/repository"),
        home: PathBuf::from("/s/home"),
        password_file: PathBuf::from("/s/home/password"),
    }
}

fn words(tool: &dyn Tool, action: &Action<'_>) -> Option<Vec<String>> {
    let commands = tool.commands(&place(), action)?;
    let lines = commands.iter().map(|command| {
        let arguments = command.get_args().map(OsStr::to_string_lossy);
        arguments.collect::<Vec<_>>().join(" ")
    });
    Some(lines.collect())
}

#[test]
fn a_forced_backup_believes_no_cache() {
    let action = Action::Backup { source: Path::new("/data"), reading: Reading::Everything, number: 2 };
    let mainstay = mainstay::Mainstay::new(Path::new("mainstay"));
    assert_eq!(words(&mainstay, &action).expect("can"), ["backup --type full /data"]);
    assert_eq!(words(&restic::Restic, &action).expect("can"), ["backup --force /data"]);
    assert_eq!(words(&rustic::Rustic, &action).expect("can"), ["backup --force /data"]);
    assert_eq!(words(&borg::Borg, &action).expect("can"), ["create --files-cache=disabled ::backup-0002 /data"]);
    assert_eq!(words(&tar::Tar, &action), None);
}

#[test]
fn forgetting_is_followed_by_pruning() {
    let action = Action::ForgetAndPrune { keep: 2 };
    let mainstay = mainstay::Mainstay::new(Path::new("mainstay"));
    assert_eq!(words(&mainstay, &action).expect("can"), ["forget --keep-last 2", "prune --hold 0d"]);
    assert_eq!(words(&borg::Borg, &action).expect("can"), ["prune --keep-last 2", "compact"]);
    assert_eq!(words(&tar::Tar, &action), None);
}

#[test]
fn a_measured_program_sees_only_its_own_home() {
    let command = place().command("x");
    let names: Vec<_> = command.get_envs().map(|(name, _)| name.to_string_lossy()).collect();
    for name in ["HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"] {
        assert!(names.iter().any(|found| found == name), "{name}");
    }
}
