//! A connection to a server: found, trusted, and let in.
//!
//! Owns the way from a target to a channel that speaks SFTP, with a limit of time for each step. Asks nothing of files.

use std::borrow::Cow;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use russh::client::{self, Handle};
use russh::keys::PublicKeyOrCertificate;
use russh::{ChannelMsg, Preferred};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::channel::Channel;
use super::config::Target;
use super::failure::{HostKey, NoLine, Trust, late, of_answer, passing};
use super::identity;
use super::known_hosts::Known;
use super::wire::Session;

/// How long is waited for what.
#[derive(Clone, Debug)]
pub struct Patience {
    /// Until a connection stands and both sides have their keys.
    pub connect: Duration,
    /// For an answer to a request: what is under way beside it, 4 MiB, takes a minute at 0.6 Mbit/s.
    pub answer: Duration,
    /// A server that says nothing for so long is asked whether it is there.
    pub silence: Duration,
    /// Before what failed in passing is tried anew, ever longer. A server starts anew in less.
    pub pauses: Vec<Duration>,
    /// So long after the first failure nothing is tried anew.
    pub retry_for: Duration,
}

impl Patience {
    /// What a user has set, where it is less.
    pub fn of(set: &crate::patience::Patience) -> Self {
        let usual = Self::default();
        let pauses = usual.pauses.into_iter().take(set.retries).collect();
        Self { connect: usual.connect.min(set.connect), answer: usual.answer.min(set.request), pauses, ..usual }
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(20),
            answer: Duration::from_secs(60),
            silence: Duration::from_secs(15),
            pauses: [1, 2, 4, 8, 15].map(Duration::from_secs).to_vec(),
            retry_for: Duration::from_secs(120),
        }
    }
}

/// Looks at the key that a server shows.
pub struct Greeter {
    known: Known,
}

impl client::Handler for Greeter {
    type Error = NoLine;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, NoLine> {
        let PublicKeyOrCertificate::PublicKey { key, .. } = shown else {
            let message = "the server shows a certificate, which was not asked for".to_owned();
            let hint = "ask whoever runs the server".to_owned();
            return Err(NoLine::HostKey(HostKey::new(Trust::Unknown, message, hint)));
        };
        self.known.require(key).map_err(NoLine::HostKey)?;
        Ok(true)
    }
}

/// A connection on which the server knows who we are.
pub struct Line {
    handle: Handle<Greeter>,
    patience: Patience,
}

impl Line {
    /// Calls a server.
    ///
    /// # Errors
    /// [`HostKey`] when it is not the one that is known, `PermissionDenied` when it does not let us in, and an error that passes
    /// when it cannot be reached.
    pub async fn open(target: &Target, patience: &Patience) -> io::Result<Self> {
        let known = Known::read(target)?;
        let config = Arc::new(client::Config {
            preferred: Preferred { key: Cow::Owned(known.preferred()), ..Preferred::DEFAULT },
            keepalive_interval: Some(patience.silence),
            keepalive_max: 3,
            nodelay: true,
            ..client::Config::default()
        });
        let place = format!("{} port {}", target.host, target.port);
        let connect = async {
            let stream = TcpStream::connect((target.host.as_str(), target.port)).await;
            let stream = stream.map_err(|error| passing(&format!("connect to {place}: {error}")))?;
            stream.set_nodelay(true).map_err(|error| passing(&format!("connect to {place}: {error}")))?;
            match client::connect_stream(config, stream, Greeter { known }).await {
                Err(NoLine::Ssh(error @ (russh::Error::IO(_) | russh::Error::Disconnect | russh::Error::HUP))) => {
                    Err(passing(&format!("connect to {place}: {error}")))
                }
                connected => connected.map_err(io::Error::from),
            }
        };
        let connected = timeout(patience.connect, connect).await;
        let mut handle = connected.unwrap_or_else(|_| Err(late(&format!("connect to {place}"))))?;
        let proven = timeout(patience.answer, identity::prove(&mut handle, target)).await;
        proven.unwrap_or_else(|_| Err(late(&format!("let {} in", target.user))))?;
        Ok(Self { handle, patience: patience.clone() })
    }

    pub fn is_closed(&self) -> bool {
        self.handle.is_closed()
    }

    /// Opens another channel. `None` where the server does not allow so many.
    pub async fn channel(self: &Arc<Self>) -> io::Result<Option<Channel>> {
        let opened = timeout(self.patience.answer, self.begin()).await;
        opened.unwrap_or_else(|_| Err(late("begin SFTP")))
    }

    async fn begin(self: &Arc<Self>) -> io::Result<Option<Channel>> {
        let ssh = |error: russh::Error| io::Error::from(NoLine::Ssh(error));
        let mut channel = match self.handle.channel_open_session().await {
            Err(russh::Error::ChannelOpenFailure(_)) => return Ok(None),
            opened => opened.map_err(ssh)?,
        };
        channel.request_subsystem(true, "sftp").await.map_err(ssh)?;
        loop {
            match channel.wait().await {
                Some(ChannelMsg::Success) => break,
                Some(ChannelMsg::WindowAdjusted { .. }) => {}
                Some(ChannelMsg::Failure) => {
                    return Err(io::Error::new(io::ErrorKind::Unsupported, "the server offers no SFTP to this user"));
                }
                Some(_) => return Err(passing("begin SFTP: the server said something else")),
                None => return Err(passing("begin SFTP: the connection ended")),
            }
        }
        let opened = Session::open(channel.into_stream(), self.patience.answer).await;
        let (session, offers) = opened.map_err(|refusal| {
            let error = of_answer("begin SFTP", refusal);
            io::Error::new(error.kind(), format!("{error} (does a login script of the user print something?)"))
        })?;
        Ok(Some(Channel::new(session, &offers, Arc::clone(self))))
    }
}
