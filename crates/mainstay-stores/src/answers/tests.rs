//! Tests of what passes for a listing.

use super::*;

const WHOLE: &str = "<?xml version=\"1.0\"?>\n<ListBucketResult xmlns=\"x\"><Name>b</Name><IsTruncated>false</IsTruncated>\
    <Contents><Key>a</Key></Contents></ListBucketResult>\n";

fn problem(listing: Listing, text: &str, query: &str) -> Option<String> {
    listing.check(text.as_bytes(), query).err()
}

#[test]
fn a_listing_that_says_whether_it_is_whole_is_believed() {
    assert_eq!(problem(Listing::S3, WHOLE, "list-type=2"), None);
    let more = WHOLE
        .replace("false", "true")
        .replace("<Contents>", "<NextContinuationToken>t=</NextContinuationToken><Contents>");
    assert_eq!(problem(Listing::S3, &more, "list-type=2&continuation-token=s"), None);
    let azure = "<EnumerationResults><Blobs/><NextMarker/></EnumerationResults>";
    assert_eq!(problem(Listing::Azure, azure, "comp=list"), None);
}

#[test]
fn what_is_no_listing_is_never_one_of_nothing() {
    for (text, said) in [
        ("<Error><Code>InternalError</Code></Error>", "is `Error` and no `ListBucketResult`"),
        ("<!DOCTYPE html><html><body>log in</body></html>", "is `html`"),
        ("<ListAllMyBucketsResult></ListAllMyBucketsResult>", "no `ListBucketResult`"),
        ("", "something else"),
        ("<ListBucketResult></ListBucketResult>", "does not say whether it is whole"),
        (&WHOLE.replace("false", "true"), "does not say where"),
        (&WHOLE[..WHOLE.len() - 30], "no `ListBucketResult`"),
    ] {
        let problem = problem(Listing::S3, text, "list-type=2").unwrap_or_else(|| panic!("{text}"));
        assert!(problem.contains(said), "{text}: {problem}");
    }
    assert!(problem(Listing::Azure, WHOLE, "comp=list").is_some());
    assert!(problem(Listing::Azure, "<EnumerationResults></EnumerationResults>", "comp=list").is_some());
}

#[test]
fn a_listing_that_goes_in_circles_is_refused() {
    let more = WHOLE
        .replace("false", "true")
        .replace("<Contents>", "<NextContinuationToken>t/=</NextContinuationToken><Contents>");
    let problem = problem(Listing::S3, &more, "continuation-token=t%2F%3D&list-type=2").expect("a problem");
    assert!(problem.contains("where it has been"), "{problem}");
}

#[test]
fn only_requests_for_listings_are_looked_at() {
    assert_eq!(Listing::asked("list-type=2&prefix=a"), Some(Listing::S3));
    assert_eq!(Listing::asked("restype=container&comp=list"), Some(Listing::Azure));
    assert_eq!(Listing::asked("prefix=list-type=2"), None);
}
