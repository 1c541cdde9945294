//! Who we are to a server: keys of an agent, and keys in files.
//!
//! Owns the order in which they are tried and what is told of those that could not be used. Never asks for a passphrase, never
//! tells a key, and never tries a password.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;
use std::{fs, io};

use russh::client::{AuthResult, Handle};
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::{Error as KeyError, PrivateKey, PrivateKeyWithHashAlg, decode_secret_key};
use tokio::net::UnixStream;

use super::config::{Target, text_of};
use super::failure::NoLine;
use super::line::Greeter;

/// Keys of an agent that are tried: servers end the connection after some.
const MOST_OF_AGENT: usize = 16;

/// Proves to the server that we are the user.
///
/// # Errors
/// `PermissionDenied` when it took none of the keys; the message tells which were tried, and why others were not.
pub async fn prove(line: &mut Handle<Greeter>, target: &Target) -> io::Result<()> {
    let mut tried = Vec::new();
    // What the user has named goes before everything that the agent holds, since a server listens to a few keys only.
    if target.are_keys_named && try_files(line, target, &mut tried).await? {
        return Ok(());
    }
    if try_agent(line, target, &mut tried).await? {
        return Ok(());
    }
    if !target.are_keys_named && try_files(line, target, &mut tried).await? {
        return Ok(());
    }
    let tried = if tried.is_empty() { "there is no agent and no key".to_owned() } else { tried.join("; ") };
    let message = format!("the server lets nobody in as {} with the keys at hand: {tried}", target.user);
    Err(io::Error::new(io::ErrorKind::PermissionDenied, message))
}

async fn try_files(line: &mut Handle<Greeter>, target: &Target, tried: &mut Vec<String>) -> io::Result<bool> {
    for path in &target.keys {
        let key = match load(path) {
            Ok(Some(key)) => key,
            Ok(None) if target.are_keys_named => {
                tried.push(format!("{} is not there", path.display()));
                continue;
            }
            Ok(None) => continue,
            Err(problem) => {
                tried.push(format!("{} {problem}", path.display()));
                continue;
            }
        };
        let key = PrivateKeyWithHashAlg::new(Arc::new(key), None);
        let answer = line.authenticate_publickey(&target.user, key).await.map_err(NoLine::Ssh)?;
        if is_in(answer, &path.display().to_string(), tried) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The key in a file; what is told where it cannot be used.
fn load(path: &Path) -> Result<Option<PrivateKey>, String> {
    let Some(text) = text_of(path).map_err(|error| format!("cannot be read ({error})"))? else { return Ok(None) };
    let mode = fs::metadata(path).map(|metadata| metadata.mode()).unwrap_or_default();
    if mode & 0o077 != 0 {
        return Err(format!("can be read by others (chmod 600 {})", path.display()));
    }
    match decode_secret_key(&text, None) {
        Ok(key) if key.algorithm().is_rsa() => Err("is an RSA key, which only an agent can use (ssh-add)".to_owned()),
        Ok(key) => Ok(Some(key)),
        Err(KeyError::KeyIsEncrypted) => Err("has a passphrase: hand it to the agent (ssh-add)".to_owned()),
        // What the library says may quote what it read.
        Err(_) => Err("is no private key that is known here".to_owned()),
    }
}

async fn try_agent(line: &mut Handle<Greeter>, target: &Target, tried: &mut Vec<String>) -> io::Result<bool> {
    let Some(socket) = &target.agent else { return Ok(false) };
    let mut agent = match UnixStream::connect(socket).await {
        Ok(stream) => AgentClient::connect(stream),
        Err(error) => {
            tried.push(format!("the agent at SSH_AUTH_SOCK cannot be reached ({error})"));
            return Ok(false);
        }
    };
    // An agent that restricts keys to destinations wants to know this one; others do not know the request.
    if let Some(binding) = line.agent_session_binding() {
        let _ = agent.bind_session(binding, false).await;
    }
    let identities = match agent.request_identities().await {
        Ok(identities) => identities,
        Err(error) => {
            tried.push(format!("the agent at SSH_AUTH_SOCK told no keys ({error})"));
            return Ok(false);
        }
    };
    if identities.is_empty() {
        tried.push("the agent has no keys".to_owned());
    }
    for identity in identities.into_iter().take(MOST_OF_AGENT) {
        let AgentIdentity::PublicKey { key, comment } = identity else { continue };
        let hash = match key.algorithm().is_rsa() {
            true => line.best_supported_rsa_hash().await.map_err(NoLine::Ssh)?.flatten(),
            false => None,
        };
        let name = format!("{comment} of the agent");
        match line.authenticate_publickey_with(&target.user, key, hash, &mut agent).await {
            Ok(answer) => {
                if is_in(answer, &name, tried) {
                    return Ok(true);
                }
            }
            Err(_) if line.is_closed() => return Err(NoLine::Ssh(russh::Error::Disconnect).into()),
            Err(error) => tried.push(format!("{name} did not sign ({error})")),
        }
    }
    Ok(false)
}

/// Whether the server is content.
fn is_in(answer: AuthResult, key: &str, tried: &mut Vec<String>) -> bool {
    match answer {
        AuthResult::Success => return true,
        AuthResult::Failure { partial_success: true, .. } => {
            tried.push(format!("{key} was taken, and the server wants another proof beside it"));
        }
        AuthResult::Failure { .. } => tried.push(format!("{key} was not taken")),
    }
    false
}
