//! Requests to a WebDAV server, one at a time for each thread that asks.
//!
//! Owns the connection, who is said to ask, and what a status means. Repeats nothing, and knows no objects.
//! Follows no redirection: the request might go, with its credentials, to somebody who was not named.

use std::io::{self, Read};
use std::path::PathBuf;
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, HeaderMap, HeaderName, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use tokio::runtime::Runtime;

use crate::address::{Security, WebdavAddress};
use crate::netrc::{self, Credentials};
use crate::repeat::Trouble;
use crate::settings::Surroundings;

/// Light servers hang up after ten seconds.
const IDLE_TIMEOUT: Duration = Duration::from_secs(5);
/// Threads that carry requests: they wait.
const THREADS: usize = 2;
/// Characters of a header that are told.
const LONGEST_TOLD: usize = 200;

pub struct Client {
    http: reqwest::Client,
    runtime: Runtime,
    server: String,
    credentials: Option<Credentials>,
}

/// What came instead of success.
#[derive(Debug)]
pub struct Refusal {
    /// None where no answer came.
    pub status: Option<StatusCode>,
    pub trouble: Trouble,
}

impl From<Trouble> for Refusal {
    fn from(trouble: Trouble) -> Self {
        Self { status: None, trouble }
    }
}

impl Client {
    /// Makes ready to send; sends nothing.
    ///
    /// # Errors
    /// Credentials cannot be read, or would be sent to another machine without TLS.
    pub fn new(address: &WebdavAddress, surroundings: &Surroundings) -> io::Result<Self> {
        let credentials = credentials(address, surroundings)?;
        let is_open = address.security == Security::Plain && !address.is_loopback();
        if credentials.is_some() && is_open {
            let message = "credentials would go over the network as they are: expected webdavs://, by TLS, for any \
                server but one on this machine";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let builder = reqwest::Client::builder()
            .user_agent(concat!("mainstay/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(surroundings.patience.connect)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .timeout(surroundings.patience.request);
        // Whoever is asked without TLS on this machine is not asked by way of another.
        let builder = if address.is_loopback() { builder.no_proxy() } else { builder };
        let http = builder.build().map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, told(&error)))?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("mainstay-store")
            .enable_all()
            .build()?;
        Ok(Self { http, runtime, server: address.server(), credentials })
    }

    /// The whole address of a path that is encoded already.
    pub fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.server)
    }

    pub fn request(&self, method: &str, path: &str) -> RequestBuilder {
        // Letters are a method.
        let method = Method::from_bytes(method.as_bytes()).unwrap_or(Method::OPTIONS);
        let request = self.http.request(method, self.url(path));
        match &self.credentials {
            Some(Credentials { user, password }) => request.basic_auth(user, Some(password)),
            None => request,
        }
    }

    /// Sends a request, and waits for the head of an answer that says success.
    pub fn send(&self, request: RequestBuilder) -> Result<Answer<'_>, Refusal> {
        let sent = self.runtime.block_on(async { request.send().await });
        let response = sent.map_err(|error| Refusal::from(trouble_of(&error)))?;
        let status = response.status();
        if status.is_success() {
            return Ok(Answer { client: self, response, rest: Bytes::new() });
        }
        Err(Refusal { status: Some(status), trouble: self.trouble_of_status(status, response.headers()) })
    }

    fn trouble_of_status(&self, status: StatusCode, headers: &HeaderMap) -> Trouble {
        use StatusCode as S;
        let kind = match status {
            S::UNAUTHORIZED | S::FORBIDDEN | S::PROXY_AUTHENTICATION_REQUIRED => io::ErrorKind::PermissionDenied,
            S::INSUFFICIENT_STORAGE => io::ErrorKind::StorageFull,
            S::NOT_IMPLEMENTED | S::METHOD_NOT_ALLOWED => io::ErrorKind::Unsupported,
            _ => io::ErrorKind::Other,
        };
        let mut message = format!("the server answered {status}");
        if status == S::UNAUTHORIZED {
            message.push_str(&self.why_unauthorized(headers));
        } else if status.is_redirection() {
            let place = header(headers, LOCATION).unwrap_or_default();
            message.push_str(&format!(": expected it where the address says, and not at {place:?}"));
        }
        let is_passing = matches!(status, S::REQUEST_TIMEOUT | S::LOCKED | S::TOO_EARLY | S::TOO_MANY_REQUESTS)
            || status.is_server_error() && !matches!(status, S::INSUFFICIENT_STORAGE | S::NOT_IMPLEMENTED);
        let after = header(headers, RETRY_AFTER).and_then(|after| after.trim().parse().ok()).map(Duration::from_secs);
        Trouble { error: io::Error::new(kind, message), is_passing, after }
    }

    fn why_unauthorized(&self, headers: &HeaderMap) -> String {
        let asked = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        let schemes: Vec<&str> = asked.filter_map(|value| value.split_ascii_whitespace().next()).collect();
        let knows_basic = schemes.is_empty() || schemes.iter().any(|scheme| scheme.eq_ignore_ascii_case("basic"));
        match (&self.credentials, knows_basic) {
            (_, false) => format!(": it wants {:?}, expected Basic", schemes.join(", ")),
            (None, true) => ": no credentials were found, neither WEBDAV_USERNAME and WEBDAV_PASSWORD \
                nor an entry of its name in ~/.netrc"
                .to_owned(),
            (Some(_), true) => " to the credentials that were found".to_owned(),
        }
    }
}

/// An answer that says success, and its body as it comes.
pub struct Answer<'c> {
    client: &'c Client,
    response: Response,
    rest: Bytes,
}

impl Answer<'_> {
    pub fn status(&self) -> StatusCode {
        self.response.status()
    }

    pub fn len(&self) -> Option<u64> {
        header(self.response.headers(), CONTENT_LENGTH)?.parse().ok()
    }

    /// The first and the last byte of a part, and the length of the whole.
    pub fn range(&self) -> Option<(u64, u64, u64)> {
        let range = header(self.response.headers(), CONTENT_RANGE)?;
        let (part, whole) = range.trim().strip_prefix("bytes")?.trim().split_once('/')?;
        let (first, last) = part.split_once('-')?;
        Some((first.parse().ok()?, last.parse().ok()?, whole.parse().ok()?))
    }
}

impl Read for Answer<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            match self.client.runtime.block_on(self.response.chunk()) {
                Ok(Some(chunk)) => self.rest = chunk,
                Ok(None) => return Ok(0),
                Err(error) => return Err(trouble_of(&error).error),
            }
        }
        let len = buffer.len().min(self.rest.len());
        self.rest.copy_to_slice(buffer.get_mut(..len).unwrap_or_default());
        Ok(len)
    }
}

fn header(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    let text = headers.get(name)?.to_str().ok()?;
    Some(text.chars().take(LONGEST_TOLD).collect())
}

/// The variables go before the file: they are meant for this program.
fn credentials(address: &WebdavAddress, surroundings: &Surroundings) -> io::Result<Option<Credentials>> {
    surroundings.require_text()?;
    let bad = |message: &str| Err(io::Error::new(io::ErrorKind::InvalidInput, message.to_owned()));
    match (surroundings.variable("WEBDAV_USERNAME"), surroundings.variable("WEBDAV_PASSWORD")) {
        (Some(user), _) if user.contains(':') => bad("WEBDAV_USERNAME holds a colon, which no user name has"),
        (Some(user), password) => {
            let (user, password) = (user.to_owned(), password.unwrap_or_default().to_owned());
            Ok(Some(Credentials { user, password }))
        }
        (None, Some(_)) => bad("WEBDAV_PASSWORD is set, and WEBDAV_USERNAME is not"),
        (None, None) => {
            let Some(home) = surroundings.variable("HOME") else { return Ok(None) };
            let host = address.host.trim_start_matches('[').trim_end_matches(']');
            netrc::find(&PathBuf::from(home).join(".netrc"), host)
        }
    }
}

/// What became of a request without an answer. A certificate that is refused will be refused again.
fn trouble_of(error: &reqwest::Error) -> Trouble {
    let message = told(error);
    if error.is_builder() || is_of_tls(error) {
        return Trouble::lasting(io::Error::other(message));
    }
    Trouble::passing(message)
}

fn is_of_tls(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<rustls::Error>() {
            return true;
        }
        // An error of io hides what it was made of, and tells only of the cause of that.
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        cause = match inner {
            Some(inner) => Some(inner as &(dyn std::error::Error + 'static)),
            None => error.source(),
        };
    }
    false
}

/// The causes of an error, each once; the address is told by whoever asked.
fn told(error: &reqwest::Error) -> String {
    let mut texts: Vec<String> = Vec::new();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let text = error.to_string();
        if texts.last().is_none_or(|last| !last.contains(&text)) {
            texts.push(text);
        }
        cause = error.source();
    }
    if texts.is_empty() { "the request came to nothing".to_owned() } else { texts.join(": ") }
}
