//! A server that gives the answers it was told to, one for each request, in order.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::thread::JoinHandle;
use std::time::Duration;

use super::*;
use crate::address::Address;

/// What is done with a request. In a body `{path}` stands for the path that was asked for, and `{len}` for the length of what
/// was put last.
#[derive(Clone, Copy)]
pub enum Answer {
    /// Status line with more of the head, if there is more, and body.
    Say(&'static str, &'static str),
    /// A body of which the last byte never comes.
    Cut(&'static str, &'static str),
    /// The connection breaks after the request was read.
    Break,
}

fn hasty() -> Patience {
    let pauses = (Duration::from_nanos(1), Duration::from_nanos(8));
    Patience { pauses, retry_for: Duration::from_secs(20), retries: usize::MAX, ..Patience::default() }
}

/// The store at that server, and its thread, which ends with the requests that it saw.
pub fn scripted(answers: Vec<Answer>) -> (WebdavStore, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let rest = format!("//{}/p", listener.local_addr().unwrap());
    let Some(Ok(Address::Webdav(address))) = Address::parse("webdav", rest.as_bytes()) else { panic!("{rest}") };
    let store = WebdavStore::with_patience(address, &Surroundings::default(), hasty()).unwrap();
    let mut put = 0;
    let serve = move || answers.into_iter().map(|answer| serve_one(&listener, answer, &mut put)).collect();
    (store, std::thread::spawn(serve))
}

fn serve_one(listener: &TcpListener, answer: Answer, put: &mut usize) -> String {
    let (stream, _) = listener.accept().unwrap();
    let mut reader = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if line.trim().is_empty() {
            break;
        }
        lines.push(line);
    }
    let header = |name: &str| {
        let found = lines.iter().find_map(|line| line.to_ascii_lowercase().strip_prefix(name).map(str::to_owned));
        found.map(|value| value.trim().to_owned())
    };
    let len = header("content-length: ").map_or(0, |len| len.parse().unwrap());
    reader.read_exact(&mut vec![0; len]).unwrap();
    let (method, path) = lines[0].rsplit_once(' ').unwrap().0.split_once(' ').unwrap();
    if method == "PUT" {
        *put = len;
    }
    let said = match answer {
        Answer::Say(head, body) => Some((head, body, 0)),
        Answer::Cut(head, body) => Some((head, body, 1)),
        Answer::Break => None,
    };
    if let Some((head, body, missing)) = said {
        let body = body.replace("{path}", path).replace("{len}", &put.to_string());
        let len = body.len() + missing;
        let head = format!("HTTP/1.1 {head}\r\nContent-Length: {len}\r\nConnection: close\r\n\r\n");
        reader.get_mut().write_all(format!("{head}{body}").as_bytes()).unwrap();
    }
    // What is put aside has another name each time.
    let path = path.strip_prefix("/p/tmp/").filter(|name| !name.is_empty()).map_or(path, |_| "/p/tmp/*");
    let overwrite = header("overwrite: ").map(|value| format!(" {value}")).unwrap_or_default();
    format!("{method} {path}{overwrite}")
}
