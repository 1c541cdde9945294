//! Tests of directories beneath a root: rules at work, entries that change, trees too deep for a path.

use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{CWD, Mode};

use crate::files::testing::{
    DeepDirectory, entry, has_attributes, make_chain, open, open_everything, paths_beneath, read_everything, source,
    write_at,
};
use crate::files::{FileOptions, FileSource, raise_open_files};
use crate::{Directory, Error, Kind, Source as _};

fn make(root: &Path, paths: &[&str]) {
    for path in paths {
        let full = root.join(path);
        if path.ends_with('/') {
            std::fs::create_dir_all(full).unwrap();
        } else {
            std::fs::create_dir_all(full.parent().unwrap()).unwrap();
            std::fs::write(full, path).unwrap();
        }
    }
}

fn beneath(root: &Path, options: &FileOptions) -> Vec<String> {
    let root = root.canonicalize().unwrap();
    paths_beneath(&open(&source(&root, options), &root))
}

#[test]
fn rules_leave_out_directories_and_files_and_count_them() {
    let directory = tempfile::tempdir().unwrap();
    make(
        directory.path(),
        &[
            "a.o",
            "a.c",
            "keep.o",
            "cache/x",
            "sub/cache/y",
            "sub/b.o",
            "sub/b.c",
            "target/debug/z",
            "sub/target/debug/z",
        ],
    );
    let mut options = FileOptions::everything();
    options.excludes = ["*.o", "!keep.o", "cache/", "target/debug"].map(str::to_owned).to_vec();
    assert_eq!(
        beneath(directory.path(), &options),
        ["a.c", "keep.o", "sub/", "sub/b.c", "sub/target/", "sub/target/debug/", "sub/target/debug/z", "target/"]
    );
    let root = directory.path().canonicalize().unwrap();
    assert_eq!(open(&source(&root, &options), &root).list().unwrap().excluded, 2);
}

#[test]
fn an_absolute_rule_names_one_place() {
    let directory = tempfile::tempdir().unwrap();
    make(directory.path(), &["tmp/x", "sub/tmp/y"]);
    let mut options = FileOptions::everything();
    let root = directory.path().canonicalize().unwrap();
    options.excludes = vec![format!("{}/tmp", root.display()), "/tmp".to_owned(), "/sub".to_owned()];
    assert_eq!(beneath(&root, &options), ["sub/", "sub/tmp/", "sub/tmp/y"]);
}

#[test]
fn a_cache_keeps_only_its_tag() {
    let directory = tempfile::tempdir().unwrap();
    make(directory.path(), &["cache/x", "cache/sub/y", "not/CACHEDIR.TAG", "not/z"]);
    let tag = "Signature: 8a477f597d28d172789f06886806bc55\n";
    std::fs::write(directory.path().join("cache/CACHEDIR.TAG"), tag).unwrap();
    let mut options = FileOptions::everything();
    assert_eq!(beneath(directory.path(), &options).len(), 8);
    options.exclude_caches = true;
    assert_eq!(
        beneath(directory.path(), &options),
        ["cache/", "cache/CACHEDIR.TAG", "not/", "not/CACHEDIR.TAG", "not/z"]
    );
}

#[test]
fn a_marker_empties_its_directory() {
    let directory = tempfile::tempdir().unwrap();
    make(directory.path(), &["a/.nobackup", "a/x", "a/sub/y", "b/z"]);
    let mut options = FileOptions::everything();
    options.exclude_if_present = vec![b".nobackup".to_vec()];
    assert_eq!(beneath(directory.path(), &options), ["a/", "a/.nobackup", "b/", "b/z"]);
}

#[test]
fn large_files_are_left_out() {
    let directory = tempfile::tempdir().unwrap();
    make(directory.path(), &["12345", "123456", "1234567/"]);
    let mut options = FileOptions::everything();
    options.exclude_larger_than = Some(5);
    assert_eq!(beneath(directory.path(), &options), ["12345", "1234567/"]);
}

#[test]
fn other_file_systems_are_not_entered() {
    let mut options = FileOptions::everything();
    options.one_file_system = true;
    let root = FileSource::new(&["/"], &options).unwrap().root().unwrap();
    let device = std::fs::metadata("/").unwrap().dev();
    let listing = root.list().unwrap();
    let mounts = listing.entries.iter().filter(|entry| entry.kind == Kind::Directory && entry.device != device);
    let mut count = 0;
    for mount in mounts {
        let Ok(opened) = root.open_dir(&mount.name) else {
            continue;
        };
        assert!(opened.list().unwrap().entries.is_empty(), "{} is left empty", opened.display_path());
        count += 1;
    }
    assert!(count > 0 || !Path::new("/proc/self").exists(), "at least /proc is another file system");
    // Named as a root it is one of those that may be entered.
    if Path::new("/proc/self").exists() {
        let both = FileSource::new(&["/", "/proc"], &options).unwrap().root().unwrap();
        assert!(!both.open_dir(b"proc").unwrap().list().unwrap().entries.is_empty());
    }
}

#[test]
fn a_directory_can_be_listed_twice_and_by_many_at_once() {
    let directory = tempfile::tempdir().unwrap();
    for number in 0..3000 {
        std::fs::write(directory.path().join(format!("file-{number}")), b"").unwrap();
    }
    let open = open_everything(directory.path());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(open.list().unwrap().entries.len(), 3000));
        }
    });
    assert_eq!(open.list().unwrap().entries.len(), 3000);
}

#[test]
fn a_file_that_vanished_is_said_to_have() {
    let directory = tempfile::tempdir().unwrap();
    make(directory.path(), &["file", "directory/"]);
    let open = open_everything(directory.path());
    let (file, subdirectory) = (entry(open.as_ref(), "file"), entry(open.as_ref(), "directory"));
    std::fs::remove_file(directory.path().join("file")).unwrap();
    std::fs::remove_dir(directory.path().join("directory")).unwrap();
    assert!(open.open_file(&file).err().unwrap().is_vanished());
    assert!(open.details(&file).err().unwrap().is_vanished());
    assert!(open.open_dir(&subdirectory.name).err().unwrap().is_vanished());
    assert!(open.details(&subdirectory).err().unwrap().is_vanished());
}

#[test]
fn what_takes_the_place_of_a_file_is_not_read_and_does_not_hang() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    let secret = directory.path().join("secret");
    std::fs::write(&secret, b"secret").unwrap();
    type Replace<'a> = &'a dyn Fn();
    let mut listeners = std::cell::RefCell::new(Vec::new());
    let replacements: [(&str, Replace<'_>); 5] = [
        ("a FIFO", &|| rustix::fs::mkfifoat(CWD, &path, Mode::RWXU).unwrap()),
        ("a link", &|| symlink(&secret, &path).unwrap()),
        ("another file", &|| std::fs::write(&path, b"other").unwrap()),
        ("a socket", &|| listeners.borrow_mut().push(std::os::unix::net::UnixListener::bind(&path).unwrap())),
        ("a directory", &|| std::fs::create_dir(&path).unwrap()),
    ];
    for (what, replace) in replacements {
        std::fs::write(&path, b"file").unwrap();
        let open = open_everything(directory.path());
        let listed = entry(open.as_ref(), "file");
        // Moved, not removed, so that its inode is not used again.
        std::fs::rename(&path, directory.path().join(format!("moved for {what}"))).unwrap();
        replace();
        let error = open.open_file(&listed).err().expect(what);
        assert!(matches!(error, Error::Replaced { .. }), "{what}: {error}");
        let _ = std::fs::remove_file(&path);
    }
    assert_eq!(listeners.get_mut().len(), 1);
}

#[test]
fn what_takes_the_place_of_a_directory_is_not_entered() {
    let directory = tempfile::tempdir().unwrap();
    make(directory.path(), &["outside/secret", "inside/"]);
    let open = open_everything(&directory.path().join("inside"));
    symlink("../outside", directory.path().join("inside/link")).unwrap();
    std::fs::write(directory.path().join("inside/file"), b"").unwrap();
    for name in [b"link".as_slice(), b"file"] {
        assert!(matches!(open.open_dir(name).err(), Some(Error::Replaced { .. })));
    }
    for name in [b"..".as_slice(), b".", b"", b"a/b", b"/"] {
        assert!(matches!(open.open_dir(name).err(), Some(Error::Refused { .. })), "{name:?}");
    }
}

#[test]
fn a_link_is_read_and_not_followed() {
    let directory = tempfile::tempdir().unwrap();
    symlink("\u{fc} nowhere/../x", directory.path().join("link")).unwrap();
    let open = open_everything(directory.path());
    let link = entry(open.as_ref(), "link");
    assert_eq!(link.kind, Kind::Symlink);
    assert_eq!(open.details(&link).unwrap().link_target.unwrap(), "\u{fc} nowhere/../x".as_bytes());
    assert!(matches!(open.open_file(&link).err(), Some(Error::Replaced { .. })));
}

#[test]
fn names_that_are_not_text_are_entries_like_others() {
    use std::os::unix::ffi::OsStrExt as _;
    let directory = tempfile::tempdir().unwrap();
    let name = std::ffi::OsStr::from_bytes(b"\xff\x01 \n*");
    std::fs::create_dir(directory.path().join(name)).unwrap();
    std::fs::write(directory.path().join(name).join(name), b"bytes").unwrap();
    let open = open_everything(directory.path());
    let found = open.list().unwrap().entries;
    assert_eq!(found[0].name, b"\xff\x01 \n*");
    let inner = open.open_dir(&found[0].name).unwrap();
    let file = inner.list().unwrap().entries.remove(0);
    assert_eq!(read_everything(inner.open_file(&file).unwrap().as_mut()).1, b"bytes");
    assert_eq!(inner.details(&file).unwrap().link_target, None);
}

/// Opens the chain made by `make_chain` to its end, holding every directory as a walk does.
fn descend(open: Arc<dyn Directory>, depth: usize) -> Vec<Arc<dyn Directory>> {
    let mut held = vec![open];
    for _ in 0..depth {
        let last = held.last().unwrap();
        let entries = last.list().unwrap().entries;
        assert_eq!(entries.len(), 1);
        let next = last.open_dir(&entries[0].name).unwrap();
        held.push(next);
    }
    held
}

#[test]
fn paths_longer_than_the_kernel_takes_are_read() {
    let directory = DeepDirectory::new();
    let depth = 300;
    let last = make_chain(directory.path(), &"n".repeat(200), depth);
    write_at(&last, "file", b"deep");
    if has_attributes(directory.path()) {
        let path = crate::files::attributes::entry_path(std::os::fd::AsFd::as_fd(&last), b"file");
        rustix::fs::setxattr(path, "user.deep", b"1", rustix::fs::XattrFlags::empty()).unwrap();
    }
    let mut options = FileOptions::everything();
    options.excludes = vec!["*.o".to_owned(), "/nowhere".to_owned()];
    let root = directory.path().canonicalize().unwrap();
    let held = descend(open(&source(&root, &options), &root), depth);
    let deepest = held.last().unwrap();
    let file = entry(deepest.as_ref(), "file");
    assert_eq!(read_everything(deepest.open_file(&file).unwrap().as_mut()).1, b"deep");
    let details = deepest.details(&file).unwrap();
    let has_deep = details.attributes.iter().any(|(name, _)| name == b"user.deep");
    assert_eq!(has_deep, has_attributes(directory.path()));
    assert!(deepest.display_path().len() < 5000);
}

#[test]
fn five_thousand_levels_neither_overflow_the_stack_nor_cost_a_path_each() {
    // Where so many files may not be open, fewer levels show the same.
    let allowed = raise_open_files().unwrap_or(u64::MAX);
    let depth = 5000.min(usize::try_from(allowed).unwrap_or(usize::MAX).saturating_sub(200));
    let directory = DeepDirectory::new();
    let last = make_chain(directory.path(), "d", depth);
    write_at(&last, "file", b"deep");
    // A thread with a small stack: a recursive drop would overflow it.
    let root = directory.path().to_owned();
    let thread = std::thread::Builder::new().stack_size(128 * 1024);
    let walked = thread.spawn(move || {
        let held = descend(open_everything(&root), depth);
        assert_eq!(held.last().unwrap().list().unwrap().entries[0].name, b"file");
    });
    walked.unwrap().join().unwrap();
}
