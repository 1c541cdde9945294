//! Tests of what an answer means; the contract itself is tried on servers.

pub mod server;

use super::*;
use server::{Answer, scripted, scripted_with};

#[test]
fn a_bucket_that_is_gone_is_not_an_object_that_never_was() {
    let error = |text: &str| object_store::Error::NotFound { path: "x".to_owned(), source: text.into() };
    assert_eq!(error_of(error("<Code>NoSuchKey</Code>")).kind(), io::ErrorKind::NotFound);
    assert_eq!(error_of(error("<Code>NoSuchBucket</Code>")).kind(), io::ErrorKind::Other);
    assert_eq!(error_of(error("404 page not found")).kind(), io::ErrorKind::Other);
}

#[test]
fn bytes_are_compared_across_the_parts_of_an_upload() {
    let payload: PutPayload = [b"ab".to_vec(), Vec::new(), b"c".to_vec()].into_iter().map(Bytes::from).collect();
    assert!(is_same(b"abc", &payload));
    for other in [&b"ab"[..], b"abd", b"abcd", b""] {
        assert!(!is_same(other, &payload));
    }
}

#[test]
fn of_what_a_server_said_its_reason_is_told_and_no_page() {
    let refused = "Error performing PUT http://x: 403 Forbidden: <?xml version=\"1.0\"?>\n<Error><Code>AccessDenied</Code>\
        <Message>Access Denied</Message><RequestId>7</RequestId></Error>";
    assert_eq!(told(refused), "the server said AccessDenied: Access Denied");
    assert_eq!(told("connection refused"), "connection refused");
    assert_eq!(told(&"long\n".repeat(1000)).chars().count(), LONGEST_TOLD - 1);
    assert_eq!(told("<Code>half"), "<Code>half");
}

const NO_KEY: &str = "<Error><Code>NoSuchKey</Code></Error>";

#[test]
fn an_answer_that_is_no_listing_is_never_one_of_nothing() {
    for answer in [
        "<Error><Code>InternalError</Code></Error>",
        "<html>log in</html>",
        "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
        "",
    ] {
        let (store, server) = scripted(vec![Answer::Say("200 OK", answer)]);
        let listed = store.list("snapshots/");
        assert_eq!(listed.map_err(|error| error.kind()), Err(io::ErrorKind::Other), "{answer}");
        server.join().unwrap();
    }
}

#[test]
fn only_the_plain_word_that_there_is_no_such_object_is_absence() {
    let page = Answer::Say("404 Not Found", "404 page not found");
    let (store, server) = scripted(vec![page, page, page, page]);
    assert_eq!(store.read("packs/a", 10).map_err(|error| error.kind()), Err(io::ErrorKind::Other));
    assert_eq!(store.len("packs/a").map_err(|error| error.kind()), Err(io::ErrorKind::Other));
    assert_eq!(store.delete("packs/a").map_err(|error| error.kind()), Err(io::ErrorKind::Other));
    server.join().unwrap();
    let said = Answer::Say("404 Not Found", NO_KEY);
    let (store, server) = scripted(vec![said, said, said, said]);
    assert_eq!(store.read("packs/a", 10).map_err(|error| error.kind()), Err(io::ErrorKind::NotFound));
    assert_eq!(store.len("packs/a").map_err(|error| error.kind()), Err(io::ErrorKind::NotFound));
    assert_eq!(store.delete("packs/a").map_err(|error| error.kind()), Ok(()));
    server.join().unwrap();
}

#[test]
fn a_reply_that_was_lost_is_read_back() {
    let taken = Answer::Say("412 Precondition Failed", "<Error><Code>PreconditionFailed</Code></Error>");
    let (store, server) = scripted(vec![Answer::Break, taken, Answer::Say("200 OK", "bytes")]);
    store.put("packs/a", b"bytes").unwrap();
    let asked = ["PUT /bucket/p/packs/a", "PUT /bucket/p/packs/a", "GET /bucket/p/packs/a"];
    assert_eq!(server.join().unwrap(), asked);
    let (store, server) = scripted(vec![taken, Answer::Say("200 OK", "other")]);
    assert_eq!(store.put("packs/a", b"bytes").map_err(|error| error.kind()), Err(io::ErrorKind::AlreadyExists));
    server.join().unwrap();
}

#[test]
fn a_right_that_is_lacking_ends_a_write_at_once() {
    let denied = "<Error><Code>AccessDenied</Code><Message>no</Message></Error>";
    let (store, server) = scripted(vec![Answer::Say("403 Forbidden", denied)]);
    let error = store.put("packs/a", b"bytes").unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (io::ErrorKind::PermissionDenied, "the server said AccessDenied: no")
    );
    server.join().unwrap();
}

#[test]
fn a_body_that_is_longer_or_shorter_than_asked_for_is_an_error() {
    let (store, server) = scripted(vec![Answer::Say("200 OK", "123456"); 3]);
    assert_eq!(store.read("a", 5).map_err(|error| error.kind()), Err(io::ErrorKind::InvalidData));
    let mut buffer = [0; 3];
    assert!(store.read_at("a", 1, &mut buffer).is_err(), "all of it is no range of it");
    server.join().unwrap();
}

#[test]
fn without_credentials_it_is_said_that_there_are_none() {
    let source = "Error performing PUT http://169.254.169.254/latest/api/token in 0s: 403".into();
    let error = error_of(object_store::Error::Generic { store: "S3", source });
    assert!(error.kind() == io::ErrorKind::PermissionDenied && error.to_string().contains("no credentials"), "{error}");
}

#[test]
fn a_listing_that_was_cut_short_is_asked_for_again() {
    let whole = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";
    let (store, server) = scripted(vec![Answer::Cut("<ListBucketResult>"), Answer::Say("200 OK", whole)]);
    assert_eq!(store.list("packs/").unwrap(), []);
    server.join().unwrap();
}

#[test]
fn a_success_that_holds_an_error_is_none() {
    let error = Answer::Say("200 OK", "<?xml version=\"1.0\"?>\n<Error><Code>InternalError</Code></Error>");
    let (store, server) = scripted(vec![error, Answer::Say("200 OK", ""), error, Answer::Say("204 No Content", "")]);
    store.put("packs/a", b"bytes").unwrap();
    store.delete("packs/a").unwrap();
    let asked = ["PUT /bucket/p/packs/a"; 2].into_iter().chain(["DELETE /bucket/p/packs/a"; 2]);
    assert_eq!(server.join().unwrap(), asked.collect::<Vec<_>>(), "each was asked again");
}

#[test]
fn a_server_that_refuses_one_of_two_is_asked_once_from_then_on() {
    let taken = Answer::Say("412 Precondition Failed", "<Error><Code>PreconditionFailed</Code></Error>");
    let (store, server) = scripted_with("", vec![Answer::Say("200 OK", ""), taken, Answer::Say("200 OK", "")]);
    store.put("packs/a", b"bytes").unwrap();
    store.put("packs/b", b"bytes").unwrap();
    let asked = ["PUT /bucket/p/packs/a", "PUT /bucket/p/packs/a", "PUT /bucket/p/packs/b"];
    assert_eq!(server.join().unwrap(), asked);
}

#[test]
fn on_a_server_that_takes_both_of_two_names_are_looked_for() {
    let (done, absent) = (Answer::Say("200 OK", ""), Answer::Say("404 Not Found", NO_KEY));
    let there = Answer::Say("200 OK", "other");
    let (store, server) = scripted_with("", vec![done, done, absent, absent, done, there, there]);
    store.put("packs/a", b"bytes").unwrap();
    store.put("packs/b", b"bytes").unwrap();
    assert_eq!(store.put("packs/b", b"bytes").map_err(|error| error.kind()), Err(io::ErrorKind::AlreadyExists));
    let asked = server.join().unwrap();
    assert_eq!(
        asked[2..],
        [
            "HEAD /bucket/p/packs/b",
            "GET /bucket/p/packs/b",
            "PUT /bucket/p/packs/b",
            "HEAD /bucket/p/packs/b",
            "GET /bucket/p/packs/b"
        ]
    );
}

#[test]
fn where_one_of_two_fails_otherwise_the_object_is_there_and_nothing_was_learnt() {
    let done = Answer::Say("200 OK", "");
    let denied = Answer::Say("403 Forbidden", "<Error><Code>AccessDenied</Code></Error>");
    let (store, server) = scripted_with("", vec![done, denied, denied, done]);
    store.put("packs/a", b"bytes").unwrap();
    store.put("packs/b", b"bytes").unwrap();
    assert_eq!(server.join().unwrap().len(), 4);
}
