//! A PostgreSQL server that a test starts for itself.
//!
//! Owns its cluster, as an ordinary user, since it refuses to be root's; and looking into it past the binary. Tries nothing.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::world::World;

/// Who runs it where the tests are root's.
const USER: &str = "postgres";
/// More often than it takes for what is left of a server that was killed to be gone.
const ATTEMPTS: usize = 50;

/// A server with a user `me`, whose password is where programs look for it.
pub struct Postgres {
    folder: tempfile::TempDir,
    process: Child,
    pub port: u16,
    settings: &'static [&'static str],
}

impl Postgres {
    pub fn start(world: &World, settings: &'static [&'static str]) -> Self {
        let folder = tempfile::tempdir().expect("a directory");
        // The user of the server has to reach it.
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).expect("it is ours");
        let data = folder.path().join("data");
        std::fs::create_dir(&data).expect("a directory");
        let password = folder.path().join("password");
        std::fs::write(&password, "hush\n").expect("a file");
        give_to_user(&[&data, &password]);
        let mut initdb = as_user("initdb");
        initdb.args(["--no-sync", "--auth=scram-sha-256", "--username=me", "--pwfile"]).arg(&password);
        let made = initdb.arg("-D").arg(&data).stdout(Stdio::null()).status();
        assert!(made.is_ok_and(|status| status.success()), "initdb");
        let pgpass = world.write(".pgpass", b"*:*:postgres:me:hush\n");
        std::fs::set_permissions(pgpass, PermissionsExt::from_mode(0o600)).expect("it is ours");
        let port = super::free_port();
        let process = spawn(&data, port, settings);
        Self { folder, process, port, settings }
    }

    /// The address of a repository in it.
    pub fn repository(&self, schema: &str) -> String {
        format!("postgresql://me@127.0.0.1:{}/postgres?schema={schema}", self.port)
    }

    /// The same, by its socket.
    pub fn repository_by_socket(&self, schema: &str) -> String {
        let directory = self.folder.path().join("data");
        format!("postgresql://me@:{}/postgres?schema={schema}&host={}", self.port, directory.display())
    }

    /// What a statement answers, its columns between `|`.
    pub fn sql(&self, statement: &str) -> String {
        let mut psql = Command::new(directory_of_programs().join("psql"));
        psql.args(["-X", "-A", "-t", "-h", "127.0.0.1", "-U", "me", "-p", &self.port.to_string(), "-c", statement]);
        let ran = psql.arg("postgres").env("PGPASSWORD", "hush").output().expect("psql");
        assert!(ran.status.success(), "{statement}: {}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8(ran.stdout).expect("text").trim().to_owned()
    }

    /// Ends it at once, whatever it is doing, and starts it anew where it was.
    pub fn kill_and_start_anew(&mut self) {
        self.process.kill().expect("it runs");
        self.process.wait().expect("it ends");
        let data = self.folder.path().join("data");
        // Those that it began end by themselves once they notice, and until then no other one starts there.
        let begun = std::time::Instant::now();
        while is_worked_in(&data) {
            assert!(begun.elapsed().as_secs() < 120, "processes of the server that was killed do not end");
            std::thread::yield_now();
        }
        self.process = spawn(&data, self.port, self.settings);
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Starts the server and waits until it answers; what is left of one that was killed may be in the way for a moment.
fn spawn(data: &Path, port: u16, settings: &[&str]) -> Child {
    let mut told = Vec::new();
    for _ in 0..ATTEMPTS {
        let mut command = as_user("postgres");
        command.arg("-D").arg(data).arg("-k").arg(data).args(["-p", &port.to_string()]);
        command.args(["-c", "listen_addresses=127.0.0.1", "-c", "lc_messages=C"]).args(settings);
        let mut process = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("a server");
        match super::line_of(&mut process, "ready to accept connections") {
            Ok(_) => return process,
            Err(error) => told.push(error),
        }
        process.wait().expect("it ended");
    }
    panic!("the server does not start: {:?}", told.last());
}

/// Whether a process has this directory for its own, as all of a server's have.
fn is_worked_in(directory: &Path) -> bool {
    let processes = std::fs::read_dir("/proc").expect("it lists processes").filter_map(Result::ok);
    processes.filter_map(|process| std::fs::read_link(process.path().join("cwd")).ok()).any(|cwd| cwd == directory)
}

/// Where Debian has the programs of the newest version, which are not on everybody's path.
fn directory_of_programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL is installed");
    let versions = versions.map(|version| version.expect("an entry").path().join("bin"));
    versions.filter(|bin| bin.join("initdb").is_file()).max().expect("PostgreSQL is installed")
}

/// A program of the server, as somebody who is not root.
fn as_user(program: &str) -> Command {
    let program = directory_of_programs().join(program);
    if !rustix::process::getuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid", USER, "--regid", USER, "--clear-groups"]).arg(program).current_dir("/");
    command
}

fn give_to_user(paths: &[&Path]) {
    if rustix::process::getuid().is_root() {
        let given = Command::new("chown").arg(USER).args(paths).status();
        assert!(given.is_ok_and(|status| status.success()), "chown");
    }
}
