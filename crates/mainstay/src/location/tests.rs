//! Tests of the forms of a repository's address.

use super::*;

fn path_of(text: &str) -> Option<String> {
    let location = Location::find(Some(OsStr::new(text)), Patience::default()).ok()?;
    assert_eq!(location.choice, Choice::Named);
    Some(location.directory()?.to_string_lossy().into_owned())
}

#[test]
fn paths_and_file_addresses_name_a_directory_of_this_machine() {
    for (text, path) in [
        ("/srv/backup", "/srv/backup"),
        ("file:///srv/backup", "/srv/backup"),
        ("FILE:///srv/backup", "/srv/backup"),
        ("file://localhost/srv/backup", "/srv/backup"),
        ("file:///srv/my%20disk%2f1", "/srv/my disk/1"),
        ("/srv/odd:name", "/srv/odd:name"),
    ] {
        assert_eq!(path_of(text).as_deref(), Some(path), "{text}");
    }
    let relative = path_of("disk:1/backup").expect("a path with a colon");
    assert!(relative.starts_with('/') && relative.ends_with("/disk:1/backup"), "{relative}");
}

#[test]
fn other_kinds_of_stores_are_named_in_the_error() {
    for text in [
        "b2://bucket/prefix",
        "s3:bucket/prefix",
        "sftp:user@host:/path",
        "https://example.org/x",
        "rclone:remote:x",
        "opendal:swift:x",
        "host:/srv/backup",
        "me@host:/srv/backup",
    ] {
        let failure = Location::find(Some(OsStr::new(text)), Patience::default()).map(|_| ()).expect_err(text);
        assert_eq!(failure.code.number, "MS-1003");
        assert!(failure.message.contains(text), "{}", failure.message);
    }
}

#[test]
fn file_addresses_of_other_hosts_or_without_a_path_are_refused() {
    for text in ["file://server/x", "file://", "file:///x%", "file:///x%zz", "file:///a%00b"] {
        assert!(Location::find(Some(OsStr::new(text)), Patience::default()).is_err(), "{text}");
    }
}

#[test]
fn a_quoted_path_is_one_word_of_a_shell() {
    for (path, quoted_path) in
        [("/srv/backup", "/srv/backup"), ("/srv/my disk", "'/srv/my disk'"), ("it's", r"'it'\''s'"), ("", "''")]
    {
        assert_eq!(quoted(Path::new(path)), quoted_path);
    }
}

#[test]
fn no_password_of_an_address_is_shown() {
    for text in [
        "postgresql://me:hush@db/x",
        "postgres://me:hush@db",
        "ftp://me:hush@h/x?password=hush",
        "s3://k:hush@b/x",
        "opendal:swift?token=hush",
        "opendal://swift/x?token=hush",
    ] {
        let failure = Location::find(Some(OsStr::new(text)), Patience::default()).map(|_| ()).expect_err(text);
        assert!(!failure.message.contains("hush"), "{}", failure.message);
    }
}
