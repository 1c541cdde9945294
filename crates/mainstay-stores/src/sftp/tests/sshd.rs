//! An OpenSSH server for tests and documents: for each connection one `sshd -i`, as the user who runs the test.
//!
//! Owns its keys, its settings and its port, all in a folder of its caller's. Accepts connections itself, so that no port is
//! taken twice and a test can cut them. Used by more than one crate: needs nothing but the standard library.

use std::fs;
use std::io::{self, Error};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

const SSHD: &str = "/usr/sbin/sshd";

pub struct Sshd {
    folder: PathBuf,
    port: u16,
    user: String,
    shared: Arc<Mutex<Shared>>,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    is_refusing: bool,
    is_over: bool,
    connections: Vec<(TcpStream, Child)>,
    accepted: usize,
}

impl Sshd {
    /// Starts one that lets the user in by the key `client` of the folder, which is made; there `home` is where it begins.
    pub fn start(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder.join("home"))?;
        // What sshd wants where root runs it, and the system's own start would have made.
        let _ = fs::create_dir_all("/run/sshd");
        for key in ["host", "client"] {
            keygen(&folder.join(key), "ed25519", "")?;
        }
        fs::copy(folder.join("client.pub"), folder.join("authorized_keys"))?;
        let settings = format!(
            "HostKey {0}/host\nAuthorizedKeysFile {0}/authorized_keys\nSubsystem sftp internal-sftp -d {0}/home\nUsePAM no\nStrictModes no\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\nPidFile none\n",
            folder.display()
        );
        fs::write(folder.join("sshd_config"), settings)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let shared = Arc::<Mutex<Shared>>::default();
        let accepting = {
            let (shared, folder) = (Arc::clone(&shared), folder.to_owned());
            std::thread::spawn(move || accept(&listener, &shared, &folder))
        };
        let user = said(Command::new("id").arg("-un"))?;
        Ok(Self { folder: folder.to_owned(), port, user, shared, accepting: Some(accepting) })
    }

    /// The address of a directory of this machine, by way of the server.
    pub fn address(&self, path: &Path) -> String {
        format!("sftp://{}@127.0.0.1:{}{}", self.user, self.port, path.display())
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Gives a home the key of the client, and tells it the host's; the server is called `nas` there.
    pub fn befriend(&self, home: &Path) -> io::Result<()> {
        let folder = home.join(".ssh");
        fs::create_dir_all(&folder)?;
        fs::copy(self.folder.join("client"), folder.join("id_ed25519"))?;
        let host = format!("Host nas\n HostName 127.0.0.1\n Port {}\n User {}\n", self.port, self.user);
        fs::write(folder.join("config"), host)?;
        fs::write(folder.join("known_hosts"), self.known_host()?)
    }

    /// The line by which the host is known.
    pub fn known_host(&self) -> io::Result<String> {
        let key = fs::read_to_string(self.folder.join("host.pub"))?;
        Ok(format!("[127.0.0.1]:{} {key}", self.port))
    }

    /// Ends every connection, as if the server had been killed; whether new ones are made is for `is_refusing`.
    pub fn cut(&self, is_refusing: bool) {
        let mut shared = lock(&self.shared);
        shared.is_refusing = is_refusing;
        for (stream, mut process) in std::mem::take(&mut shared.connections) {
            let _ = process.kill();
            let _ = stream.shutdown(Shutdown::Both);
            let _ = process.wait();
        }
    }

    /// How many connections were accepted.
    pub fn accepted(&self) -> usize {
        lock(&self.shared).accepted
    }

    /// Accepts connections again.
    pub fn restart(&self) {
        lock(&self.shared).is_refusing = false;
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.cut(true);
        lock(&self.shared).is_over = true;
        // Wakes the thread that accepts.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        let _ = self.accepting.take().map(JoinHandle::join);
    }
}

/// Makes a pair of keys.
pub fn keygen(path: &Path, kind: &str, passphrase: &str) -> io::Result<()> {
    said(Command::new("ssh-keygen").args(["-q", "-t", kind, "-N", passphrase, "-C", "test", "-f"]).arg(path)).map(drop)
}

fn accept(listener: &TcpListener, shared: &Mutex<Shared>, folder: &Path) {
    for stream in listener.incoming().map_while(Result::ok) {
        let mut shared = lock(shared);
        if shared.is_over {
            return;
        }
        shared.accepted += 1;
        if shared.is_refusing {
            continue;
        }
        let started = serve(&stream, folder);
        shared.connections.push((stream, started.expect("sshd of the package openssh-server")));
    }
}

fn serve(stream: &TcpStream, folder: &Path) -> io::Result<Child> {
    let socket = || Ok::<_, Error>(Stdio::from(OwnedFd::from(stream.try_clone()?)));
    Command::new(SSHD)
        .args(["-i", "-f"])
        .arg(folder.join("sshd_config"))
        .arg("-E")
        .arg(folder.join("log"))
        .stdin(socket()?)
        .stdout(socket()?)
        .stderr(Stdio::null())
        .spawn()
}

/// What a program said; its errors where it failed.
fn said(command: &mut Command) -> io::Result<String> {
    let output = command.output()?;
    if !output.status.success() {
        return Err(Error::other(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn lock(shared: &Mutex<Shared>) -> std::sync::MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
