//! Tests of which service is found, and to whom its password goes.

use super::*;

const FILE_OF_TWO: &str = "# me\n[other]\npassword=no\n\n [backups] \n# user=nobody\nhost=db.example.com\nport=5433\ndbname=b\nuser=ada\npassword=a=b\nsslmode=\n[third]\nuser=x\n";

/// What is found with this file as one's own.
fn found(text: &str, mode: u32, address: &str) -> io::Result<Option<Service>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("services");
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let around = Surroundings::new([
        pair("PGSERVICE", "backups"),
        pair("PGSERVICEFILE", &path.display().to_string()),
        pair("PGSYSCONFDIR", &folder.path().display().to_string()),
    ]);
    find(&PostgresAddress::parse(address.as_bytes()).unwrap(), &around)
}

#[test]
fn the_settings_of_the_named_service_are_found() {
    let service = found(FILE_OF_TWO, 0o600, "//DB.example.com:5433/b").unwrap().unwrap();
    assert_eq!((service.user.as_deref(), service.password.as_deref()), (Some("ada"), Some("a=b")));
    assert!(found(FILE_OF_TWO, 0o600, "//ada@db.example.com:5433/b").unwrap().is_some());
}

#[test]
fn the_password_of_a_service_goes_to_no_other_server_database_or_user() {
    for address in [
        "//db.example.org:5433/b",
        "//db.example.com/b",
        "//db.example.com:5433/c",
        "//bob@db.example.com:5433/b",
        "//:5433/b?host=/run",
    ] {
        assert!(found(FILE_OF_TWO, 0o600, address).unwrap().is_none(), "{address}");
    }
}

#[test]
fn a_service_that_names_no_server_is_about_all() {
    let service = found("[backups]\npassword=hush", 0o600, "//me@/db?host=/run/x").unwrap().unwrap();
    assert_eq!((service.user, service.password.as_deref()), (None, Some("hush")));
}

#[test]
fn a_service_that_no_file_has_is_an_error() {
    for text in ["", "backups", "[other]\nuser=x", "#[backups]"] {
        let error = found(text, 0o600, "//host/db").err().unwrap();
        assert!(error.to_string().contains("\"backups\""), "{error}");
    }
}

#[test]
fn only_a_file_with_its_password_must_be_private() {
    let error = found("[backups]\npassword=hush", 0o644, "//host/db").err().unwrap();
    assert!(error.to_string().contains("0600") && !error.to_string().contains("hush"), "{error}");
    assert!(found("[other]\npassword=hush\n[backups]\nuser=me", 0o644, "//host/db").unwrap().is_some());
}

#[test]
fn what_holds_for_the_machine_serves_where_there_is_no_own_file() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(FILE), "[backups]\nuser=me\n").unwrap();
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let system = pair("PGSYSCONFDIR", &folder.path().display().to_string());
    let around = Surroundings::new([pair("PGSERVICE", "backups"), pair("HOME", "/nonexistent"), system]);
    let service = find(&PostgresAddress::parse(b"//host/db").unwrap(), &around).unwrap().unwrap();
    assert_eq!(service.user.as_deref(), Some("me"));
}
