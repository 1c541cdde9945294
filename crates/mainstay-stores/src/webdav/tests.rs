//! Tests of what an answer means; the contract itself is tried on servers.

mod server;

use super::*;
use crate::address::Address;
use server::{Answer, scripted};

const NOT_FOUND: Answer = Answer::Say("404 Not Found", "404 page not found");
const CREATED: Answer = Answer::Say("201 Created", "");
const STAGED: Answer = Answer::Say("207 Multi-Status", OBJECT);
const COLLECTION: Answer = Answer::Say("207 Multi-Status", FOLDER);
const OBJECT: &str = "<multistatus xmlns='DAV:'><response><href>{path}</href><propstat><prop><resourcetype/>\
    <getcontentlength>{len}</getcontentlength></prop><status>HTTP/1.1 200 OK</status></propstat></response></multistatus>";
const FOLDER: &str = "<D:multistatus xmlns:D='DAV:'><D:response><D:href>{path}</D:href><D:propstat><D:prop><D:resourcetype>\
    <D:collection/></D:resourcetype></D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response></D:multistatus>";
/// All that precedes the move of a first object.
const BEFORE: [Answer; 4] = [CREATED, CREATED, STAGED, CREATED];
const ASKED_BEFORE: [&str; 4] = ["MKCOL /p/tmp/", "PUT /p/tmp/*", "PROPFIND /p/tmp/*", "MKCOL /p/packs/"];

fn kind<T>(answer: io::Result<T>) -> Option<io::ErrorKind> {
    answer.err().map(|error| error.kind())
}

fn after(answers: &[Answer]) -> Vec<Answer> {
    [&BEFORE, answers].concat()
}

fn asked(rest: &[&str]) -> Vec<String> {
    ASKED_BEFORE.iter().chain(rest).map(|asked| (*asked).to_owned()).collect()
}

#[test]
fn an_object_is_put_aside_and_moved_to_a_name_that_must_be_free() {
    let (store, server) = scripted(after(&[CREATED]));
    store.put("packs/a", b"bytes").unwrap();
    assert_eq!(server.join().unwrap(), asked(&["MOVE /p/tmp/* f"]));
}

#[test]
fn a_name_that_is_taken_is_read_back() {
    let taken = Answer::Say("412 Precondition Failed", "");
    for (there, expected) in [("bytes", None), ("other", Some(io::ErrorKind::AlreadyExists))] {
        let part = Answer::Say("206 Partial Content\r\nContent-Range: bytes 0-4/5", there);
        let (store, server) = scripted(after(&[taken, CREATED, part]));
        assert_eq!(kind(store.put("packs/a", b"bytes")), expected, "{there}");
        assert_eq!(server.join().unwrap(), asked(&["MOVE /p/tmp/* f", "DELETE /p/tmp/*", "GET /p/packs/a"]));
    }
}

#[test]
fn a_move_whose_reply_was_lost_is_read_back() {
    let part = Answer::Say("206 Partial Content\r\nContent-Range: bytes 0-4/5", "bytes");
    let (store, server) = scripted(after(&[Answer::Break, NOT_FOUND, part]));
    store.put("packs/a", b"bytes").unwrap();
    assert_eq!(server.join().unwrap(), asked(&["MOVE /p/tmp/* f", "DELETE /p/tmp/*", "GET /p/packs/a"]));
}

#[test]
fn a_move_that_never_came_about_is_made_again_from_another_name() {
    let answers = [Answer::Break, CREATED, NOT_FOUND, COLLECTION, CREATED, STAGED, CREATED];
    let (store, server) = scripted(after(&answers));
    store.put("packs/a", b"bytes").unwrap();
    let again = ["PUT /p/tmp/*", "PROPFIND /p/tmp/*", "MOVE /p/tmp/* f"];
    let before = ["MOVE /p/tmp/* f", "DELETE /p/tmp/*", "GET /p/packs/a", "PROPFIND /p/packs/"];
    assert_eq!(server.join().unwrap(), asked(&[&before[..], &again].concat()));
}

#[test]
fn a_page_that_says_200_to_a_move_has_moved_nothing() {
    let page = Answer::Say("200 OK", "<html>log in</html>");
    let (store, server) = scripted(after(&[page, page, page, page]));
    assert_eq!(kind(store.put("packs/a", b"bytes")), Some(io::ErrorKind::Other));
    let asked_then = ["MOVE /p/tmp/* f", "DELETE /p/tmp/*", "GET /p/packs/a", "PROPFIND /p/packs/a"];
    assert_eq!(server.join().unwrap(), asked(&asked_then));
}

#[test]
fn an_upload_of_which_a_part_arrived_is_given_no_name() {
    let short = "<multistatus xmlns='DAV:'><response><href>{path}</href><propstat><prop><resourcetype/>\
        <getcontentlength>4</getcontentlength></prop><status>HTTP/1.1 200 OK</status></propstat></response></multistatus>";
    let (store, server) = scripted(vec![CREATED, CREATED, Answer::Say("207 Multi-Status", short)]);
    let error = store.put("packs/a", b"bytes").unwrap_err();
    assert_eq!(error.to_string(), "expected 5 bytes after an upload, got 4");
    server.join().unwrap();
    // The name that it was to have is not known to be absent.
    let (store, server) = scripted(vec![CREATED, CREATED, NOT_FOUND, COLLECTION]);
    assert_eq!(kind(store.put("packs/a", b"bytes")), Some(io::ErrorKind::Other));
    server.join().unwrap();
}

#[test]
fn what_may_pass_is_asked_again_and_what_lasts_is_not() {
    let busy = Answer::Say("503 Service Unavailable\r\nRetry-After: 0", "");
    let many = Answer::Say("429 Too Many Requests", "");
    let (store, server) = scripted(vec![busy, many, Answer::Break, STAGED]);
    assert_eq!(store.len("packs/a").unwrap(), 0);
    assert_eq!(server.join().unwrap(), ["PROPFIND /p/packs/a"; 4]);
    for (status, kind_expected) in [
        ("403 Forbidden", io::ErrorKind::PermissionDenied),
        ("507 Insufficient Storage", io::ErrorKind::StorageFull),
        ("405 Method Not Allowed", io::ErrorKind::Unsupported),
        ("302 Found\r\nLocation: http://elsewhere.example/", io::ErrorKind::Other),
        ("503 Service Unavailable\r\nRetry-After: 3600", io::ErrorKind::Other),
    ] {
        let (store, server) = scripted(vec![Answer::Say(status, "")]);
        assert_eq!(kind(store.len("packs/a")), Some(kind_expected), "{status}");
        server.join().unwrap();
    }
}

#[test]
fn an_object_is_absent_only_where_a_collection_leads_to_its_name() {
    let (store, server) = scripted(vec![NOT_FOUND, NOT_FOUND, COLLECTION]);
    assert_eq!(kind(store.read("packs/a", 10)), Some(io::ErrorKind::NotFound));
    assert_eq!(server.join().unwrap(), ["GET /p/packs/a", "PROPFIND /p/packs/", "PROPFIND /p/"]);
    // A server that knows nothing, up to its root.
    for ask in [|store: &WebdavStore| store.len("packs/a").map(drop), |store: &WebdavStore| store.delete("packs/a")] {
        let (store, server) = scripted(vec![NOT_FOUND; 4]);
        assert_eq!(kind(ask(&store)), Some(io::ErrorKind::Other));
        assert_eq!(server.join().unwrap()[3], "PROPFIND /");
    }
    let (store, server) = scripted(vec![NOT_FOUND, COLLECTION]);
    store.delete("packs/a").unwrap();
    server.join().unwrap();
}

#[test]
fn a_page_that_says_200_to_a_deletion_has_deleted_nothing() {
    let page = Answer::Say("200 OK", "<html>log in</html>");
    let (store, server) = scripted(vec![page, page]);
    assert_eq!(kind(store.delete("packs/a")), Some(io::ErrorKind::Other));
    server.join().unwrap();
    let (store, server) = scripted(vec![page, STAGED]);
    assert_eq!(kind(store.delete("packs/a")), Some(io::ErrorKind::Other));
    server.join().unwrap();
}

#[test]
fn a_folder_that_was_never_made_is_empty_only_where_its_repository_is() {
    let (store, server) = scripted(vec![NOT_FOUND, COLLECTION, COLLECTION]);
    assert_eq!(store.list("packs/").unwrap(), []);
    assert_eq!(server.join().unwrap(), ["PROPFIND /p/packs/", "PROPFIND /p/", "PROPFIND /p/"]);
    let told = "<multistatus xmlns='DAV:'><response><href>/p/</href><propstat><prop><resourcetype><collection/></resourcetype>\
        </prop><status>HTTP/1.1 200 OK</status></propstat></response><response><href>/p/packs/</href><propstat><prop><resourcetype>\
        <collection/></resourcetype></prop><status>HTTP/1.1 200 OK</status></propstat></response></multistatus>";
    let (store, server) = scripted(vec![NOT_FOUND, COLLECTION, Answer::Say("207 Multi-Status", told)]);
    assert_eq!(kind(store.list("packs/")), Some(io::ErrorKind::Other), "it is listed, and said to be absent");
    server.join().unwrap();
    let (store, server) = scripted(vec![NOT_FOUND, NOT_FOUND]);
    assert_eq!(kind(store.list("packs/")), Some(io::ErrorKind::Other));
    server.join().unwrap();
}

#[test]
fn a_folder_that_was_told_of_a_moment_ago_is_not_empty_because_of_a_404() {
    let folders = "<multistatus xmlns='DAV:'><response><href>{path}</href><propstat><prop><resourcetype><collection/>\
        </resourcetype></prop><status>HTTP/1.1 200 OK</status></propstat></response><response><href>{path}aa/</href><propstat>\
        <prop><resourcetype><collection/></resourcetype></prop><status>HTTP/1.1 200 OK</status></propstat></response></multistatus>";
    let (store, server) = scripted(vec![Answer::Say("207 Multi-Status", folders), NOT_FOUND]);
    assert_eq!(kind(store.list("packs/")), Some(io::ErrorKind::Other));
    assert_eq!(server.join().unwrap(), ["PROPFIND /p/packs/", "PROPFIND /p/packs/aa/"]);
}

#[test]
fn an_answer_that_is_no_listing_is_never_one_of_nothing() {
    for (head, body) in [
        ("200 OK", "<html>log in</html>"),
        ("200 OK", FOLDER),
        ("207 Multi-Status", ""),
        ("207 Multi-Status", "<html>log in</html>"),
        ("207 Multi-Status", "<multistatus xmlns='DAV:'/>"),
        ("207 Multi-Status", "<multistatus xmlns='other:'/>"),
        ("204 No Content", ""),
    ] {
        let (store, server) = scripted(vec![Answer::Say(head, body)]);
        assert_eq!(kind(store.list("packs/")), Some(io::ErrorKind::Other), "{head} {body}");
        server.join().unwrap();
    }
}

#[test]
fn a_listing_that_was_cut_short_is_asked_for_again() {
    let (store, server) = scripted(vec![Answer::Cut("207 Multi-Status", "<multistatus xmlns='DAV:'>"), COLLECTION]);
    assert_eq!(store.list("packs/").unwrap(), []);
    assert_eq!(server.join().unwrap().len(), 2);
}

#[test]
fn a_range_that_is_not_the_one_asked_for_is_an_error() {
    for (range, body) in [
        ("206 Partial Content\r\nContent-Range: bytes 0-2/6", "123"),
        ("206 Partial Content\r\nContent-Range: bytes 1-1/6", "2"),
        ("206 Partial Content\r\nContent-Range: bytes 1-18446744073709551615/6", "2"),
        ("206 Partial Content\r\nContent-Range: bytes 3-1/6", ""),
        ("206 Partial Content", "234"),
    ] {
        let (store, server) = scripted(vec![Answer::Say(range, body)]);
        assert_eq!(kind(store.read_at("a", 1, &mut [0; 3])), Some(io::ErrorKind::Other), "{range}");
        server.join().unwrap();
    }
    let end = Answer::Say("206 Partial Content\r\nContent-Range: bytes 4-5/6", "56");
    let (store, server) = scripted(vec![end]);
    assert_eq!(kind(store.read_at("a", 4, &mut [0; 3])), Some(io::ErrorKind::UnexpectedEof));
    server.join().unwrap();
}

#[test]
fn of_a_whole_object_the_range_is_taken_where_a_server_knows_none() {
    let six = "<multistatus xmlns='DAV:'><response><href>{path}</href><propstat><prop><resourcetype/>\
        <getcontentlength>6</getcontentlength></prop><status>HTTP/1.1 200 OK</status></propstat></response></multistatus>";
    let (whole, told) = (Answer::Say("200 OK", "123456"), Answer::Say("207 Multi-Status", six));
    let (store, server) = scripted(vec![whole, told]);
    let mut buffer = [0; 3];
    store.read_at("a", 1, &mut buffer).unwrap();
    assert_eq!(&buffer, b"234");
    assert_eq!(server.join().unwrap(), ["GET /p/a", "PROPFIND /p/a"]);
    let (store, server) = scripted(vec![Answer::Say("200 OK", "<html>log in</html>"), told]);
    assert_eq!(kind(store.read("a", 100)), Some(io::ErrorKind::Other), "a page is no object");
    server.join().unwrap();
}

#[test]
fn a_body_that_is_cut_short_is_asked_for_again() {
    let head = "206 Partial Content\r\nContent-Range: bytes 0-4/5";
    let (store, server) = scripted(vec![Answer::Cut(head, "byte"), Answer::Say(head, "bytes")]);
    assert_eq!(store.read("a", 10).unwrap(), b"bytes");
    server.join().unwrap();
    let (store, server) = scripted(vec![Answer::Say("206 Partial Content\r\nContent-Range: bytes 0-5/6", "123456")]);
    assert_eq!(kind(store.read("a", 5)), Some(io::ErrorKind::InvalidData));
    server.join().unwrap();
}

#[test]
fn without_tls_credentials_go_to_this_machine_alone() {
    let made = |scheme: &str, rest: &str| {
        let Some(Ok(Address::Webdav(address))) = Address::parse(scheme, rest.as_bytes()) else { panic!("{rest}") };
        let variables = [("WEBDAV_USERNAME", "me"), ("WEBDAV_PASSWORD", "hush")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        WebdavStore::new(address, &Surroundings::new(variables)).map(drop)
    };
    let error = made("webdav", "//nas.example/x").unwrap_err();
    assert!(error.to_string().contains("expected webdavs://") && !error.to_string().contains("hush"), "{error}");
    for (scheme, rest) in [
        ("webdavs", "//nas.example/x"),
        ("webdav", "//localhost/x"),
        ("webdav", "//127.0.0.1:80/x"),
        ("webdav", "//[::1]/x"),
    ] {
        made(scheme, rest).unwrap();
    }
}
