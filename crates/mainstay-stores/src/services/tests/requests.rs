//! Tests of requests to Swift and of what its answers mean, by a server that gives those that were written down.

use std::thread::JoinHandle;

use super::*;
use crate::cloud::tests::server::{Answer, serve};

const PAGE: &str = "<html>404 page not found</html>";
const FOUND: Answer = Answer::Say("200 OK", "bytes");
const MISSING: Answer = Answer::Say("404 Not Found", PAGE);

fn scripted(answers: &[Answer]) -> (ServiceStore, JoinHandle<Vec<String>>) {
    let (server, requests) = serve(answers.to_vec());
    let rest = format!("//swift/p?container=c&endpoint={server}");
    let Some(Ok(Address::Service(address))) = Address::parse("opendal", rest.as_bytes()) else { panic!("{rest}") };
    let token = [("OS_AUTH_TOKEN".to_owned(), "hush".to_owned())];
    (ServiceStore::new(address, &Surroundings::new(token).with(hasty())).unwrap(), requests)
}

/// Asserts what an answer came to, and which requests were made.
fn told<T: std::fmt::Debug>(answer: io::Result<T>, requests: JoinHandle<Vec<String>>, expected: (Kind, &str, &[&str])) {
    let (kind, text, asked) = expected;
    let error = answer.unwrap_err();
    assert_eq!((error.kind(), requests.join().unwrap()), (kind, asked.iter().map(|&line| line.to_owned()).collect()));
    assert!(error.to_string().contains(text) && !error.to_string().contains("hush"), "{error}");
}

#[test]
fn an_object_is_read_by_the_length_that_it_has() {
    let (store, requests) = scripted(&[FOUND, FOUND]);
    assert_eq!(store.read("packs/a", 100).unwrap(), b"bytes");
    assert_eq!(requests.join().unwrap(), ["HEAD /c/p/packs/a", "GET /c/p/packs/a"]);
    let (store, requests) = scripted(&[FOUND]);
    told(store.read("packs/a", 4), requests, (Kind::InvalidData, "limit", &["HEAD /c/p/packs/a"]));
}

#[test]
fn what_passes_is_asked_again() {
    let busy = Answer::Say("503 Service Unavailable", "");
    let (store, requests) = scripted(&[busy, Answer::Break, Answer::Say("429 Too Many Requests", ""), FOUND]);
    assert_eq!(store.len("packs/a").unwrap(), 5);
    assert_eq!(requests.join().unwrap().len(), 4);
    let (store, requests) = scripted(&[Answer::Cut("byte"), FOUND, FOUND]);
    let mut bytes = [0; 5];
    store.read_at("packs/a", 0, &mut bytes).unwrap();
    assert_eq!(&bytes, b"bytes");
    assert_eq!(requests.join().unwrap(), ["GET /c/p/packs/a", "HEAD /c/p/packs/a", "GET /c/p/packs/a"]);
    let (store, requests) = scripted(&[busy; 4]);
    let asked = ["HEAD /c/p/packs/a"; 4];
    told(store.len("packs/a"), requests, (Kind::TimedOut, "503 Service Unavailable", &asked));
}

#[test]
fn a_put_looks_before_and_after_and_is_sent_anew_as_a_whole() {
    let made = Answer::Say("201 Created", "");
    let (store, requests) = scripted(&[MISSING, Answer::Break, MISSING, made, FOUND]);
    store.put("packs/a", b"bytes").unwrap();
    let [head, put] = ["HEAD /c/p/packs/a", "PUT /c/p/packs/a"];
    assert_eq!(requests.join().unwrap(), [head, put, head, put, head]);
    let (store, requests) = scripted(&[MISSING, Answer::Say("507 Insufficient Storage", "")]);
    told(store.put("packs/a", b"bytes"), requests, (Kind::StorageFull, "no space", &[head, put]));
    // A container that is gone is no object that is absent.
    let (store, requests) = scripted(&[MISSING, MISSING]);
    told(store.put("packs/a", b"bytes"), requests, (Kind::Other, "no such place", &[head, put]));
    let (store, requests) = scripted(&[Answer::Say("401 Unauthorized", "")]);
    told(store.put("packs/a", b"bytes"), requests, (Kind::PermissionDenied, "may have run out", &[head]));
}

#[test]
fn a_page_that_knows_nothing_is_neither_an_absent_object_nor_an_empty_folder() {
    let list = |prefix: &str, delimiter: &str| format!("GET /c/?prefix=p/{prefix}&{delimiter}&format=json");
    let (store, requests) = scripted(&[MISSING, MISSING]);
    let asked = ["HEAD /c/p/packs/a", &list("", "delimiter=/")];
    told(store.len("packs/a"), requests, (Kind::Other, "no such place to list", &asked));
    let (store, requests) = scripted(&[MISSING]);
    told(store.list("packs/"), requests, (Kind::Other, "no such place to list", &[&list("packs/", "delimiter")]));
    let (store, requests) = scripted(&[Answer::Say("200 OK", "<html>log in</html>")]);
    assert_eq!(kind(store.list("packs/")), Some(Kind::Other));
    assert_eq!(requests.join().unwrap(), [list("packs/", "delimiter")]);
}

#[test]
fn no_redirection_is_followed() {
    let elsewhere = Answer::Say("302 Found\r\nLocation: http://127.0.0.1:1/", "");
    let (store, requests) = scripted(&[elsewhere]);
    assert_eq!(kind(store.len("packs/a")), Some(Kind::Other));
    assert_eq!(requests.join().unwrap(), ["HEAD /c/p/packs/a"]);
}
