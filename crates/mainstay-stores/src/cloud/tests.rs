//! Tests of what an answer means; the contract itself is tried on servers.

use super::*;

#[test]
fn a_bucket_that_is_gone_is_not_an_object_that_never_was() {
    let error = |text: &str| object_store::Error::NotFound { path: "x".to_owned(), source: text.into() };
    assert_eq!(error_of(error("<Code>NoSuchKey</Code>")).kind(), io::ErrorKind::NotFound);
    assert_eq!(error_of(error("<Code>NoSuchBucket</Code>")).kind(), io::ErrorKind::Other);
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
