//! Tests of the file's grammar and of who may read it.

use super::*;

fn found(text: &str, host: &str) -> Option<(String, String)> {
    entry(text, host).map(|found| (found.user, found.password))
}

fn pair(user: &str, password: &str) -> Option<(String, String)> {
    Some((user.to_owned(), password.to_owned()))
}

#[test]
fn the_entry_of_the_host_is_found() {
    let text = "machine other login a password b\nmachine Host.example\n  login me\n  password hush # not a comment\n";
    assert_eq!(found(text, "host.example"), pair("me", "hush"));
    assert_eq!(found(text, "other"), pair("a", "b"));
    assert_eq!(found(text, "third"), None);
}

#[test]
fn the_default_entry_is_for_all_others() {
    let text = "machine one login a password b\ndefault login c password d";
    assert_eq!(found(text, "one"), pair("a", "b"));
    assert_eq!(found(text, "two"), pair("c", "d"));
}

#[test]
fn comments_macros_and_quotes_are_understood() {
    let text = "# machine host login wrong password wrong\nmacdef init\nmachine host login no password no\n\n\
        machine host account x login \"a user\" password \"with \\\"quotes\\\" and \\\\\"\nmachine z login q";
    assert_eq!(found(text, "host"), pair("a user", "with \"quotes\" and \\"));
    assert_eq!(found(text, "z"), pair("q", ""));
}

#[test]
fn a_file_that_is_cut_short_names_nobody_else() {
    for text in
        ["machine", "machine host", "machine host login", "machine host login \"open", "machine host password p"]
    {
        assert_eq!(found(text, "host"), None, "{text}");
    }
}

#[test]
fn a_password_that_others_may_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("netrc");
    assert!(find(&path, "host").unwrap().is_none(), "no file");
    std::fs::write(&path, "machine host login me password hush").unwrap();
    let allow = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    allow(0o644);
    let error = find(&path, "host").map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("0600") && !error.to_string().contains("hush"), "{error}");
    assert!(find(&path, "other").unwrap().is_none(), "nothing that is used");
    allow(0o600);
    assert!(find(&path, "host").unwrap().is_some_and(|found| found.user == "me" && found.password == "hush"));
}
