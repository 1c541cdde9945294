//! An empty home and the binary in it.
//!
//! Owns how the binary is run: nothing of the caller's environment gets through but the search path.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

pub const BINARY: &str = env!("CARGO_BIN_EXE_mainstay");

/// A home directory that is removed at the end; commands run in it.
pub struct World {
    directory: tempfile::TempDir,
    /// What commands find in their environment beside the usual.
    variables: Vec<(String, String)>,
}

/// What a command printed and how it ended.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl World {
    pub fn new() -> Self {
        Self { directory: tempfile::tempdir().expect("a directory for the test"), variables: Vec::new() }
    }

    /// A home in memory where the system has such a place: for tests that run hundreds of commands.
    pub fn in_memory() -> Self {
        Self { directory: Self::directory_in_memory(), variables: Vec::new() }
    }

    pub fn directory_in_memory() -> tempfile::TempDir {
        tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a directory for the test")
    }

    /// A home with some files in `docs`.
    pub fn with_files() -> Self {
        let world = Self::new();
        world.write("docs/notes.md", b"first line\n");
        world.write("docs/deep/er/leaf", b"leaf");
        world.write("docs/large", &noise(3 << 20));
        world
    }

    /// The same, backed up once into the default repository.
    pub fn backed_up() -> Self {
        let world = Self::with_files();
        world.settle();
        world.ok(&["backup", "docs"]);
        world
    }

    /// Lets the clock of files move on: what changed within 20 ms before a backup began is read again by the next one.
    pub fn settle(&self) {
        let written = || {
            let metadata = self.write("clock", b"").metadata().expect("the file is there");
            metadata.modified().expect("files have times")
        };
        let start = written();
        while written() < start + std::time::Duration::from_millis(40) {}
        std::fs::remove_file(self.path("clock")).expect("the file is there");
    }

    /// Has every later command find a variable.
    #[cfg(feature = "opendal")]
    pub fn set(&mut self, name: &str, value: &str) {
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    pub fn home(&self) -> &Path {
        self.directory.path()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.home().join(name)
    }

    /// A path of the home as it stands in snapshots.
    pub fn absolute(&self, name: &str) -> String {
        let home = self.home().canonicalize().expect("the home is there");
        home.join(name).to_str().expect("a plain path").to_owned()
    }

    /// Where a file of the home is in a target into which a whole snapshot was restored.
    pub fn restored(&self, target: &str, name: &str) -> PathBuf {
        self.path(target).join(self.absolute(name).trim_start_matches('/'))
    }

    pub fn write(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a file has a directory")).expect("a directory");
        std::fs::write(&path, content).expect("a file");
        path
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        let path = self.path(name);
        std::fs::read(&path).unwrap_or_else(|error| panic!("read {}: {error}", path.display()))
    }

    pub fn repository(&self) -> PathBuf {
        self.path(".local/share/mainstay/repository")
    }

    /// The one generated key file.
    pub fn key_file(&self) -> PathBuf {
        only(&self.path(".config/mainstay/keys"))
    }

    /// The one recovery kit in the configuration directory.
    pub fn recovery_kit(&self) -> PathBuf {
        let entries = std::fs::read_dir(self.path(".config/mainstay")).expect("a directory");
        let paths = entries.map(|entry| entry.expect("an entry").path());
        let kits: Vec<PathBuf> = paths.filter(|path| path.extension() == Some(OsStr::new("txt"))).collect();
        assert_eq!(kits.len(), 1, "{kits:?}");
        kits.into_iter().next().expect("there is one")
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        self.command_of(Path::new(BINARY), arguments)
    }

    pub fn command_of(&self, binary: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary);
        command
            .args(arguments)
            .env_clear()
            .env("HOME", self.home())
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            // Tests that forget want to see it gone; the hold has tests of its own.
            .envs([("TZ", "UTC"), ("LANG", "C.UTF-8"), ("TERM", "xterm"), ("MAINSTAY_HOLD", "0d")])
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .current_dir(self.home())
            .stdin(Stdio::null());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Ran {
        run(&mut self.command(arguments))
    }

    /// Runs a command that must succeed.
    pub fn ok(&self, arguments: &[&str]) -> Ran {
        let ran = self.run(arguments);
        assert_eq!(ran.code, 0, "mainstay {arguments:?}: {ran:#?}");
        ran
    }

    /// Runs a command that must fail with this exit code and error code.
    pub fn fails(&self, arguments: &[&str], code: i32, error: &str) -> Ran {
        let ran = self.run(arguments);
        ran.failed(code, error);
        ran
    }

    /// The one document that a command prints with `--json`.
    pub fn document(&self, arguments: &[&str]) -> Value {
        let ran = self.ok(&[arguments, &["--json"]].concat());
        assert_eq!(ran.stderr, "", "mainstay {arguments:?}");
        serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {}", ran.stdout))
    }

    /// The first document that a command prints with `--json` and this exit code.
    pub fn document_of(&self, arguments: &[&str], code: i32) -> Value {
        let ran = self.run(&[arguments, &["--json"]].concat());
        assert_eq!(ran.code, code, "{ran:#?}");
        serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:#?}"))
    }

    /// The lines that a command prints with `--json`.
    pub fn lines(&self, arguments: &[&str]) -> Vec<Value> {
        self.run(&[arguments, &["--json"]].concat()).lines()
    }

    /// The ids of all snapshots, oldest first.
    pub fn snapshots(&self) -> Vec<String> {
        let listed = self.document(&["snapshots"]);
        let listed = listed.as_array().expect("an array").iter();
        listed.map(|snapshot| snapshot["id"].as_str().expect("an id").to_owned()).collect()
    }
}

impl Ran {
    fn new(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Asserts the grammar of errors: `error[CODE] …`, then `hint: …`, most important last and nothing on standard output.
    pub fn failed(&self, code: i32, error: &str) {
        assert_eq!(self.code, code, "{self:#?}");
        let lines: Vec<&str> = self.stderr.lines().collect();
        let position = lines.iter().position(|line| line.starts_with(&format!("error[{error}] ")));
        let position = position.unwrap_or_else(|| panic!("no error[{error}] in {self:#?}"));
        let hint = lines.get(position + 1).unwrap_or_else(|| panic!("no hint in {self:#?}"));
        assert!(hint.starts_with("hint: "), "{self:#?}");
        assert!(hint.ends_with(&format!("(mainstay help {error})")), "{self:#?}");
        assert_eq!(lines.len(), position + 2, "{self:#?}");
    }

    pub fn lines(&self) -> Vec<Value> {
        let lines = self.stdout.lines();
        lines.map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
    }

    /// Everything that a person saw.
    pub fn all(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

pub fn run(command: &mut Command) -> Ran {
    Ran::new(command.output().expect("the binary starts"))
}

/// The only entry of a directory.
pub fn only(directory: &Path) -> PathBuf {
    let entries = std::fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    assert_eq!(paths.len(), 1, "{paths:?}");
    paths.into_iter().next().expect("there is one")
}

/// Every file beneath a directory.
pub fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(&directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() { directories.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

/// Bytes that do not compress: a xorshift generator (Marsaglia 2003).
pub fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

pub fn os(bytes: &[u8]) -> &OsStr {
    OsStr::from_bytes(bytes)
}
