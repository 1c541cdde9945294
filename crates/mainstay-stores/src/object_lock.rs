//! Object lock of S3: a server that refuses to delete a version before a date, whoever asks.
//!
//! Owns the requests for it, which `object_store` does not know: they are signed by it and sent as its own are. Invariants: a lock is never
//! shortened, and one that a server confirms counts only when the server shows it.

use std::io;
use std::sync::OnceLock;

use http::{HeaderMap, Method, Request, StatusCode};
use mainstay_repo::store::{Lock, LockMode};
use object_store::aws::{AwsAuthorizer, AwsCredentialProvider};
use object_store::client::{HttpClient, HttpError, HttpRequestBody};

use crate::answers::{Beyond, between, collect};
use crate::patience::Patience;

#[cfg(test)]
mod tests;

/// What a server says of a lock is short.
const LONGEST_ANSWER: usize = 64 << 10;

/// Asks one bucket.
pub struct Locker {
    pub patience: Patience,
    pub client: HttpClient,
    pub credentials: AwsCredentialProvider,
    pub region: String,
    /// Its address, without a slash at the end.
    pub bucket: String,
    /// Whether the bucket was made with object lock.
    pub enabled: OnceLock<bool>,
}

/// What a server said.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

/// A lock as a server shows it.
#[derive(Debug, PartialEq, Eq)]
struct Shown {
    is_compliance: bool,
    /// RFC 3339 in UTC, as far as seconds.
    until: String,
}

impl Locker {
    /// Has an object kept until a moment; one that is kept longer stays so.
    ///
    /// # Errors
    /// When the server refuses, or does not show what it confirmed.
    pub async fn lock(&self, key: &str, until: i64, mode: LockMode) -> io::Result<Lock> {
        let is_enabled = match self.enabled.get() {
            Some(known) => *known,
            // Whoever asks at the same time learns the same.
            None => self.is_enabled().await?,
        };
        if !*self.enabled.get_or_init(|| is_enabled) {
            return Ok(Lock::Unsupported);
        }
        let until = seconds_of(until);
        let shown = self.shown(key).await?;
        let is_compliance = match mode {
            LockMode::Compliance => true,
            LockMode::Governance => false,
            LockMode::AsBefore => shown.as_ref().is_none_or(|shown| shown.is_compliance),
        };
        let wanted = Shown { is_compliance, until };
        if shown.as_ref().is_some_and(|shown| shown.keeps(&wanted)) {
            return Ok(Lock::Set);
        }
        // A stricter one is extended as what it is.
        let is_compliance = wanted.is_compliance || shown.as_ref().is_some_and(|shown| shown.is_compliance);
        let until = shown.map_or(String::new(), |shown| shown.until).max(wanted.until.clone());
        let set = Shown { is_compliance, until };
        let answer = self.send(Method::PUT, &format!("/{key}?retention"), set.request()).await?;
        if !answer.status.is_success() {
            return Err(answer.refusal());
        }
        match self.shown(key).await? {
            Some(shown) if shown.keeps(&wanted) => Ok(Lock::Set),
            _ => Err(io::Error::other("the server confirmed a lock and does not show it")),
        }
    }

    async fn is_enabled(&self) -> io::Result<bool> {
        let answer = self.send(Method::GET, "?object-lock", String::new()).await?;
        match answer.status {
            status if status.is_success() => Ok(between(&answer.text, "ObjectLockEnabled") == Some("Enabled")),
            // Whoever has no such thing says so in several ways.
            StatusCode::NOT_FOUND
            | StatusCode::BAD_REQUEST
            | StatusCode::METHOD_NOT_ALLOWED
            | StatusCode::NOT_IMPLEMENTED => Ok(false),
            // Whether it locks is not known: that is no word that it does not.
            _ => Err(answer.refusal()),
        }
    }

    /// The head of an object tells its lock, to whoever may read that.
    async fn shown(&self, key: &str) -> io::Result<Option<Shown>> {
        let answer = self.send(Method::HEAD, &format!("/{key}"), String::new()).await?;
        if !answer.status.is_success() {
            return Err(answer.refusal());
        }
        let header = |name: &str| answer.headers.get(name).and_then(|value| value.to_str().ok());
        let told = header("x-amz-object-lock-mode").zip(header("x-amz-object-lock-retain-until-date"));
        Ok(told.and_then(|(mode, until)| Shown::parse(mode, until)))
    }

    /// Sends a request, again after what may pass: each of them may be sent twice.
    async fn send(&self, method: Method, place: &str, body: String) -> io::Result<Answer> {
        let mut pauses = self.patience.long_pauses();
        loop {
            let answer = self.send_once(method.clone(), place, body.clone()).await;
            let is_passing = match &answer {
                Ok(answer) => {
                    answer.status.is_server_error() && answer.status != StatusCode::NOT_IMPLEMENTED
                        || answer.status == StatusCode::TOO_MANY_REQUESTS
                }
                Err(error) => error.kind() == io::ErrorKind::TimedOut,
            };
            match pauses.next().filter(|_| is_passing) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return answer,
            }
        }
    }

    async fn send_once(&self, method: Method, place: &str, body: String) -> io::Result<Answer> {
        let bad = |error: http::Error| io::Error::new(io::ErrorKind::InvalidInput, error);
        let mut request = Request::builder().method(method).uri(format!("{}{place}", self.bucket));
        if !body.is_empty() {
            // Amazon asks for one of several checksums.
            request = request.header("x-amz-checksum-crc32", base64(crc32(body.as_bytes())));
        }
        let mut request = request.body(HttpRequestBody::from(body)).map_err(bad)?;
        let credential = self.credentials.get_credential().await.map_err(io::Error::other)?;
        let signer = AwsAuthorizer::new(&credential, "s3", &self.region);
        signer.try_authorize(&mut request, None).map_err(io::Error::other)?;
        let passing = |error: HttpError| io::Error::new(io::ErrorKind::TimedOut, error);
        let answer = self.client.execute(request).await.map_err(passing)?;
        let (head, body) = answer.into_parts();
        let bytes = collect(body, LONGEST_ANSWER, Beyond::Cut).await.map_err(passing)?;
        Ok(Answer { status: head.status, headers: head.headers, text: String::from_utf8_lossy(&bytes).into_owned() })
    }
}

impl Answer {
    fn refusal(&self) -> io::Error {
        let code = between(&self.text, "Code").unwrap_or_default();
        let kind = match self.status {
            StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED => io::ErrorKind::PermissionDenied,
            _ => io::ErrorKind::Other,
        };
        let code: String = code.chars().filter(char::is_ascii_alphanumeric).take(100).collect();
        io::Error::new(kind, format!("the server refuses to lock it: {} {code}", self.status.as_u16()))
    }
}

impl Shown {
    fn parse(mode: &str, until: &str) -> Option<Self> {
        Some(Self { is_compliance: mode == "COMPLIANCE", until: until.get(..SECONDS_LEN)?.to_owned() })
    }

    /// Whether it keeps an object at least as long, and as strictly.
    fn keeps(&self, wanted: &Self) -> bool {
        self.is_compliance >= wanted.is_compliance && self.until >= wanted.until
    }

    fn request(&self) -> String {
        let mode = if self.is_compliance { "COMPLIANCE" } else { "GOVERNANCE" };
        format!(
            "<Retention xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Mode>{mode}</Mode>\
             <RetainUntilDate>{}Z</RetainUntilDate></Retention>",
            self.until
        )
    }
}

/// `2033-03-01T14:02:11`
const SECONDS_LEN: usize = 19;

/// A moment in nanoseconds since the epoch as RFC 3339 in UTC, without the zone; the next whole second, so that nothing is shorter.
/// The date by Howard Hinnant's `civil_from_days` (<https://howardhinnant.github.io/date_algorithms.html>).
fn seconds_of(nanoseconds: i64) -> String {
    let seconds = nanoseconds.div_euclid(1_000_000_000) + i64::from(nanoseconds.rem_euclid(1_000_000_000) > 0);
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
}

/// The checksum of zlib, bit by bit: requests are short.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _: u32| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

/// A number of four bytes, the most significant first, in base 64 (RFC 4648).
fn base64(number: u32) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digit = |place: u32| char::from(DIGITS[(number.rotate_left(place) & 63) as usize]);
    let whole: String = [6, 12, 18, 24, 30].into_iter().map(digit).collect();
    // The last two bits, and four of nothing.
    format!("{whole}{}==", char::from(DIGITS[((number & 3) << 4) as usize]))
}
