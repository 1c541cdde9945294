//! The tree that golden repositories hold: small, fixed, and with one of everything.
//!
//! Owns its contents and times. A change here changes the next version's golden repository only.

use rustix::fs::{Mode, XattrFlags, mkfifoat, setxattr};
use std::ffi::OsStr;
use std::fs::{self, File, FileTimes, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Where the tree is below a restored target: its marker file tells.
const MARKER: &str = "marker";
const TIME: Duration = Duration::new(1_600_000_000, 123_456_789);

/// Makes the tree of the first snapshot, or changes it into that of the second.
pub fn make(root: &Path, step: usize) -> Result<(), String> {
    let made = match step {
        0 => make_first(root),
        _ => make_second(root),
    };
    made.map_err(|error| format!("make {}: {error}", root.display()))
}

fn make_first(root: &Path) -> std::io::Result<()> {
    for directory in ["", "empty directory", "deep/er/still", "many"] {
        fs::create_dir_all(root.join(directory))?;
    }
    let file = |name: &str, content: &[u8]| fs::write(root.join(name), content);
    file(MARKER, b"golden\n")?;
    file("empty", b"")?;
    file("text", "one line of many, all alike\n".repeat(40_000).as_bytes())?;
    file("noise", &noise(b"noise", 1_500_000))?;
    file("copy of noise", &noise(b"noise", 1_500_000))?;
    file("deep/er/still/leaf", b"leaf")?;
    file("gr\u{fc}n \u{1f33f}", b"a name of several bytes per letter")?;
    fs::write(root.join(OsStr::from_bytes(b"not \xff UTF-8")), "bytes")?;
    for number in 0..300 {
        file(&format!("many/{number:03}"), format!("file {number}\n").as_bytes())?;
    }
    file("linked", b"two names")?;
    fs::hard_link(root.join("linked"), root.join("deep/also linked"))?;
    symlink("deep/er", root.join("symbolic"))?;
    symlink(OsStr::from_bytes(b"nowhere \xfe"), root.join("dangling"))?;
    mkfifoat(rustix::fs::CWD, root.join("fifo"), Mode::from_raw_mode(0o640))?;
    let sparse = File::create(root.join("sparse"))?;
    sparse.set_len(8 << 20)?;
    sparse.write_all_at(b"in the middle", 4 << 20)?;
    setxattr(root.join("text"), "user.golden", b"kept", XattrFlags::empty())?;
    fs::set_permissions(root.join("noise"), Permissions::from_mode(0o400))?;
    fs::set_permissions(root.join("deep/er"), Permissions::from_mode(0o700))?;
    for name in ["text", "noise", "linked", "many", "deep/er", "deep"] {
        set_time(&root.join(name), TIME)?;
    }
    set_time(&root.join("empty"), Duration::ZERO)
}

fn make_second(root: &Path) -> std::io::Result<()> {
    fs::remove_file(root.join("many/007"))?;
    fs::rename(root.join("deep/er/still/leaf"), root.join("moved leaf"))?;
    let text = File::options().write(true).open(root.join("text"))?;
    text.write_all_at(b"another line in the middle", 500_000)?;
    set_time(&root.join("text"), TIME + Duration::from_secs(1))
}

fn set_time(path: &Path, since_epoch: Duration) -> std::io::Result<()> {
    let time = SystemTime::UNIX_EPOCH + since_epoch;
    File::open(path)?.set_times(FileTimes::new().set_modified(time))
}

fn noise(seed: &[u8], bytes: usize) -> Vec<u8> {
    let mut content = vec![0; bytes];
    blake3::Hasher::new().update(seed).finalize_xof().fill(&mut content);
    content
}

/// The restored tree's root, wherever below the target its full path put it.
pub fn restored(target: &Path) -> Result<PathBuf, String> {
    let mut root = target.to_path_buf();
    while !root.join(MARKER).exists() {
        let entries = fs::read_dir(&root).map_err(|error| format!("read {}: {error}", root.display()))?;
        let only = entries.filter_map(Result::ok).map(|entry| entry.path()).next();
        root = only.ok_or_else(|| format!("no tree was restored below {}", target.display()))?;
    }
    Ok(root)
}
