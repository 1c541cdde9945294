//! Servers for the blocks of a document.
//!
//! Owns starting them, and what the environment of a block says of them. They end with the document.

use super::postgres;
use super::ssh::{self, Ssh};
use crate::checkout;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// What a mark may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The light server of the tests (`tools/requirements.txt`), with a bucket `backups`.
    S3,
    /// rclone over a directory that goes with it; the variable `SERVER` holds its address.
    Webdav,
    /// A new cluster; the variable `DATABASE` holds the address of its database.
    Postgresql,
    /// An SSH server that the user knows as `nas`: `ssh` starts it.
    Sftp,
}

impl Kind {
    pub const ALL: [Self; 4] = [Self::S3, Self::Webdav, Self::Postgresql, Self::Sftp];

    pub fn name(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Webdav => "webdav",
            Self::Postgresql => "postgresql",
            Self::Sftp => "sftp",
        }
    }
}

pub struct Server {
    kind: Kind,
    /// None for the one that ends by itself.
    process: Option<Child>,
    address: String,
    /// What a server that has a directory serves.
    directory: Option<PathBuf>,
    _ssh: Option<Ssh>,
}

impl Server {
    /// Starts one for a document with this home.
    pub fn start(kind: Kind, home: &Path) -> Result<Self, String> {
        let failed = |error: std::io::Error| format!("start a server ({}): {error}", kind.name());
        let (mut command, directory, port) = match kind {
            Kind::Sftp => {
                let ssh = Some(ssh::start(home)?);
                return Ok(Self { kind, process: None, address: String::new(), directory: None, _ssh: ssh });
            }
            Kind::S3 => (s3(), None, None),
            Kind::Webdav => {
                let directory = own_directory(kind).map_err(failed)?;
                (webdav(&directory), Some(directory), None)
            }
            Kind::Postgresql => {
                let directory = own_directory(kind).map_err(failed)?;
                let (command, port) = postgres::cluster(&directory)?;
                (command, Some(directory), Some(port))
            }
        };
        let mut process = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().map_err(failed)?;
        let errors = process.stderr.take().ok_or("start a server: it has no output")?;
        let mut server = Self { kind, process: Some(process), address: String::new(), directory, _ssh: None };
        let mut lines = BufReader::new(errors).lines().map_while(Result::ok);
        let told = lines.find_map(|line| match port {
            Some(port) => line.contains("ready to accept connections").then(|| format!("127.0.0.1:{port}")),
            None => Some(line.split_once(" on http://")?.1.trim().trim_end_matches('/').to_owned()),
        });
        server.address = told.ok_or("start a server: it ended (did ./test install what it needs?)")?;
        // Whatever it says later is read, so that it never waits.
        std::thread::spawn(move || lines.for_each(drop));
        if kind == Kind::S3 {
            server.create_bucket().map_err(|error| format!("create a bucket at {}: {error}", server.address))?;
        }
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
        match self.kind {
            Kind::Sftp => Vec::new(),
            Kind::S3 => vec![
                ("AWS_ENDPOINT_URL", format!("http://{}", self.address)),
                ("AWS_ACCESS_KEY_ID", "key".to_owned()),
                ("AWS_SECRET_ACCESS_KEY", "secret".to_owned()),
            ],
            Kind::Webdav => vec![
                ("SERVER", format!("webdav://{}", self.address)),
                ("WEBDAV_USERNAME", "ada".to_owned()),
                ("WEBDAV_PASSWORD", "secret".to_owned()),
            ],
            Kind::Postgresql => vec![
                ("DATABASE", format!("postgresql://ada@{}/postgres", self.address)),
                ("PGPASSWORD", "secret".to_owned()),
            ],
        }
    }
}

/// A directory that goes with the server.
fn own_directory(kind: Kind) -> std::io::Result<PathBuf> {
    let directory = std::env::temp_dir().join(format!("mainstay-{}-{}", kind.name(), std::process::id()));
    std::fs::create_dir(&directory)?;
    Ok(directory)
}

fn s3() -> Command {
    let named = std::env::var_os("MAINSTAY_TEST_PYTHON").map(PathBuf::from);
    let python = named.unwrap_or_else(|| checkout::root().join("target/venv/bin/python3"));
    let program = "import sys; from moto.server import main; sys.exit(main())";
    let mut command = Command::new(python);
    command.args(["-c", program, "-H", "127.0.0.1", "-p", "0"]);
    command
}

fn webdav(directory: &Path) -> Command {
    let mut command = Command::new("rclone");
    let served = ["serve", "webdav", "--config", "", "--user", "ada", "--pass", "secret", "--addr", "127.0.0.1:0"];
    command.args(served).arg(directory);
    command
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            let _ = process.kill();
            let _ = process.wait();
        }
        if let Some(directory) = &self.directory {
            let _ = std::fs::remove_dir_all(directory);
        }
    }
}
