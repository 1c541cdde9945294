//! Connections to a database, and what runs on them.
//!
//! Owns how a connection is made, what is asked of its session, and what is tried again.
//!
//! Safety argument: a connection belongs to one call at a time, and goes back into the pool only after a success: nothing is
//! known of a transaction that failed. What is tried again must come to the same when it has come about already.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, Config};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::address::{Encryption, Host, PostgresAddress};
use crate::patience::Patience;
use crate::repeat::Trouble;
use crate::settings::Surroundings;

use super::credentials::{self, Credentials};
use super::failure::{Failure, Outcome};
use super::{schema, secure};

/// Connections that are kept open while nobody needs them.
const IDLE_MAX: usize = 4;
/// Threads that carry requests: they wait.
const THREADS: usize = 2;

/// What is asked of each session: it ends what nobody waits for any more, so that no lock stays behind a client that is gone.
const SETTINGS: &str = "SET statement_timeout = '300s'; SET lock_timeout = '60s';
    SET idle_in_transaction_session_timeout = '120s'; SET client_min_messages = 'warning';";

/// Whether what a session commits is on the disk.
const DURABILITY: &str = "SELECT current_setting('synchronous_commit'), current_setting('fsync')";

/// What is done with the objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Read,
    Write,
}

pub struct Database {
    pub address: PostgresAddress,
    pub patience: Patience,
    config: Config,
    tls: MakeRustlsConnect,
    runtime: Runtime,
    idle: Mutex<Vec<Session>>,
}

struct Session {
    client: Client,
    /// Whether the server says that it syncs what it writes.
    is_durable: bool,
}

impl Database {
    /// Makes ready to connect; sends nothing.
    ///
    /// # Errors
    /// Credentials or certificates cannot be read.
    pub fn new(address: PostgresAddress, surroundings: &Surroundings) -> io::Result<Self> {
        surroundings.require_text()?;
        let mut config = Config::new();
        config
            .dbname(&address.database)
            .port(address.port)
            .application_name("mainstay")
            .connect_timeout(surroundings.patience.connect);
        config.keepalives_idle(Duration::from_secs(30)).tcp_user_timeout(Duration::from_secs(120));
        match &address.host {
            Host::Network(name) => config.host(name),
            Host::Socket(directory) => config.host_path(directory),
        };
        let Credentials { user, password } = credentials::find(&address, surroundings)?;
        if let Some(user) = user {
            config.user(user);
        }
        if let Some(password) = password {
            config.password(password);
        }
        config.ssl_mode(match address.encryption() {
            Encryption::Disable => SslMode::Disable,
            Encryption::Prefer => SslMode::Prefer,
            Encryption::Require | Encryption::VerifyFull => SslMode::Require,
        });
        let tls = secure::connector(address.encryption())?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("mainstay-store")
            .enable_all()
            .build()?;
        Ok(Self { address, patience: surroundings.patience, config, tls, runtime, idle: Mutex::default() })
    }

    /// Does a piece of work, again after what may pass.
    pub fn run<T>(&self, access: Access, mut work: impl AsyncFnMut(&mut Client) -> Outcome<T>) -> io::Result<T> {
        self.patience.repeat(|| self.once(access, &mut work).map_err(Failure::into_trouble))
    }

    /// Does a piece of work once.
    pub fn once<T>(&self, access: Access, work: &mut impl AsyncFnMut(&mut Client) -> Outcome<T>) -> Outcome<T> {
        let pooled = self.idle().pop();
        self.runtime.block_on(async {
            let work = async {
                let mut session = match pooled.filter(|session| !session.client.is_closed()) {
                    Some(session) => session,
                    None => self.connect().await?,
                };
                if access == Access::Write && !session.is_durable {
                    let reason = "the server runs with fsync = off, and loses what it has confirmed with its power";
                    return Err(Failure::answer(io::ErrorKind::Unsupported, reason));
                }
                let done = work(&mut session.client).await?;
                let mut idle = self.idle();
                if idle.len() < IDLE_MAX {
                    idle.push(session);
                }
                Ok(done)
            };
            tokio::time::timeout(self.patience.request, work).await.unwrap_or(Err(Failure::Silence))
        })
    }

    async fn connect(&self) -> Outcome<Session> {
        let (client, connection) = self.config.connect(self.tls.clone()).await?;
        // It ends with its client; what it ended by is told to whoever waits for an answer.
        self.runtime.spawn(async { drop(connection.await) });
        client.batch_execute(SETTINGS).await?;
        let told = client.query_typed(DURABILITY, &[]).await?;
        let row = told.first().ok_or_else(|| Failure::answer(io::ErrorKind::Other, "the server told no settings"))?;
        let (commit, fsync): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        if commit == "off" {
            client.batch_execute("SET synchronous_commit = on").await?;
        }
        schema::require_known(&client, &self.address.schema).await?;
        Ok(Session { client, is_durable: fsync == "on" })
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Session>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        failure.into_trouble()
    }
}
