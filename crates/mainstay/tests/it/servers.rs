//! Servers that tests start for themselves, on loopback, and that end with them.
//!
//! Owns starting them and what a client needs to know. Tries nothing.

pub mod ceph;
pub mod lossy;
pub mod postgres;
#[cfg(feature = "opendal")]
pub mod swift;
pub mod webdav;

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

pub use sshd::Sshd;

use crate::reader::python;
use crate::world::World;

#[path = "../../../mainstay-stores/src/sftp/tests/sshd.rs"]
#[expect(dead_code, reason = "the tests of the store itself count connections")]
mod sshd;

/// An S3 server in memory.
pub struct S3 {
    process: Child,
    /// Host and port.
    address: String,
}

impl S3 {
    /// Starts one that has a bucket of that name, and puts the keys to it where the AWS tools have theirs.
    pub fn with_bucket(world: &World, bucket: &str) -> Self {
        let mut process = Command::new(python())
            .args(["-c", "import sys; from moto.server import main; sys.exit(main())", "-H", "127.0.0.1", "-p", "0"])
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("a server");
        let address = address_of(&mut process, "Running on http://");
        let server = Self { process, address };
        server.create(bucket);
        world.write(".aws/credentials", b"[default]\naws_access_key_id = key\naws_secret_access_key = secret\n");
        server
    }

    /// The address of a repository in it.
    pub fn repository(&self, place: &str) -> String {
        format!("s3://{place}?endpoint=http://{}", self.address)
    }

    /// The same, whose bucket keeps versions that nobody may delete before a date.
    pub fn with_locking_bucket(world: &World, bucket: &str) -> Self {
        let server = Self::with_bucket(world, "other");
        let answer = server.request_with(&format!("PUT /{bucket}"), "x-amz-bucket-object-lock-enabled: true\r\n");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        server
    }

    /// The classes in which objects of a bucket lie whose names begin so, up to a thousand, without those that are the same.
    pub fn classes(&self, bucket: &str, prefix: &str) -> Vec<String> {
        let answer = self.request(&format!("GET /{bucket}?list-type=2&prefix={prefix}"));
        let classes = answer.split("<StorageClass>").skip(1).filter_map(|rest| rest.split("</StorageClass>").next());
        let mut classes: Vec<String> = classes.map(str::to_owned).collect();
        classes.sort();
        classes.dedup();
        classes
    }

    /// The names and versions of all objects of a bucket, up to a thousand.
    pub fn versions(&self, bucket: &str) -> Vec<(String, String)> {
        let answer = self.request(&format!("GET /{bucket}?versions"));
        let text = |part: &str, name: &str| {
            let (_, rest) = part.split_once(&format!("<{name}>"))?;
            rest.split_once(&format!("</{name}>")).map(|(inner, _)| inner.to_owned())
        };
        let versions = answer.split("<Version>").skip(1);
        versions.filter_map(|part| Some((text(part, "Key")?, text(part, "VersionId")?))).collect()
    }

    /// What the server says to the deletion of one version.
    pub fn delete_version(&self, bucket: &str, (name, version): &(String, String)) -> String {
        self.request(&format!("DELETE /{bucket}/{name}?versionId={version}"))
    }

    /// Until when a server keeps an object, and how.
    pub fn retention(&self, bucket: &str, name: &str) -> String {
        self.request(&format!("HEAD /{bucket}/{name}"))
    }

    fn create(&self, bucket: &str) {
        let answer = self.request(&format!("PUT /{bucket}"));
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    /// The names of all objects of a bucket, up to a thousand.
    pub fn objects(&self, bucket: &str) -> Vec<String> {
        let answer = self.request(&format!("GET /{bucket}?list-type=2"));
        let names = answer.split("<Key>").skip(1).filter_map(|rest| rest.split("</Key>").next());
        names.map(str::to_owned).collect()
    }

    pub fn delete(&self, bucket: &str, name: &str) {
        let answer = self.request(&format!("DELETE /{bucket}/{name}"));
        assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
    }

    fn request(&self, what: &str) -> String {
        self.request_with(what, "")
    }

    /// Puts bytes in the place of an object, behind the repository's back.
    pub fn put(&self, bucket: &str, name: &str, bytes: &[u8]) {
        let answer = self.send(&format!("PUT /{bucket}/{name}"), "", bytes);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    /// A request with more lines in its head.
    fn request_with(&self, what: &str, lines: &str) -> String {
        self.send(what, lines, &[])
    }

    fn send(&self, what: &str, lines: &str, body: &[u8]) -> String {
        let mut stream = TcpStream::connect(&self.address).expect("the server is there");
        let key = "AWS4-HMAC-SHA256 Credential=key/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";
        let head = format!("{what} HTTP/1.1\r\nHost: {}\r\nAuthorization: {key}\r\n{lines}", self.address);
        let len = body.len();
        write!(stream, "{head}Content-Length: {len}\r\nConnection: close\r\n\r\n").expect("it listens");
        stream.write_all(body).expect("it listens");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        answer
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A port of this machine that nobody listens on, below those that the system gives to outgoing connections: among these, who asks
/// again and again whether the server is there by now would come to be connected to himself.
fn free_port() -> u16 {
    const FIRST: u16 = 12_000;
    const COUNT: u16 = 20_000;
    // Tests run in processes of their own, several at once, which must not all try the same one.
    let drawn = (RandomState::new().build_hasher().finish() % u64::from(COUNT)) as u16;
    let mut ports = (0..COUNT).map(|at| FIRST + (drawn + at) % COUNT);
    ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("a free port")
}

/// The address that a server tells behind these words.
fn address_of(process: &mut Child, before: &str) -> String {
    let line = line_of(process, before).unwrap_or_else(|told| panic!("the server ended: {told}"));
    line.split_once(before).map(|(_, address)| address.trim().to_owned()).expect("the words are in it")
}

/// Waits for the line by which a server tells that it is ready; what else it says is read and dropped, so that it never waits.
/// One that ends instead has its words told.
fn line_of(process: &mut Child, words: &str) -> Result<String, String> {
    let mut lines = BufReader::new(process.stderr.take().expect("it was asked for")).lines();
    let mut told = String::new();
    for line in lines.by_ref() {
        let line = line.expect("text");
        if line.contains(words) {
            std::thread::spawn(move || lines.for_each(drop));
            return Ok(line);
        }
        told.push_str(&line);
    }
    Err(told)
}

/// Every byte of the files beneath a directory of the home is the same in what was restored from a whole snapshot.
pub fn assert_restores(world: &World, repository: &str, target: &str) {
    world.ok(&["--repo", repository, "restore", "latest", "--target", target, "--verify"]);
    for path in crate::world::files(&world.path("docs")) {
        let name = path.strip_prefix(world.home()).expect("it is in the home").to_str().expect("a plain path");
        let restored = std::fs::read(world.restored(target, name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(restored == read(&path), "{name}");
    }
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).expect("a file")
}
