//! Tests of which password is found, and of who may read it.

use super::*;

const WANTED: [&str; 4] = ["host", "5432", "data:base", "me"];

#[test]
fn the_first_line_that_fits_has_the_password() {
    let text = "# host:5432:data\\:base:me:comment\nother:*:*:*:no\nhost:5432:data\\:base:me:a:b\\\\c\n*:*:*:*:last\n";
    assert_eq!(fitting(text, WANTED).as_deref(), Some("a:b\\c"));
    assert_eq!(fitting(text, ["third", "1", "x", "y"]).as_deref(), Some("last"));
}

#[test]
fn a_line_that_is_cut_short_has_none() {
    for text in ["", "host", "host:5432:data\\:base:me", "host:5432:data\\:base:me:", "*:*:*:you:x"] {
        assert_eq!(fitting(text, WANTED), None, "{text}");
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
    let error = find(&address, &around).err().unwrap();
    assert!(error.to_string().contains("0600") && !error.to_string().contains("hush"), "{error}");
    let both = Surroundings::new([file, ("PGPASSWORD".to_owned(), "first".to_owned())]);
    assert_eq!(find(&address, &both).unwrap().password.as_deref(), Some("first"));
    allow(0o600);
    assert_eq!(find(&address, &around).unwrap().password.as_deref(), Some("hush"));
    let other = PostgresAddress::parse(b"//you@/db?host=/run/x").unwrap();
    assert_eq!(find(&other, &around).unwrap().password, None);
}

#[test]
fn a_service_goes_before_the_variables_and_the_password_file_behind_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("services");
    std::fs::write(&path, "[backups]\nhost=host\nuser=ada\npassword=hush\n").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let pairs =
        [("PGSERVICE", "backups"), ("PGSERVICEFILE", path.to_str().unwrap()), ("PGUSER", "me"), ("PGPASSWORD", "b")];
    let around = Surroundings::new(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let of = |address: &str| {
        let found = find(&PostgresAddress::parse(address.as_bytes()).unwrap(), &around).unwrap();
        (found.user.unwrap(), found.password.unwrap())
    };
    assert_eq!(of("//host/db"), ("ada".to_owned(), "hush".to_owned()));
    assert_eq!(of("//elsewhere/db"), ("me".to_owned(), "b".to_owned()));
}
