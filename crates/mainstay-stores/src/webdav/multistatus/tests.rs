//! Tests of what is an answer, and of what each member is.

use super::*;

fn members(text: &str) -> io::Result<Vec<Member>> {
    let mut members = Vec::new();
    read(text.as_bytes(), &mut |member| {
        members.push(member);
        Ok(())
    })?;
    Ok(members)
}

/// An answer with one response of this content.
fn answer(response: &str) -> String {
    format!(
        "<?xml version='1.0'?>\n<d:multistatus xmlns:d='DAV:'><d:response>{response}</d:response></d:multistatus>\n"
    )
}

const FOUND: &str = "<d:status>HTTP/1.1 200 OK</d:status>";

#[test]
fn objects_and_collections_are_told_apart() {
    let collection = "<d:prop><d:resourcetype><d:collection/></d:resourcetype></d:prop>";
    let none =
        "<d:propstat><d:prop><d:getcontentlength/></d:prop><d:status>HTTP/1.1 404 Not Found</d:status></d:propstat>";
    let told = members(&answer(&format!("<d:href>/p/</d:href><d:propstat>{collection}{FOUND}</d:propstat>{none}")));
    assert_eq!(told.unwrap(), [Member { path: b"p".to_vec(), kind: Kind::Collection }]);
    let object = "<d:prop><d:getcontentlength> 7 </d:getcontentlength><d:resourcetype></d:resourcetype></d:prop>";
    let told = members(&answer(&format!("<d:href>/p/a</d:href><d:propstat>{object}{FOUND}</d:propstat>")));
    assert_eq!(told.unwrap(), [Member { path: b"p/a".to_vec(), kind: Kind::Object { len: 7 } }]);
}

#[test]
fn addresses_are_decoded_in_every_way_that_they_are_written() {
    let object = format!(
        "<d:propstat><d:prop><d:resourcetype/><d:getcontentlength>1</d:getcontentlength></d:prop>{FOUND}</d:propstat>"
    );
    for (href, path) in [
        ("http://host:81/a%20b/c", &b"a b/c"[..]),
        ("/a&amp;b&#47;c", b"a&b/c"),
        ("<![CDATA[/a&b]]>", b"a&b"),
        ("\n  /a/b \n", b"a/b"),
        ("/%FF", b"\xff"),
        ("/", b""),
    ] {
        let told = members(&answer(&format!("<d:href>{href}</d:href>{object}"))).unwrap();
        assert_eq!(told.first().map(|member| member.path.as_slice()), Some(path), "{href}");
    }
    for href in ["a/b", "/%4", "http://host", "/&nbsp;", ""] {
        assert!(members(&answer(&format!("<d:href>{href}</d:href>{object}"))).is_err(), "{href}");
    }
}

#[test]
fn a_member_of_which_too_little_is_said_is_an_error() {
    let href = "<d:href>/p/a</d:href>";
    let group =
        |properties: &str, status: &str| format!("<d:propstat><d:prop>{properties}</d:prop>{status}</d:propstat>");
    let length = "<d:getcontentlength>7</d:getcontentlength>";
    let kind = "<d:resourcetype/>";
    for response in [
        String::new(),
        href.to_owned(),
        group(&format!("{kind}{length}"), FOUND),
        format!("{href}{}", group(kind, FOUND)),
        format!("{href}{}", group(length, FOUND)),
        format!("{href}{}", group(&format!("{kind}{length}"), "")),
        format!("{href}{}", group(&format!("{kind}{length}"), "<d:status>HTTP/1.1 403 Forbidden</d:status>")),
        format!("{href}{}", group(&format!("{kind}{length}"), "<d:status>200</d:status>")),
        format!("{href}{href}{}", group(&format!("{kind}{length}"), FOUND)),
        format!("{href}<d:status>HTTP/1.1 500 Error</d:status>{}", group(&format!("{kind}{length}"), FOUND)),
        format!("{href}{}", group(&format!("{kind}<d:getcontentlength>-1</d:getcontentlength>"), FOUND)),
        format!("{href}{}", group(&format!("{kind}<d:getcontentlength>1e3</d:getcontentlength>"), FOUND)),
    ] {
        assert!(members(&answer(&response)).is_err(), "{response}");
    }
}

#[test]
fn what_is_no_answer_is_an_error_and_never_an_empty_one() {
    for text in [
        "",
        " ",
        "plain text",
        "<html/>",
        "<multistatus/>",
        "<multistatus xmlns='other:'/>",
        "<multistatus xmlns='DAV:'></multistatus><multistatus xmlns='DAV:'/>",
        "<multistatus xmlns='DAV:'></other>",
        "<!DOCTYPE x [<!ENTITY a 'b'>]><multistatus xmlns='DAV:'/>",
    ] {
        let error = members(text).expect_err(text);
        assert_ne!(error.kind(), io::ErrorKind::TimedOut, "{text}: {error}");
    }
    assert_eq!(members("<multistatus xmlns='DAV:'/>").unwrap(), []);
}

#[test]
fn an_answer_that_is_cut_short_anywhere_is_an_error() {
    let group = format!(
        "<d:propstat><d:prop><d:resourcetype/><d:getcontentlength>12</d:getcontentlength></d:prop>{FOUND}</d:propstat>"
    );
    let text = answer(&format!("<d:href>/p/a</d:href>{group}"));
    assert_eq!(members(&text).unwrap().len(), 1);
    for len in 0..text.trim_end().len() {
        assert!(members(&text[..len]).is_err(), "{}", &text[..len]);
    }
}

#[test]
fn what_one_member_may_take_is_bounded() {
    assert!(members(&"<a>".repeat(100)).is_err());
    let deep = format!("<multistatus xmlns='DAV:'>{}", "<a>".repeat(100));
    assert!(members(&deep).unwrap_err().to_string().contains("too deep"));
    let long = answer(&format!("<d:href>/{}</d:href>", "a".repeat(LONGEST_TEXT)));
    assert!(members(&long).unwrap_err().to_string().contains("too long"));
}
