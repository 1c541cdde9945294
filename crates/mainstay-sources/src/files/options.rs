//! What the user may say about a directory tree to be backed up.

/// What is left out of a backup of directory trees.
///
/// # Exclude rules
/// One gitignore pattern per element, in order; the last rule that matches decides, `!` takes an earlier exclusion back,
/// `#` starts a comment, and a trailing `/` matches directories only. An excluded directory is not read at all, so nothing
/// beneath it can be taken back. Paths named by the user as roots are never excluded themselves.
///
/// | pattern | matches |
/// |---|---|
/// | `*.o`, `node_modules/` | that name at any depth (as restic, borg `sh:**/` and gitignore) |
/// | `/home/u/.cache` | the absolute path (as restic and borg); **not** a path relative to a root |
/// | `target/debug` | that path relative to each root (as gitignore relative to its file; restic: any depth) |
/// | `**/target/debug` | that path at any depth |
/// | `cache/**` | what is in the directory, but not the directory itself |
///
/// A leading slash means the absolute path, because `--exclude /tmp` must never silently leave out `/home/u/tmp`.
#[derive(Clone, Debug)]
pub struct FileOptions {
    /// Exclude rules, see above.
    pub excludes: Vec<String>,
    /// Leaves out what lies beside a `CACHEDIR.TAG` with the standard signature; the directory and the tag are kept.
    pub exclude_caches: bool,
    /// Leaves out what lies beside an entry of one of these names; the directory and that entry are kept.
    pub exclude_if_present: Vec<Vec<u8>>,
    /// Leaves out regular files of more bytes than this, except those named as roots.
    pub exclude_larger_than: Option<u64>,
    /// Stays on the file systems of the roots named: the directory on which another file system is mounted is kept, empty.
    pub one_file_system: bool,
    /// Names each entry that is left out, with its rule, in the listing of its directory.
    pub name_left_out: bool,
}

impl FileOptions {
    /// Leaves out nothing.
    pub fn everything() -> Self {
        Self {
            excludes: Vec::new(),
            exclude_caches: false,
            exclude_if_present: Vec::new(),
            exclude_larger_than: None,
            one_file_system: false,
            name_left_out: false,
        }
    }

    /// Appends the rules of a text, one per line; a byte order mark at its start is ignored.
    pub fn add_excludes(&mut self, text: &str) {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        self.excludes.extend(text.lines().map(str::to_owned));
    }
}
