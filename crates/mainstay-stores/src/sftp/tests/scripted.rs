//! An SFTP server in this process whose failures are written down beforehand.
//!
//! Owns a tree in memory, and what goes wrong at which request. Tries nothing.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use russh::keys::{PrivateKey, load_secret_key};
use russh::server::{Auth, ChannelOpenHandle, Config, Msg, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId};
use russh_sftp::protocol::StatusCode;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use super::requests::Requests;
use super::sshd::keygen;

/// A kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    Create,
    Open,
    Write,
    Fsync,
    Fstat,
    Close,
    Lstat,
    Rename,
    Read,
    Readdir,
    Remove,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Act {
    Refuse(StatusCode),
    /// The connection breaks, and nothing was done.
    CutBefore,
    /// What was asked for is done, and the connection breaks before the answer.
    CutAfter,
    /// No answer, ever.
    Silence,
    /// Done, and something else is told: a greater length, more bytes, none, an odd name.
    Lie,
}

/// What the server has, and what will happen to it.
#[derive(Default)]
pub struct Shared {
    /// Files with their bytes; directories have none.
    pub tree: BTreeMap<String, Option<Vec<u8>>>,
    pub script: VecDeque<(Op, Act)>,
    pub extensions: Vec<&'static str>,
    /// Whether a rename replaces what is there.
    pub renames_over: bool,
    /// Every request with what it was of.
    pub log: Vec<String>,
    sockets: Vec<TcpStream>,
}

/// The server; it ends with the test.
pub struct Scripted {
    pub shared: Arc<Mutex<Shared>>,
    port: u16,
    _runtime: Runtime,
}

impl Scripted {
    /// Starts one that knows every client, and tells a home its key.
    pub fn start(home: &Path) -> Self {
        let ssh = home.join(".ssh");
        std::fs::create_dir(&ssh).unwrap();
        keygen(&ssh.join("id_ed25519"), "ed25519", "").unwrap();
        keygen(&home.join("host"), "ed25519", "").unwrap();
        let key = load_secret_key(home.join("host"), None).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let port = listener.local_addr().unwrap().port();
        let host = std::fs::read_to_string(home.join("host.pub")).unwrap();
        std::fs::write(ssh.join("known_hosts"), format!("[127.0.0.1]:{port} {host}")).unwrap();
        let extensions = vec!["fsync@openssh.com", "posix-rename@openssh.com"];
        let tree = BTreeMap::from([("/".to_owned(), None)]);
        let shared = Arc::new(Mutex::new(Shared { tree, extensions, ..Shared::default() }));
        runtime.spawn(serve(listener, key, Arc::clone(&shared)));
        Self { shared, port, _runtime: runtime }
    }

    pub fn address(&self) -> String {
        format!("sftp://ann@127.0.0.1:{}/r", self.port)
    }

    pub fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap()
    }

    /// Writes down what goes wrong next, each at the first request of its kind, one after the other.
    pub fn script(&self, script: &[(Op, Act)]) {
        let mut shared = self.shared();
        shared.script = script.iter().copied().collect();
        shared.log.clear();
    }

    /// Whether everything that was written down has happened.
    pub fn is_played(&self) -> bool {
        self.shared().script.is_empty()
    }

    /// Requests that begin so.
    pub fn asked(&self, what: &str) -> Vec<String> {
        self.shared().log.iter().filter(|asked| asked.starts_with(what)).cloned().collect()
    }
}

impl Shared {
    /// What happens at this request.
    pub fn next(&mut self, op: Op, of: &str) -> Option<Act> {
        self.log.push(format!("{op:?} {of}"));
        let is_meant = self.script.front().is_some_and(|(meant, _)| *meant == op);
        is_meant.then(|| self.script.pop_front().unwrap().1)
    }

    pub fn cut(&mut self) {
        for socket in self.sockets.drain(..) {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

async fn serve(listener: TcpListener, key: PrivateKey, shared: Arc<Mutex<Shared>>) -> io::Result<()> {
    let config = Arc::new(Config { keys: vec![key], ..Config::default() });
    loop {
        let (stream, _) = listener.accept().await?;
        let stream = stream.into_std()?;
        shared.lock().unwrap().sockets.push(stream.try_clone()?);
        let stream = tokio::net::TcpStream::from_std(stream)?;
        let connection = Connection { shared: Arc::clone(&shared), channels: Vec::new() };
        tokio::spawn(russh::server::run_stream(Arc::clone(&config), stream, connection));
    }
}

struct Connection {
    shared: Arc<Mutex<Shared>>,
    channels: Vec<Channel<Msg>>,
}

impl russh::server::Handler for Connection {
    type Error = russh::Error;

    async fn auth_publickey(&mut self, _: &str, _: VerifiedPublicKey<'_>) -> Result<Auth, Self::Error> {
        Ok(Auth::Accept)
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        self.channels.push(channel);
        reply.accept().await;
        Ok(())
    }

    async fn subsystem_request(&mut self, id: ChannelId, _: &str, session: &mut Session) -> Result<(), Self::Error> {
        let place = self.channels.iter().position(|channel| channel.id() == id).unwrap();
        let stream = self.channels.swap_remove(place).into_stream();
        session.channel_success(id)?;
        russh_sftp::server::run(stream, Requests::new(Arc::clone(&self.shared))).await;
        Ok(())
    }
}
