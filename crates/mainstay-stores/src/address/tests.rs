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
        "sftp://host/srv/backup",
        "sftp://ann@Host.example:2222/srv/my%20backup",
        "sftp://ann@domain@host/%7E",
        "sftp://[fe80::1]:22/",
        "sftp://host/~",
        "sftp://host/~/backup",
        "webdavs://nas.example/",
        "webdavs://nas.example:8443/remote.php/dav/files/some%20one/backups",
        "webdav://127.0.0.1:8080/x",
        "webdav://[::1]:8080/a%25b",
        "postgresql://db.example/backups?schema=laptop",
        "postgresql://ada@db.example:5433/backups?schema=mainstay&sslmode=require",
        "postgresql://[::1]/backups?schema=mainstay",
        "postgresql:///backups?schema=mainstay&host=/run/postgresql",
    ] {
        assert_eq!(parse(text), Ok(text.to_owned()));
    }
    assert_eq!(parse("sftp://host/srv/"), Ok("sftp://host/srv".to_owned()));
    assert_eq!(parse("sftp://host/~/"), Ok("sftp://host/~".to_owned()));
    assert_eq!(parse("s3://bucket/prefix/"), Ok("s3://bucket/prefix".to_owned()));
    assert_eq!(parse("postgres://DB:5432/my%20data").as_deref(), Ok("postgresql://db/my%20data?schema=mainstay"));
    assert_eq!(parse("webdavs://NAS.example:443/%61b/"), Ok("webdavs://nas.example/ab".to_owned()));
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
        ("sftp://host", "expected sftp://USER@HOST:PORT/PATH"),
        ("sftp:ann@host:/srv", "expected sftp://USER@HOST:PORT/PATH"),
        ("sftp://host:0/srv", "expected sftp://USER@HOST:PORT/PATH"),
        ("sftp://host:+1/srv", "expected sftp://USER@HOST:PORT/PATH"),
        ("sftp://fe80::1/srv", "expected sftp://USER@HOST:PORT/PATH"),
        ("sftp://[fe80::1/srv", "expected sftp://USER@HOST:PORT/PATH"),
        ("sftp://-oProxyCommand=x/srv", "expected sftp://USER@HOST:PORT/PATH"),
        ("sftp://@host/srv", "expected sftp://USER@HOST:PORT/PATH"),
        ("sftp://host/a%2fb", "expected sftp://USER@HOST:PORT/PATH"),
        ("sftp://host/a%0ab", "expected sftp://USER@HOST:PORT/PATH"),
        ("sftp://ann:secret@host/srv", "credentials do not belong into an address"),
        ("sftp://host/srv?port=3", "has no settings"),
        ("sftp://host/srv/../x", "without `.` and `..`"),
        ("sftp://host//srv", "without `.` and `..`"),
        ("sqlite://relative.db", "expected sqlite:///FILE"),
        ("sqlite:///directory/", "expected sqlite:///FILE"),
        ("postgresql://host", "expected postgresql://"),
        ("postgresql://host/", "expected postgresql://"),
        ("postgresql:///db", "expected postgresql://"),
        ("postgresql://a,b/db", "expected postgresql://"),
        ("postgresql://host:x/db", "expected postgresql://"),
        ("postgresql://host/db%00", "expected postgresql://"),
        ("postgresql://me:hush@host/db", "credentials do not belong into an address"),
        ("postgresql://host/db?password=hush", "credentials do not belong into an address"),
        ("postgresql://host/db?schema=Mine", "small letters"),
        ("postgresql://host/db?schema=x;drop", "small letters"),
        ("postgresql://host/db?schema=pg_catalog", "small letters"),
        ("postgresql://host/db?sslmode=verify-ca", "expected one of disable, prefer, require, verify-full"),
        ("postgresql://host/db?host=/run/x", "expected the directory of a socket"),
        ("postgresql:///db?host=relative", "expected the directory of a socket"),
        ("postgresql://host/db?target=x", "there is no setting `target`"),
        ("webdav://", "expected webdav://HOST/PATH"),
        ("webdavs:host", "expected webdavs://HOST/PATH"),
        ("webdavs://host:99999/x", "expected webdavs://HOST/PATH"),
        ("webdavs://host:/x", "expected webdavs://HOST/PATH"),
        ("webdavs://ho st/x", "expected webdavs://HOST/PATH"),
        ("webdavs://[::1/x", "expected webdavs://HOST/PATH"),
        ("webdavs://[::g]/x", "expected webdavs://HOST/PATH"),
        ("webdavs://me:hush@host/x", "credentials do not belong into an address"),
        ("webdavs://host/x?y=z", "has no settings"),
        ("webdavs://host/a//b", "in parts between slashes"),
        ("webdavs://host/a/../b", "in parts between slashes"),
        ("webdavs://host/a%2Fb", "in parts between slashes"),
        ("webdavs://host/a%0Ab", "in parts between slashes"),
        ("webdavs://host/%zz", "in parts between slashes"),
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
fn directories_of_a_server_are_compared_by_host_port_and_path() {
    let sftp = |rest: &str| SftpAddress::parse(format!("//{rest}").as_bytes()).unwrap();
    let place = sftp("ann@host/srv/a");
    for same in ["ann@HOST:22/srv/a", "host/srv/a/"] {
        assert!(place.is_same(&sftp(same)) && place.holds(&sftp(same)), "{same}");
    }
    for other in ["ann@host:23/srv/a", "ann@other/srv/a", "ann@host/~/srv/a", "ann@host/srv/ab", "bob@host/srv/a"] {
        assert!(!place.is_same(&sftp(other)) && !place.holds(&sftp(other)), "{other}");
    }
    assert!(place.holds(&sftp("host/srv/a/b")) && !place.is_same(&sftp("host/srv/a/b")) && sftp("host/").holds(&place));
    assert_eq!(sftp("ann@HOST:22/srv").place().to_string(), "sftp://ann@host/srv");
}

#[test]
fn a_server_is_asked_for_a_path_from_its_root_or_from_the_home() {
    let asked = |rest: &str| SftpAddress::parse(format!("//{rest}").as_bytes()).unwrap().directory();
    let paths = ["h/", "h/srv/my%20b", "h/~", "h/~/b/c", "h/~other"].map(asked);
    assert_eq!(paths, ["/", "/srv/my b", ".", "b/c", "/~other"]);
}

#[test]
fn collections_of_a_server_are_compared_by_server_and_path() {
    let webdav = |text: &str| {
        let (scheme, rest) = text.split_once(':').unwrap();
        Address::parse(scheme, rest.as_bytes()).unwrap().unwrap()
    };
    let place = webdav("webdavs://host/a/b");
    assert!(place.is_same(&webdav("webdavs://HOST:443/a/b/")) && !place.is_same(&webdav("webdavs://host:444/a/b")));
    assert!(webdav("webdavs://host/").holds(&place) && webdav("webdavs://host/a").holds(&place));
    assert!(!webdav("webdavs://host/a/bb").holds(&place) && !place.holds(&webdav("webdavs://host/a/bb")));
    assert!(!place.holds(&webdav("s3://host/a/b")));
}

#[test]
fn a_schema_is_the_same_whoever_asks_and_by_whatever_protection() {
    let schema = |rest: &str| PostgresAddress::parse(rest.as_bytes()).unwrap();
    let own = schema("//host/db?schema=a");
    assert!(own.is_same(&schema("//ada@HOST:5432/db?schema=a&sslmode=require")));
    assert!(!own.is_same(&schema("//host/db?schema=b")) && !own.is_same(&schema("//host:1/db?schema=a")));
    assert_eq!(schema("//ada@host/db?sslmode=disable").place().to_string(), "postgresql://host/db?schema=mainstay");
    for (rest, expected) in [
        ("//db.example/x", Encryption::VerifyFull),
        ("//127.0.0.1/x", Encryption::Prefer),
        ("///x?host=/run/postgresql", Encryption::Prefer),
        ("//db.example/x?sslmode=disable", Encryption::Disable),
    ] {
        assert_eq!(schema(rest).encryption(), expected, "{rest}");
    }
    let long = schema(&format!("//host/db?schema={}", "s".repeat(60))).beneath("mainstay-validate-0");
    assert_eq!(long.schema, "mainstay_validate_0", "what is too long would be cut off");
}

#[test]
fn a_place_beneath_a_place_is_named_after_it() {
    for (text, beneath) in [
        ("s3://bucket", "s3://bucket/x"),
        ("s3://bucket/a?region=r", "s3://bucket/a/x?region=r"),
        ("sqlite:///d/f.db", "sqlite:///d/f.db-x"),
        ("sftp://ann@host:1/srv", "sftp://ann@host:1/srv/x"),
        ("sftp://host/", "sftp://host/x"),
        ("sftp://host/~", "sftp://host/~/x"),
        ("webdavs://host/a", "webdavs://host/a/x"),
        ("webdav://host", "webdav://host/x"),
        ("postgresql://host/db?schema=a", "postgresql://host/db?schema=a_x"),
    ] {
        let (scheme, rest) = text.split_once(':').unwrap();
        let address = Address::parse(scheme, rest.as_bytes()).unwrap().unwrap();
        assert_eq!(address.beneath("x").to_string(), beneath);
    }
}

#[test]
fn a_storage_class_is_a_setting_of_buckets_that_have_some() {
    let address = |text: &str| {
        let (scheme, rest) = text.split_once(':').unwrap();
        Address::parse(scheme, rest.as_bytes()).unwrap().unwrap()
    };
    let within = |text: &str, class: &str| address(text).in_storage_class(class).map(|address| address.to_string());
    assert_eq!(within("s3://b/p", "GLACIER_IR").as_deref(), Ok("s3://b/p?storage-class=GLACIER_IR"));
    let again = within("s3://b/p?storage-class=STANDARD", "GLACIER_IR");
    assert_eq!(again.as_deref(), Ok("s3://b/p?storage-class=GLACIER_IR"));
    assert!(address("s3://b/p").is_same(&address("s3://b/p").in_storage_class("GLACIER_IR").unwrap()));
    for (text, class) in [("s3://b/p", "a&region=x"), ("s3://b/p", ""), ("gs://b/p", "COLD"), ("sqlite:///f", "COLD")] {
        assert!(within(text, class).is_err(), "{text} {class}");
    }
}

fn service(text: &str) -> Result<String, String> {
    let address = ServiceAddress::parse(true, text.strip_prefix("opendal:").unwrap().as_bytes());
    address.map(|address| address.to_string()).map_err(|error| error.0)
}

#[test]
fn a_service_is_named_with_a_root_and_settings_and_never_with_credentials() {
    for text in [
        "opendal://onedrive",
        "opendal://dropbox/backups/laptop",
        "opendal://swift/laptop?container=backups&endpoint=https://swift.example/v1/AUTH_me",
    ] {
        assert_eq!(service(text), Ok(text.to_owned()));
    }
    let swift = "opendal://swift/laptop?container=backups";
    for (text, said) in [
        ("opendal:swift", "expected opendal://SERVICE/ROOT, with one of the services dropbox, onedrive, swift"),
        ("opendal://nothing/x", "expected opendal://SERVICE/ROOT"),
        ("opendal://b2/x", "`b2` is not reached this way: it speaks the protocol of S3"),
        ("opendal://swift/a//b", "in parts between slashes"),
        ("opendal://swift/../b", "in parts between slashes"),
        (&format!("{swift}&token=hush"), "OPENDAL_SWIFT_TOKEN hold them"),
        (&format!("{swift}&TEMP_URL_KEY=hush"), "credentials do not belong into an address"),
        (&format!("{swift}&endpoint=https://me:hush@swift.example"), "credentials have none"),
        (&format!("{swift}&bucket=x"), "there is no such setting of `swift`; there are container, endpoint"),
        (&format!("{swift}&container=b"), "stands there twice"),
        ("opendal://onedrive?root=x", "the service `onedrive` has no settings in an address"),
    ] {
        let told = service(text).unwrap_err();
        assert!(told.contains(said) && !told.contains("hush"), "{text}: {told}");
    }
    let lacking = ServiceAddress::parse(false, b"//swift/x?container=y").unwrap_err();
    assert!(
        lacking.0.contains("lacks the feature `opendal`") && lacking.0.contains("--features opendal"),
        "{lacking:?}"
    );
}

#[test]
fn a_service_holds_what_is_beneath_its_root_by_the_same_settings() {
    let address = |text: &str| Address::Service(ServiceAddress::parse(true, text.as_bytes()).unwrap());
    let outer = address("//swift/a?container=b&endpoint=https://swift.example/");
    let inner = outer.beneath("c");
    assert_eq!(inner.to_string(), "opendal://swift/a/c?container=b&endpoint=https://swift.example");
    assert!(outer.holds(&inner) && outer.holds(&outer) && outer.is_same(&outer) && !inner.holds(&outer));
    assert!(!outer.is_same(&inner) && !outer.holds(&address("//swift/ab?container=b&endpoint=https://swift.example")));
    assert!(!outer.holds(&address("//swift/a/c?container=x&endpoint=https://swift.example")));
    assert!(
        address("//onedrive").holds(&address("//onedrive/a")) && !address("//onedrive").holds(&address("//dropbox/a"))
    );
}
