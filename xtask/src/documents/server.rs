//! An S3 server and an SSH server for the blocks of a document.
//!
//! Owns starting them, the bucket in the one, and what the environment of a block says of it. They end with the document.

use crate::binary::Scratch;
use crate::checkout;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

#[path = "../../../crates/mainstay-stores/src/sftp/tests/sshd.rs"]
#[expect(dead_code, reason = "tests cut connections; documents do not")]
mod sshd;

pub struct Server {
    process: Child,
    address: String,
}

impl Server {
    /// Starts the light server of the tests (`tools/requirements.txt`) with a bucket `backups`.
    pub fn start() -> Result<Self, String> {
        let named = std::env::var_os("MAINSTAY_TEST_PYTHON").map(std::path::PathBuf::from);
        let python = named.unwrap_or_else(|| checkout::root().join("target/venv/bin/python3"));
        let program = "import sys; from moto.server import main; sys.exit(main())";
        let mut process = Command::new(&python)
            .args(["-c", program, "-H", "127.0.0.1", "-p", "0"])
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .map_err(|error| format!("start an S3 server by {}: {error}", python.display()))?;
        let errors = process.stderr.take().ok_or("start an S3 server: it has no output")?;
        let mut server = Self { process, address: String::new() };
        let mut lines = BufReader::new(errors).lines().map_while(Result::ok);
        let told = lines.find_map(|line| Some(line.split_once("Running on http://")?.1.trim().to_owned()));
        server.address = told.ok_or("start an S3 server: it ended (is tools/requirements.txt installed?)")?;
        // Whatever it says later is read, so that it never waits.
        std::thread::spawn(move || lines.for_each(drop));
        server.create_bucket().map_err(|error| format!("create a bucket at {}: {error}", server.address))?;
        Ok(server)
    }

    fn create_bucket(&self) -> std::io::Result<()> {
        let mut stream = TcpStream::connect(&self.address)?;
        let key = "AWS4-HMAC-SHA256 Credential=key/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";
        let head = format!("PUT /backups HTTP/1.1\r\nHost: {}\r\nAuthorization: {key}\r\n", self.address);
        write!(stream, "{head}Content-Length: 0\r\nConnection: close\r\n\r\n")?;
        stream.read_to_end(&mut Vec::new()).map(drop)
    }

    /// What a user would have set.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_ENDPOINT_URL", format!("http://{}", self.address)),
            ("AWS_ACCESS_KEY_ID", "key".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "secret".to_owned()),
        ]
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// An SSH server that lets the user of a home in.
pub struct Ssh {
    _server: sshd::Sshd,
    _folder: Scratch,
}

/// Starts the server of the tests (package openssh-server); in the home it is called `nas`.
pub fn start_ssh(home: &Path) -> Result<Ssh, String> {
    let folder = Scratch::create("ssh")?;
    let start = || {
        let server = sshd::Sshd::start(&folder.path)?;
        server.befriend(home).map(|()| server)
    };
    let server = start().map_err(|error: std::io::Error| format!("start an SSH server: {error}"))?;
    Ok(Ssh { _server: server, _folder: folder })
}
