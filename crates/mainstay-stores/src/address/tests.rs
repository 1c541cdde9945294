//! Tests of what is an address.

use super::*;

fn parse(text: &str) -> Result<String, String> {
    let (scheme, rest) = text.split_once(':').unwrap();
    let address = Address::parse(scheme, rest.as_bytes()).expect("a scheme of ours");
    address.map(|address| address.to_string()).map_err(|error| error.0)
}

#[test]
fn an_address_is_shown_as_it_was_given() {
    for text in [
        "sqlite:///mnt/stick/backup.db",
        "sqlite:///mnt/my%20stick/100%25.db",
        "s3://bucket",
        "s3://bucket/some/prefix",
        "s3://bucket/prefix?endpoint=http://127.0.0.1:9000&region=eu-1&style=path&conditions=off",
        "gs://bucket/prefix?endpoint=http://localhost:4443",
        "az://container/prefix?account=name",
    ] {
        assert_eq!(parse(text), Ok(text.to_owned()));
    }
    assert_eq!(parse("s3://bucket/prefix/"), Ok("s3://bucket/prefix".to_owned()));
    assert_eq!(parse("s3://bucket/?region=a%20b"), Ok("s3://bucket?region=a b".to_owned()));
}

#[test]
fn a_scheme_of_something_else_is_left_to_others() {
    assert_eq!(Address::parse("file", b"///tmp"), None);
}

#[test]
fn what_is_no_address_is_told_with_what_was_expected() {
    for (text, said) in [
        ("s3://", "expected s3://BUCKET/PREFIX"),
        ("s3:bucket", "expected s3://BUCKET/PREFIX"),
        ("gs:///prefix", "expected gs://BUCKET/PREFIX"),
        ("s3://key:secret@bucket/x", "credentials do not belong into an address"),
        ("s3://bucket/a//b", "in parts between slashes"),
        ("s3://bucket/../b", "in parts between slashes"),
        ("s3://bucket/a b", "in parts between slashes"),
        (
            "s3://bucket?regoin=x",
            "there is no setting `regoin`; there are endpoint, region, style, conditions, storage-class",
        ),
        ("gs://bucket?region=x", "there is no setting `region`; there are endpoint, conditions"),
        ("s3://bucket?style=pathlike", "expected path or virtual for the setting `style`"),
        ("s3://bucket?region=", "expected a value for the setting `region`"),
        ("s3://bucket?region=a&region=b", "the setting `region` stands there twice"),
        ("sqlite://relative.db", "expected sqlite:///FILE"),
        ("sqlite:///directory/", "expected sqlite:///FILE"),
    ] {
        let error = parse(text).expect_err(text);
        assert!(error.contains(said), "{text}: {error}");
    }
}

#[test]
fn places_are_compared_by_what_lies_in_them() {
    let cloud = |text: &str| {
        let (scheme, rest) = text.split_once(':').unwrap();
        let Some(Ok(Address::Cloud(address))) = Address::parse(scheme, rest.as_bytes()) else { panic!("{text}") };
        address
    };
    let (bucket, place, longer) = (cloud("s3://b"), cloud("s3://b/a"), cloud("s3://b/ab"));
    assert!(place.is_same(&cloud("s3://b/a?region=x")) && !place.is_same(&longer));
    assert!(!place.is_same(&cloud("s3://b/a?endpoint=http://other")) && !place.is_same(&cloud("gs://b/a")));
    assert_eq!(
        cloud("s3://b/a?region=x&endpoint=http://h&style=path").place().to_string(),
        "s3://b/a?endpoint=http://h"
    );
    assert!(bucket.holds(&place) && place.holds(&cloud("s3://b/a/c")) && place.holds(&place));
    assert!(!place.holds(&longer) && !place.holds(&bucket));
}

#[test]
fn a_place_beneath_a_place_is_named_after_it() {
    for (text, beneath) in [
        ("s3://bucket", "s3://bucket/x"),
        ("s3://bucket/a?region=r", "s3://bucket/a/x?region=r"),
        ("sqlite:///d/f.db", "sqlite:///d/f.db-x"),
    ] {
        let (scheme, rest) = text.split_once(':').unwrap();
        let address = Address::parse(scheme, rest.as_bytes()).unwrap().unwrap();
        assert_eq!(address.beneath("x").to_string(), beneath);
    }
}
