//! An S3 server in memory that fails, or lies, when it is told to.
//!
//! Owns as much of the protocol as a store speaks: PUT if new, GET of ranges, HEAD, DELETE, listings by pages; and each fault that
//! servers are known for. Speaks HTTP/1.1 on loopback, so that what is tried is the whole way.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::journal_store::Objects;

/// What goes wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// 500, nothing was done.
    Internal,
    /// 503 with `Retry-After`, nothing was done.
    Busy,
    /// 429, nothing was done.
    TooMany,
    /// The connection breaks before anything was done.
    ResetBefore,
    /// It breaks after it was done.
    ResetAfter,
    /// 200, and an error for a body; nothing was done.
    ErrorInSuccess,
    /// 200 and no body; nothing was done.
    EmptySuccess,
    /// The connection breaks within the body.
    ShortBody,
    /// A byte less than there is, with a length that fits.
    WrongLength,
    /// 404 without a word of what is not there: some proxy.
    NoPage,
    /// 403: the credentials have expired.
    Expired,
    /// A listing of what was there when the command began.
    StaleListing,
    /// Without its last object.
    ShortListing,
    /// With nothing, though there is something.
    EmptyListing,
    /// Every object twice.
    DuplicateListing,
    /// Backwards.
    UnorderedListing,
    /// The condition that an object be new does not count.
    NoCondition,
}

impl Fault {
    pub const ALL: [Self; 17] = [
        Self::Internal,
        Self::Busy,
        Self::TooMany,
        Self::ResetBefore,
        Self::ResetAfter,
        Self::ErrorInSuccess,
        Self::EmptySuccess,
        Self::ShortBody,
        Self::WrongLength,
        Self::NoPage,
        Self::Expired,
        Self::StaleListing,
        Self::ShortListing,
        Self::EmptyListing,
        Self::DuplicateListing,
        Self::UnorderedListing,
        Self::NoCondition,
    ];

    /// Whether it can happen to such a request.
    pub fn fits(self, kind: Kind) -> bool {
        match self {
            Self::StaleListing
            | Self::ShortListing
            | Self::EmptyListing
            | Self::DuplicateListing
            | Self::UnorderedListing => kind == Kind::List,
            Self::ShortBody | Self::WrongLength | Self::EmptySuccess => matches!(kind, Kind::Get | Kind::List),
            Self::ErrorInSuccess => kind != Kind::Head,
            Self::NoCondition => kind == Kind::Put,
            _ => true,
        }
    }
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Put,
    Get,
    Head,
    Delete,
    List,
}

/// A fault at one request, counted from 0, or at all from that one on.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub fault: Fault,
    pub at: usize,
    pub lasts: bool,
}

#[derive(Default)]
struct State {
    objects: Objects,
    /// As they were when the plan was made.
    before: Objects,
    plan: Option<Plan>,
    /// The requests since then.
    seen: Vec<Kind>,
}

/// A server and its bucket.
pub struct S3 {
    state: Arc<Mutex<State>>,
    pub endpoint: String,
}

impl S3 {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a gate begins with what is healthy");
        let address = listener.local_addr().expect("a gate begins with what is healthy");
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        // It ends with the process.
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let state = Arc::clone(&shared);
                std::thread::spawn(move || while_connected(&stream, &state));
            }
        });
        Self { state, endpoint: format!("http://{address}") }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("a gate begins with what is healthy")
    }

    /// Begins anew with these objects and this plan.
    pub fn set(&self, objects: &Objects, plan: Option<Plan>) {
        *self.state() = State { objects: objects.clone(), before: objects.clone(), plan, seen: Vec::new() };
    }

    /// The server is healthy from now on; answers what it was asked for.
    pub fn heal(&self) -> (Objects, Vec<Kind>) {
        let mut state = self.state();
        state.plan = None;
        (state.objects.clone(), std::mem::take(&mut state.seen))
    }
}

/// What is read of a request.
struct Request {
    kind: Kind,
    /// The name of an object, without the bucket.
    name: String,
    query: BTreeMap<String, String>,
    head: BTreeMap<String, String>,
    body: Vec<u8>,
}

/// What is sent back.
struct Answer {
    status: &'static str,
    head: Vec<String>,
    body: Vec<u8>,
    /// Bytes that are announced and never come.
    missing: usize,
}

impl Answer {
    fn new(status: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self { status, head: Vec::new(), body: body.into(), missing: 0 }
    }

    fn error(status: &'static str, code: &str) -> Self {
        Self::new(status, format!("<Error><Code>{code}</Code><Message>told</Message></Error>"))
    }
}

fn while_connected(stream: &TcpStream, state: &Mutex<State>) {
    let mut reader = BufReader::new(stream);
    while let Some(request) = read(&mut reader) {
        let Some(answer) = serve(&request, &mut state.lock().expect("no request panics")) else { return };
        let head: String = answer.head.iter().map(|line| format!("{line}\r\n")).collect();
        let len = answer.body.len() + answer.missing;
        let mut bytes = format!(
            "HTTP/1.1 {}\r\nContent-Length: {len}\r\nETag: \"e\"\r\nLast-Modified: Mon, 30 Nov 2026 10:00:00 GMT\r\n{head}\r\n",
            answer.status
        )
        .into_bytes();
        if request.kind != Kind::Head {
            bytes.extend(answer.body);
        }
        if reader.get_mut().write_all(&bytes).is_err() || answer.missing > 0 {
            return;
        }
    }
}

fn read(reader: &mut BufReader<&TcpStream>) -> Option<Request> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let mut words = lines.first()?.split(' ');
    let (verb, target) = (words.next()?, words.next()?);
    let head: BTreeMap<String, String> = lines[1..]
        .iter()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let mut body = vec![0; head.get("content-length").map_or(0, |len| len.parse().unwrap_or(0))];
    reader.read_exact(&mut body).ok()?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let name = path.strip_prefix("/bucket").unwrap_or(path).trim_start_matches('/').to_owned();
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let query = pairs.map(|(name, value)| (name.to_owned(), value.replace("%2F", "/"))).collect();
    let kind = match verb {
        "PUT" => Kind::Put,
        "HEAD" => Kind::Head,
        "DELETE" => Kind::Delete,
        _ if name.is_empty() => Kind::List,
        _ => Kind::Get,
    };
    Some(Request { kind, name, query, head, body })
}

/// Answers a request, or breaks the connection.
fn serve(request: &Request, state: &mut State) -> Option<Answer> {
    let number = state.seen.len();
    state.seen.push(request.kind);
    let fault = state.plan.filter(|plan| number == plan.at || plan.lasts && number > plan.at);
    let fault = fault.map(|plan| plan.fault).filter(|fault| fault.fits(request.kind));
    let Some(fault) = fault else { return Some(work(request, state, None)) };
    let retry = |answer: Answer| Answer { head: vec!["Retry-After: 0".to_owned()], ..answer };
    Some(match fault {
        Fault::Internal => Answer::error("500 Internal Server Error", "InternalError"),
        Fault::Busy => retry(Answer::error("503 Service Unavailable", "SlowDown")),
        Fault::TooMany => retry(Answer::error("429 Too Many Requests", "TooManyRequests")),
        Fault::Expired => Answer::error("403 Forbidden", "ExpiredToken"),
        Fault::ErrorInSuccess => Answer::error("200 OK", "InternalError"),
        Fault::EmptySuccess => Answer::new("200 OK", ""),
        Fault::NoPage => Answer::new("404 Not Found", "404 page not found"),
        Fault::ResetBefore => return None,
        Fault::ResetAfter => {
            work(request, state, None);
            return None;
        }
        Fault::ShortBody => {
            let mut answer = work(request, state, None);
            answer.missing = answer.body.len() - answer.body.len() / 2;
            answer.body.truncate(answer.body.len() / 2);
            answer
        }
        Fault::WrongLength => {
            let mut answer = work(request, state, None);
            answer.body.pop();
            answer
        }
        _ => work(request, state, Some(fault)),
    })
}

fn work(request: &Request, state: &mut State, fault: Option<Fault>) -> Answer {
    let absent = || Answer::error("404 Not Found", "NoSuchKey");
    let name = request.name.as_str();
    match request.kind {
        Kind::Put => {
            let is_new = request.head.contains_key("if-none-match") && fault != Some(Fault::NoCondition);
            if is_new && state.objects.contains_key(name) {
                return Answer::error("412 Precondition Failed", "PreconditionFailed");
            }
            state.objects.insert(name.into(), request.body.clone().into());
            Answer::new("200 OK", "")
        }
        Kind::Delete => {
            state.objects.remove(name);
            Answer::new("204 No Content", "")
        }
        Kind::Head => state.objects.get(name).map_or_else(absent, |bytes| Answer::new("200 OK", bytes.to_vec())),
        Kind::Get => state.objects.get(name).map_or_else(absent, |bytes| range_of(bytes, request)),
        Kind::List => list(request, state, fault),
    }
}

fn range_of(bytes: &[u8], request: &Request) -> Answer {
    let Some(range) = request.head.get("range") else { return Answer::new("200 OK", bytes) };
    let bounds = range.strip_prefix("bytes=").and_then(|range| range.split_once('-'));
    let parse = |text: &str| text.parse::<usize>().ok();
    let Some((start, end)) = bounds.and_then(|(start, end)| Some((parse(start)?, parse(end)?))) else {
        return Answer::error("400 Bad Request", "InvalidArgument");
    };
    let end = (end + 1).min(bytes.len());
    if start >= end {
        return Answer::error("416 Range Not Satisfiable", "InvalidRange");
    }
    let head = vec![format!("Content-Range: bytes {start}-{}/{}", end - 1, bytes.len())];
    Answer { head, ..Answer::new("206 Partial Content", &bytes[start..end]) }
}

/// Objects on a page: a listing of any length goes on over several.
const PAGE: usize = 7;

fn list(request: &Request, state: &State, fault: Option<Fault>) -> Answer {
    let objects = if fault == Some(Fault::StaleListing) { &state.before } else { &state.objects };
    let text = |name: &str| request.query.get(name).map_or("", String::as_str);
    let (prefix, after) = (text("prefix"), text("continuation-token"));
    let mut found: Vec<(&str, usize)> = objects
        .iter()
        .map(|(name, bytes)| (&**name, bytes.len()))
        .filter(|(name, _)| name.starts_with(prefix) && *name > after)
        .collect();
    let goes_on = found.len() > PAGE;
    found.truncate(PAGE);
    let next = found.last().map_or(String::new(), |(name, _)| (*name).to_owned());
    match fault {
        Some(Fault::ShortListing) => drop(found.pop()),
        Some(Fault::EmptyListing) => found.clear(),
        Some(Fault::DuplicateListing) => found = found.iter().flat_map(|object| [*object; 2]).collect(),
        Some(Fault::UnorderedListing) => found.reverse(),
        _ => {}
    }
    // A liar does not say that there is more.
    let goes_on = goes_on && !matches!(fault, Some(Fault::EmptyListing | Fault::ShortListing));
    let token = if goes_on { format!("<NextContinuationToken>{next}</NextContinuationToken>") } else { String::new() };
    let contents: String = found
        .iter()
        .map(|(name, len)| {
            format!(
                "<Contents><Key>{name}</Key><Size>{len}</Size><ETag>\"e\"</ETag>\
                 <LastModified>2026-11-30T10:00:00.000Z</LastModified></Contents>"
            )
        })
        .collect();
    let body = format!("<ListBucketResult><IsTruncated>{goes_on}</IsTruncated>{token}{contents}</ListBucketResult>");
    Answer::new("200 OK", body)
}
