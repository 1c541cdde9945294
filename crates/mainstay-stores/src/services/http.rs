//! Carries the requests of OpenDAL's clients.
//!
//! Owns the connection, whether a redirection is followed, and what a status means that every service has in common. Repeats
//! nothing, and signs nothing.

use std::io;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll};

use futures_util::{Stream, StreamExt as _};
use http::{Method, Request, Response, StatusCode};
use opendal::raw::Operation;
use opendal::{Buffer, Error, ErrorKind, HttpBody, HttpTransport};
use reqwest::redirect::Policy;

use crate::patience::Patience;

/// Of an answer that is no object: a page of a listing, or an error.
const LONGEST_ANSWER: u64 = 64 << 20;
const MOST_REDIRECTIONS: usize = 5;
/// The text of the error for a full service.
pub const NO_SPACE: &str = "the service has no space left";

/// Where an answer may send a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redirections {
    /// It might go, with its credentials, to somebody who was not named.
    None,
    /// OneDrive keeps what is read elsewhere, under an address that is signed. Credentials stay behind, and TLS does not.
    ByTls,
}

pub struct Transport(reqwest::Client);

impl Transport {
    pub fn new(redirections: Redirections, is_loopback: bool, patience: &Patience) -> io::Result<Self> {
        let policy = match redirections {
            Redirections::None => Policy::none(),
            Redirections::ByTls => Policy::custom(|attempt| {
                let may = attempt.url().scheme() == "https" && attempt.previous().len() <= MOST_REDIRECTIONS;
                if may { attempt.follow() } else { attempt.stop() }
            }),
        };
        let builder = reqwest::Client::builder()
            .user_agent(concat!("mainstay/", env!("CARGO_PKG_VERSION")))
            .redirect(policy)
            .connect_timeout(patience.connect)
            .timeout(patience.request);
        // Whoever is asked without TLS on this machine is not asked by way of another.
        let builder = if is_loopback { builder.no_proxy() } else { builder };
        let client = builder.build().map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error.to_string()))?;
        Ok(Self(client))
    }
}

impl HttpTransport for Transport {
    async fn fetch(&self, request: Request<Buffer>) -> opendal::Result<Response<HttpBody>> {
        let (head, body) = request.into_parts();
        let is_head = head.method == Method::HEAD;
        let is_read = head.extensions.get::<Operation>() == Some(&Operation::Read);
        let request = self.0.request(head.method, head.uri.to_string()).headers(head.headers).body(body.to_bytes());
        let answer = request.send().await.map_err(error_of)?;
        let status = answer.status();
        refuse(status)?;
        // That of an answer without a body is the length of what was asked about.
        let len = answer.content_length().filter(|_| !is_head);
        let limit = if is_read && status.is_success() { u64::MAX } else { LONGEST_ANSWER };
        let mut response = Response::builder().status(status).version(answer.version());
        if let Some(headers) = response.headers_mut() {
            *headers = answer.headers().clone();
        }
        let parts = answer.bytes_stream().map(|part| part.map(Buffer::from).map_err(error_of));
        let body = Body { parts: Mutex::new(Box::pin(parts)), left: limit };
        response
            .body(HttpBody::new(body, len))
            .map_err(|error| Error::new(ErrorKind::Unexpected, "an answer has an odd head").set_source(error))
    }
}

/// What every service means by a status alone.
fn refuse(status: StatusCode) -> opendal::Result<()> {
    let answered = || format!("the service answered {status}");
    match status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => {
            Err(Error::new(ErrorKind::RateLimited, answered()).set_temporary())
        }
        StatusCode::INSUFFICIENT_STORAGE | StatusCode::PAYLOAD_TOO_LARGE => {
            Err(Error::new(ErrorKind::Unexpected, NO_SPACE))
        }
        StatusCode::NOT_IMPLEMENTED => Err(Error::new(ErrorKind::Unsupported, answered())),
        status if status.is_server_error() => Err(Error::new(ErrorKind::Unexpected, answered()).set_temporary()),
        _ => Ok(()),
    }
}

/// A request of which no answer came, or not all of one. Its address may be signed, and is not told.
fn error_of(error: reqwest::Error) -> Error {
    let is_ours = error.is_builder() || error.is_redirect();
    let error = error.without_url();
    let mut message = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        message = format!("{message}: {error}");
        cause = error.source();
    }
    Error::new(ErrorKind::Unexpected, message).with_temporary(!is_ours)
}

/// The body of an answer as it comes, up to a limit.
struct Body {
    /// Nobody else has it; so it may be handed from thread to thread by those who ask for that.
    parts: Mutex<Pin<Box<dyn Stream<Item = opendal::Result<Buffer>> + Send>>>,
    left: u64,
}

impl Stream for Body {
    type Item = opendal::Result<Buffer>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Ok(parts) = self.parts.get_mut() else { return Poll::Ready(None) };
        let part = parts.as_mut().poll_next(context);
        if let Poll::Ready(Some(Ok(bytes))) = &part {
            let Some(left) = self.left.checked_sub(bytes.len() as u64) else {
                let message = format!("an answer is longer than {LONGEST_ANSWER} bytes");
                return Poll::Ready(Some(Err(Error::new(ErrorKind::Unexpected, message))));
            };
            self.left = left;
        }
        part
    }
}
