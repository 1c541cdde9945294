//! A server that gives the answers it was told to, one for each request, in order.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::thread::JoinHandle;

use super::*;
use crate::address::Address;

/// What is done with a request.
#[derive(Clone, Copy)]
pub enum Answer {
    /// Status line, and body.
    Say(&'static str, &'static str),
    /// A body of which the last byte never comes.
    Cut(&'static str),
    /// The connection breaks after the request was read.
    Break,
}

/// The store at that server, and its thread, which ends with the requests that it saw.
pub fn scripted(answers: Vec<Answer>) -> (CloudStore, JoinHandle<Vec<String>>) {
    scripted_with("&conditions=on", answers)
}

/// The same, with another end of the address.
pub fn scripted_with(more: &str, answers: Vec<Answer>) -> (CloudStore, JoinHandle<Vec<String>>) {
    let (server, requests) = serve(answers);
    let rest = format!("//bucket/p?endpoint={server}{more}");
    let Some(Ok(Address::Cloud(address))) = Address::parse("s3", rest.as_bytes()) else { panic!("{rest}") };
    let keys = [("AWS_ACCESS_KEY_ID", "key"), ("AWS_SECRET_ACCESS_KEY", "secret")];
    let keys = keys.map(|(name, value)| (name.to_owned(), value.to_owned()));
    (CloudStore::new(address, &Surroundings::new(keys)).unwrap(), requests)
}

/// The server alone: its address, and its thread.
pub fn serve(answers: Vec<Answer>) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    let serve = move || answers.into_iter().map(|answer| serve_one(&listener, answer)).collect();
    (server, std::thread::spawn(serve))
}

fn serve_one(listener: &TcpListener, answer: Answer) -> String {
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
    let len =
        lines.iter().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned));
    let len = len.map_or(0, |len| len.trim().parse().unwrap());
    reader.read_exact(&mut vec![0; len]).unwrap();
    let (said, missing) = match answer {
        Answer::Say(status, body) => (Some((status, body)), 0),
        Answer::Cut(body) => (Some(("200 OK", body)), 1),
        Answer::Break => (None, 0),
    };
    if let Some((status, body)) = said {
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\nETag: \"e\"\r\nLast-Modified: Mon, 30 Nov 2026 10:00:00 GMT\r\nConnection: close\r\n\r\n",
            body.len() + missing
        );
        // A head is all that is sent of an answer to HEAD.
        let body = if lines[0].starts_with("HEAD") { "" } else { body };
        reader.get_mut().write_all(format!("{head}{body}").as_bytes()).unwrap();
    }
    lines[0].split(' ').take(2).collect::<Vec<_>>().join(" ")
}
