//! An SSH server for the blocks of a document.
//!
//! Owns starting it and making a home know it. It ends with the document.

use crate::binary::Scratch;
use std::path::Path;

#[path = "../../../crates/mainstay-stores/src/sftp/tests/sshd.rs"]
#[expect(dead_code, reason = "tests cut connections; documents do not")]
mod sshd;

/// An SSH server that lets the user of a home in.
pub struct Ssh {
    _server: sshd::Sshd,
    _folder: Scratch,
}

/// Starts the server of the tests (package openssh-server); in the home it is called `nas`.
pub fn start(home: &Path) -> Result<Ssh, String> {
    let folder = Scratch::create("ssh")?;
    let start = || {
        let server = sshd::Sshd::start(&folder.path)?;
        server.befriend(home).map(|()| server)
    };
    let server = start().map_err(|error: std::io::Error| format!("start an SSH server: {error}"))?;
    Ok(Ssh { _server: server, _folder: folder })
}
