//! Answers of a server, before anybody believes them.
//!
//! Owns what an answer to a listing must be: the parser behind takes whatever lacks everything for a listing of nothing, and an
//! empty or short listing costs somebody his backups; and that a success with an error in it is an error. Bounds what is read of such answers and of errors. Signs and repeats
//! nothing.

use std::future::Future;
use std::pin::Pin;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use http::{Method, StatusCode};
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody, HttpService,
    ReqwestConnector,
};

use crate::address::decode_percent;

#[cfg(test)]
mod tests;

/// A thousand names of a kilobyte each, and as much around them.
const LONGEST_LISTING: usize = 8 << 20;
/// Of an error its beginning is enough.
const LONGEST_ERROR: usize = 64 << 10;

/// Connects to servers whose answers are looked at.
#[derive(Debug, Default)]
pub struct Careful;

impl HttpConnector for Careful {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(Guard(ReqwestConnector::default().connect(options)?)))
    }
}

#[derive(Debug)]
struct Guard(HttpClient);

type Called<'f> = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'f>>;

impl HttpService for Guard {
    fn call<'s, 'f>(&'s self, request: HttpRequest) -> Called<'f>
    where
        's: 'f,
        Self: 'f,
    {
        let query = request.uri().query().unwrap_or_default().to_owned();
        let listing = if request.method() == Method::GET { Listing::asked(&query) } else { None };
        let changes = request.method() == Method::PUT || request.method() == Method::DELETE;
        Box::pin(async move {
            let (mut head, body) = self.0.execute(request).await?.into_parts();
            if !head.status.is_success() {
                let bytes = collect(body, LONGEST_ERROR, Beyond::Cut).await?;
                return Ok(HttpResponse::from_parts(head, HttpResponseBody::from(bytes)));
            }
            if changes {
                let bytes = collect(body, LONGEST_ERROR, Beyond::Cut).await?;
                // Nothing was done: what says so with a status of success is asked again like any other such answer.
                if std::str::from_utf8(&bytes).is_ok_and(|text| root_of(text) == Some("Error")) {
                    head.status = StatusCode::INTERNAL_SERVER_ERROR;
                }
                return Ok(HttpResponse::from_parts(head, HttpResponseBody::from(bytes)));
            }
            let Some(listing) = listing else { return Ok(HttpResponse::from_parts(head, body)) };
            let bytes = collect(body, LONGEST_LISTING, Beyond::Refuse).await?;
            listing.check(&bytes, &query).map_err(refused)?;
            Ok(HttpResponse::from_parts(head, HttpResponseBody::from(bytes)))
        })
    }
}

/// What happens to bytes beyond the limit.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Beyond {
    Cut,
    Refuse,
}

pub async fn collect(body: HttpResponseBody, limit: usize, beyond: Beyond) -> Result<Bytes, HttpError> {
    let mut bytes = BytesMut::new();
    let mut stream = body.bytes_stream();
    while let Some(part) = stream.next().await {
        let part = part?;
        let room = limit - bytes.len();
        if part.len() > room && beyond == Beyond::Refuse {
            return Err(refused(format!("an answer is longer than {limit} bytes")));
        }
        bytes.extend_from_slice(part.get(..part.len().min(room)).unwrap_or_default());
        if bytes.len() == limit && beyond == Beyond::Cut {
            break;
        }
    }
    Ok(bytes.freeze())
}

/// The forms of listings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Listing {
    /// S3's second version, which Google speaks too.
    S3,
    Azure,
}

impl Listing {
    /// The listing that a query asks for.
    fn asked(query: &str) -> Option<Self> {
        let has = |pair: &str| query.split('&').any(|other| other == pair);
        match (has("list-type=2"), has("comp=list")) {
            (true, _) => Some(Self::S3),
            (_, true) => Some(Self::Azure),
            _ => None,
        }
    }

    /// Whether an answer is such a listing and says whether it goes on, and whether it goes on elsewhere than where it was.
    fn check(self, bytes: &[u8], query: &str) -> Result<(), String> {
        let text = std::str::from_utf8(bytes).map_err(|_| "a listing is no text".to_owned())?;
        let (root, token, parameter) = match self {
            Self::S3 => ("ListBucketResult", "NextContinuationToken", "continuation-token="),
            Self::Azure => ("EnumerationResults", "NextMarker", "marker="),
        };
        let found = root_of(text);
        if found != Some(root) || !text.trim_end().ends_with(&format!("</{root}>")) {
            let found = found.map_or("something else".to_owned(), |found| format!("`{found}`"));
            return Err(format!("the answer to a listing is {found} and no `{root}`"));
        }
        let next = between(text, token).filter(|next| !next.is_empty());
        match (self, between(text, "IsTruncated")) {
            (Self::S3, Some("true")) if next.is_none() => {
                return Err("a listing goes on and does not say where".to_owned());
            }
            (Self::S3, Some("true" | "false")) => {}
            (Self::S3, _) => return Err("a listing does not say whether it is whole".to_owned()),
            (Self::Azure, _) if !text.contains("<NextMarker") => {
                return Err("a listing does not say whether it is whole".to_owned());
            }
            (Self::Azure, _) => {}
        }
        let before = query.split('&').find_map(|pair| pair.strip_prefix(parameter));
        let before = before.and_then(|token| decode_percent(token.replace('+', " ").as_bytes()));
        if before.is_some() && before.as_deref() == next.map(str::as_bytes) {
            return Err("a listing goes on where it has been".to_owned());
        }
        Ok(())
    }
}

/// The name of the first element, without its namespace.
fn root_of(text: &str) -> Option<&str> {
    let mut rest = text.trim_start_matches('\u{feff}').trim_start();
    while let Some(declaration) = rest.strip_prefix("<?").or_else(|| rest.strip_prefix("<!")) {
        rest = declaration.split_once('>')?.1.trim_start();
    }
    let name = rest.strip_prefix('<')?.split([' ', '>', '/', '\n', '\r', '\t']).next()?;
    Some(name.rsplit(':').next().unwrap_or(name))
}

/// The text of the first element of a name.
pub fn between<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(inner, _)| inner.trim())
}

fn refused(problem: String) -> HttpError {
    HttpError::new(HttpErrorKind::Decode, std::io::Error::other(problem))
}
