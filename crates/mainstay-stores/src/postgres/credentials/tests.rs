//! Tests of which password is found, and of who may read it.

use super::*;

const WANTED: [&str; 4] = ["host", "5432", "data:base", "me"];

#[test]
fn the_first_line_that_fits_has_the_password() {
    let text = "# host:5432:data\\:base:me:comment\nother:*:*:*:no\nhost:5432:data\\:base:me:a:b\\\\c\n*:*:*:*:last\n";
    assert_eq!(find(text, WANTED).as_deref(), Some("a:b\\c"));
    assert_eq!(find(text, ["third", "1", "x", "y"]).as_deref(), Some("last"));
}

#[test]
fn a_line_that_is_cut_short_has_none() {
    for text in ["", "host", "host:5432:data\\:base:me", "host:5432:data\\:base:me:", "*:*:*:you:x"] {
        assert_eq!(find(text, WANTED), None, "{text}");
    }
}

#[test]
fn a_password_file_that_others_may_read_is_refused_and_the_variable_goes_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pass");
    std::fs::write(&path, "localhost:5432:db:me:hush").unwrap();
    let allow = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    let address = PostgresAddress::parse(b"//me@/db?host=/run/x").unwrap();
    let file = ("PGPASSFILE".to_owned(), path.display().to_string());
    let around = Surroundings::new([file.clone()]);
    allow(0o644);
    let error = password(&address, &around).unwrap_err();
    assert!(error.to_string().contains("0600") && !error.to_string().contains("hush"), "{error}");
    let both = Surroundings::new([file, ("PGPASSWORD".to_owned(), "first".to_owned())]);
    assert_eq!(password(&address, &both).unwrap().as_deref(), Some("first"));
    allow(0o600);
    assert_eq!(password(&address, &around).unwrap().as_deref(), Some("hush"));
    let other = PostgresAddress::parse(b"//you@/db?host=/run/x").unwrap();
    assert_eq!(password(&other, &around).unwrap(), None);
}
