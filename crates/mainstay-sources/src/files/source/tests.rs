//! Tests of how typed paths become a tree.

use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::Path;
use std::sync::Arc;

use crate::files::testing::{entry, open, read_everything, source};
use crate::files::{FileOptions, FileSource};
use crate::{Directory, Error, Kind, Source as _};

fn names(directory: &Arc<dyn Directory>) -> Vec<String> {
    let listing = directory.list().unwrap();
    assert_eq!((listing.warnings.len(), listing.excluded), (0, 0));
    listing.entries.into_iter().map(|entry| String::from_utf8_lossy(&entry.name).into_owned()).collect()
}

fn roots(paths: &[&Path]) -> Vec<String> {
    let source = FileSource::new(paths, &FileOptions::everything()).unwrap();
    source.roots().into_iter().map(|root| String::from_utf8(root).unwrap()).collect()
}

#[test]
fn only_the_way_to_the_roots_is_shown_with_its_real_metadata() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().canonicalize().unwrap();
    for path in ["u/a/x", "u/b/y", "u/hidden/z"] {
        std::fs::create_dir_all(root.join(path)).unwrap();
    }
    let paths = [root.join("u/a"), root.join("u/b/y")];
    let source = FileSource::new(&paths, &FileOptions::everything()).unwrap();
    assert_eq!(names(&open(&source, &root)), ["u"]);
    let user = open(&source, &root.join("u"));
    assert_eq!(names(&user), ["a", "b"]);
    assert_eq!(names(&open(&source, &root.join("u/b"))), ["y"]);
    assert_eq!(names(&open(&source, &root.join("u/a"))), ["x"]);
    assert_eq!(entry(user.as_ref(), "a").inode, std::fs::metadata(root.join("u/a")).unwrap().ino());
    assert!(matches!(user.open_dir(b"hidden").err(), Some(Error::Refused { .. })));
    assert_eq!(user.display_path(), root.join("u").display().to_string());
}

#[test]
fn nested_and_repeated_roots_are_one() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().canonicalize().unwrap();
    std::fs::create_dir_all(root.join("a/b")).unwrap();
    let (a, b, roundabout) = (root.join("a"), root.join("a/b"), root.join("a/b/../../a"));
    assert_eq!(roots(&[&b, &a, &roundabout, &a]), [a.display().to_string()]);
}

#[test]
fn relative_paths_start_at_the_working_directory() {
    let here = std::env::current_dir().unwrap().canonicalize().unwrap();
    assert_eq!(roots(&[Path::new(".")]), [here.display().to_string()]);
    assert_eq!(roots(&[Path::new("./src/../src")]), [here.join("src").display().to_string()]);
    let parent = here.parent().unwrap().display().to_string();
    assert_eq!(roots(&[Path::new("..")]), [parent]);
}

#[test]
fn a_link_named_as_root_is_backed_up_as_a_link_unless_a_slash_follows() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().canonicalize().unwrap();
    std::fs::create_dir(root.join("real")).unwrap();
    symlink("real", root.join("link")).unwrap();
    let source = source(&root.join("link"), &FileOptions::everything());
    let link = entry(open(&source, &root).as_ref(), "link");
    assert_eq!(link.kind, Kind::Symlink);
    assert_eq!(open(&source, &root).details(&link).unwrap().link_target.unwrap(), b"real");
    let followed = format!("{}/link/", root.display());
    assert_eq!(roots(&[Path::new(&followed)]), [root.join("real").display().to_string()]);
}

#[test]
fn links_above_a_root_are_resolved() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().canonicalize().unwrap();
    std::fs::create_dir_all(root.join("real/sub")).unwrap();
    symlink("real", root.join("link")).unwrap();
    assert_eq!(roots(&[&root.join("link/sub")]), [root.join("real/sub").display().to_string()]);
}

#[test]
fn a_file_may_be_a_root_and_no_rule_leaves_it_out() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().canonicalize().unwrap();
    std::fs::write(root.join("file"), b"bytes").unwrap();
    std::fs::write(root.join("other"), b"").unwrap();
    let mut options = FileOptions::everything();
    options.excludes = vec!["file".to_owned(), root.display().to_string()];
    options.exclude_larger_than = Some(1);
    let source = source(&root.join("file"), &options);
    let parent = open(&source, &root);
    assert_eq!(names(&parent), ["file"]);
    let file = entry(parent.as_ref(), "file");
    assert_eq!(read_everything(parent.open_file(&file).unwrap().as_mut()).1, b"bytes");
    let mut other = file;
    other.name = b"other".to_vec();
    assert!(matches!(parent.open_file(&other).err(), Some(Error::Refused { .. })));
}

#[test]
fn the_whole_file_system_may_be_the_root() {
    let source = source(Path::new("/"), &FileOptions::everything());
    assert_eq!(source.roots(), [b"/".to_vec()]);
    let listed = names(&source.root().unwrap());
    assert!(listed.iter().any(|name| name == "proc") && listed.iter().any(|name| name == "tmp"));
}

#[test]
fn a_root_that_vanishes_is_a_warning_of_its_parent() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().canonicalize().unwrap();
    std::fs::create_dir(root.join("gone")).unwrap();
    let source = source(&root.join("gone"), &FileOptions::everything());
    std::fs::remove_dir(root.join("gone")).unwrap();
    let listing = open(&source, &root).list().unwrap();
    assert_eq!((listing.entries.len(), listing.warnings.len()), (0, 1));
    assert!(listing.warnings[0].path.ends_with("/gone"));
}

#[test]
fn what_does_not_exist_cannot_be_a_root() {
    for path in ["/nowhere-at-all", "/nowhere-at-all/x", "", "/nowhere-at-all/"] {
        let error = FileSource::new(&[path], &FileOptions::everything()).err().expect(path);
        assert!(error.is_vanished(), "{path}: {error}");
    }
    let nothing: [&str; 0] = [];
    let error = FileSource::new(&nothing, &FileOptions::everything()).err();
    assert!(matches!(error, Some(Error::Refused { .. })));
}

#[test]
fn rules_are_read_from_a_text() {
    let mut options = FileOptions::everything();
    options.add_excludes("\u{feff}*.o\r\n# comment\n\n!keep.o");
    assert_eq!(options.excludes, ["*.o", "# comment", "", "!keep.o"]);
}
