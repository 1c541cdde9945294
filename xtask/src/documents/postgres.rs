//! A PostgreSQL server for the blocks of a document.
//!
//! Owns its cluster, which an ordinary user has, since it refuses to be root's. Waits for nothing.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where Debian has the programs, by version.
const PROGRAMS: &str = "/usr/lib/postgresql";
/// Who runs it where this is root.
const USER: &str = "postgres";

/// Makes a cluster in a directory, with a user `ada`, a password `secret` and a database `postgres`; answers how to start it, and
/// the port by which its socket is named.
pub fn cluster(directory: &Path) -> Result<(Command, u16), String> {
    let failed = |what: &str| format!("make a PostgreSQL server: {what}");
    let programs = programs().ok_or_else(|| failed(&format!("nothing is in {PROGRAMS}")))?;
    let password = directory.join("password");
    std::fs::write(&password, "secret\n").map_err(|error| failed(&error.to_string()))?;
    let is_root = is_root();
    if is_root {
        let given = Command::new("chown").arg("-R").arg(USER).arg(directory).status();
        given.ok().filter(|status| status.success()).ok_or_else(|| failed("chown"))?;
    }
    let data = directory.join("data");
    let mut initdb = as_user(&programs.join("initdb"), is_root);
    initdb
        .args(["--no-sync", "--auth=scram-sha-256", "--username=ada", "--pwfile"])
        .arg(&password)
        .arg("-D")
        .arg(&data);
    let made = initdb.stdout(Stdio::null()).stderr(Stdio::null()).status();
    made.ok().filter(|status| status.success()).ok_or_else(|| failed("initdb"))?;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let port = listener.map_err(|error| failed(&error.to_string()))?.port();
    let mut server = as_user(&programs.join("postgres"), is_root);
    server.arg("-D").arg(&data).arg("-k").arg(directory).args(["-p", &port.to_string()]);
    server.args(["-c", "listen_addresses=127.0.0.1", "-c", "lc_messages=C"]);
    Ok((server, port))
}

fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir(PROGRAMS).ok()?.filter_map(Result::ok).map(|version| version.path().join("bin"));
    versions.filter(|bin| bin.join("initdb").is_file()).max()
}

fn is_root() -> bool {
    let told = Command::new("id").arg("-u").output();
    told.is_ok_and(|told| told.stdout == b"0\n")
}

fn as_user(program: &Path, is_root: bool) -> Command {
    if !is_root {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid", USER, "--regid", USER, "--clear-groups"]).arg(program).current_dir("/");
    command
}
