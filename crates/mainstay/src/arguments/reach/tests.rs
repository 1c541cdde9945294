//! Tests of what an address says of the way to it.

use super::*;

fn split(text: &str) -> (String, Way) {
    let (address, way) = Way::split(OsStr::new(text)).unwrap();
    (address.into_string().unwrap(), way)
}

#[test]
fn an_address_says_how_it_is_reached_and_what_is_left_is_the_address() {
    let way = Way { limit_upload: Some(5 << 20), connections: Some(2), ..Way::default() };
    assert_eq!(
        split("s3://bucket/prefix?limit-upload=5MiB&region=eu&connections=2"),
        ("s3://bucket/prefix?region=eu".to_owned(), way)
    );
    let way = Way { limit_download: Some(1 << 10), timeout: Some(30), retries: Some(0), ..Way::default() };
    assert_eq!(
        split("sftp://ada@host/a?timeout=30&retries=0&limit-download=1KiB"),
        ("sftp://ada@host/a".to_owned(), way)
    );
}

#[test]
fn what_says_nothing_of_the_way_is_left_as_it_is() {
    for text in ["s3://bucket/a?region=eu&x", "/a?limit-upload=1", "sqlite:///a?b", "file:///a?b=c", "s3://b/a?"] {
        assert_eq!(split(text), (text.to_owned(), Way::default()));
    }
}

#[test]
fn a_setting_that_is_wrong_is_named() {
    for (setting, said) in [
        ("limit-upload=0", "limit-upload: nothing"),
        ("limit-download=much", "limit-download: "),
        ("connections=0", "connections: 0 is none"),
        ("connections=70000", "connections: expected a number up to 65535"),
        ("timeout=soon", "timeout: expected a number"),
        ("retries=-1", "retries: expected a number"),
    ] {
        let problem = Way::split(OsStr::new(&format!("s3://bucket/a?{setting}"))).unwrap_err();
        assert!(problem.starts_with(said), "{problem}");
    }
}

#[test]
fn an_option_goes_before_what_the_address_says() {
    let (_, named) = split("s3://bucket/a?limit-upload=1MiB&retries=3");
    let options = Way { limit_upload: Some(7), connections: Some(1), ..Way::default() };
    let expected = Way { limit_upload: Some(7), connections: Some(1), retries: Some(3), ..Way::default() };
    assert_eq!(options.or(named), expected);
    assert_eq!(expected.patience().retries, 3);
    assert!(expected.limits().is_some() && Way::default().limits().is_none());
}

#[test]
fn a_store_on_this_machine_takes_no_such_settings_for_a_name() {
    for text in ["sqlite:///a?timeout=1", "file:///a?limit-upload=5MiB&connections=1"] {
        assert!(Way::split(OsStr::new(text)).unwrap_err().starts_with("a store on this machine"), "{text}");
    }
}
