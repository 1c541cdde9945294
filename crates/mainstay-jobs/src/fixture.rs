//! Repositories in memory for the tests of this crate.
//!
//! Owns storing a tree that is given as paths and bytes. Knows nothing of the jobs: what it stores is built by hand, so
//! that a test of reading does not depend on the code that backs up.

use std::collections::BTreeMap;
use std::sync::Arc;

use mainstay_repo::{
    BackupType, BlockSet, Content, Draft, Effort, Extent, Liveness, Node, NodeKind, Presence, RecoveryCode, Repository,
    Secret, Session, SessionId, Sharing, Snapshot, SnapshotEntry, SnapshotStatistics, Store, TreePage, TreeReader,
    limits, names,
};

/// Files by path; a path that ends in `/` is an empty directory.
pub type Files = BTreeMap<&'static str, Vec<u8>>;

/// Chunks of the large files that a fixture stores.
const CHUNK_LEN: usize = 200 << 10;
/// Bytes of a large file that go into one block.
const RUN_LEN: usize = 5 * CHUNK_LEN;
pub const SECOND: i64 = 1_000_000_000;
/// 2026-01-01T00:00:00Z
pub const START: i64 = 1_767_225_600 * SECOND;

/// A repository and the store that a test may damage.
pub struct Fixture {
    pub store: mainstay_repo::MemoryStore,
    pub repository: Repository,
    /// Opens it.
    code: String,
}

/// How a tree is stored.
pub struct Backup<'a> {
    pub source: &'a str,
    pub started: i64,
    pub sharing: Sharing,
    /// Nodes of one tree page at most.
    pub page_nodes: usize,
    /// Changes a node before it is stored, by its path.
    pub edit: &'a dyn Fn(&str, &mut Node),
}

impl Default for Backup<'_> {
    fn default() -> Self {
        Self { source: "home", started: START, sharing: Sharing::Shared, page_nodes: 100, edit: &|_, _| {} }
    }
}

impl Fixture {
    pub fn new() -> Self {
        let store = mainstay_repo::MemoryStore::default();
        let code = RecoveryCode::generate().unwrap().to_text().to_string();
        let secret = Secret::from_text(&code);
        let shared: Arc<dyn Store> = Arc::new(store.clone());
        let repository = Repository::create(shared, &secret, "test", liveness(), 0).unwrap();
        Self { store, repository, code }
    }

    /// The same store, opened anew: nothing is known but what is stored.
    pub fn reopen(&self) -> Self {
        let shared: Arc<dyn Store> = Arc::new(self.store.clone());
        let secret = Secret::from_text(&self.code);
        let repository = Repository::open(shared, &secret, liveness()).unwrap();
        Self { store: self.store.clone(), repository, code: self.code.clone() }
    }

    /// Stores a tree as the next snapshot of its source.
    pub fn back_up(&self, files: &Files, backup: &Backup<'_>) -> SnapshotEntry {
        let session = Session::begin(&self.repository, backup.sharing).unwrap();
        let mut building = Building { session: &session, backup, blocks: BlockSet::default() };
        let root = building.directory("", files);
        let blocks = building.blocks;
        let draft = Draft { snapshot: self.snapshot(backup, root), blocks, presence: Presence::Confirmed };
        session.commit(draft).unwrap().entry
    }

    /// The same with what most tests do not care about.
    pub fn back_up_at(&self, started: i64, files: &Files) -> SnapshotEntry {
        self.back_up(files, &Backup { started, ..Backup::default() })
    }

    fn snapshot(&self, backup: &Backup<'_>, root: Content) -> Snapshot {
        let entries = self.repository.snapshots().unwrap();
        let own = entries.iter().filter(|entry| entry.snapshot.source == backup.source);
        let sequence = own.map(|entry| entry.snapshot.sequence).max().unwrap_or(0) + 1;
        snapshot(backup.source, sequence, backup.started, root)
    }

    pub fn trees(&self) -> TreeReader {
        let index = self.repository.index().unwrap();
        TreeReader::new(self.repository.block_reader(&index))
    }

    /// Every living snapshot, as the repository lists them.
    pub fn entries(&self) -> Vec<SnapshotEntry> {
        self.repository.snapshots().unwrap()
    }

    /// Names of the packs, those of content or of trees.
    pub fn packs(&self, kind: mainstay_repo::BlockKind) -> Vec<String> {
        let packs = self.repository.list_packs().unwrap();
        let of_kind = packs.into_iter().filter(|pack| {
            let listing = self.repository.read_pack_listing(pack).unwrap();
            listing.rows.iter().all(|row| row.kind == kind)
        });
        of_kind.map(|pack| pack.name).collect()
    }

    /// The names in the store that begin with `prefix`.
    pub fn names(&self, prefix: &str) -> Vec<String> {
        self.store.names().into_iter().filter(|name| name.starts_with(prefix)).collect()
    }

    /// Flips one bit of the byte at `offset` of an object.
    pub fn flip(&self, name: &str, offset: usize) {
        self.store.damage(name, |bytes| bytes[offset] ^= 1);
    }

    pub fn refs_name(&self, entry: &SnapshotEntry) -> String {
        names::refs(entry.id)
    }
}

/// A snapshot record with plausible fields.
pub fn snapshot(source: &str, sequence: u64, started: i64, root: Content) -> Snapshot {
    Snapshot {
        source: source.to_owned(),
        sequence,
        host: "host".to_owned(),
        user: "user".to_owned(),
        paths: Vec::new(),
        started,
        ended: started + SECOND,
        backup_type: BackupType::Full,
        parent: None,
        base: None,
        previous: None,
        independent: false,
        root,
        references: [0; 32],
        session: SessionId([0; 16]),
        tags: Vec::new(),
        statistics: SnapshotStatistics::default(),
        program: "test".to_owned(),
        origin: None,
    }
}

pub fn liveness() -> Liveness {
    Liveness {
        machine: b"machine".to_vec(),
        boot: b"boot".to_vec(),
        process: 1,
        process_start: Arc::new(|_| Some(1)),
        now: Arc::new(|| 0),
    }
}

/// Bytes that do not compress, different for each seed.
pub fn noise(seed: u8, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(&[seed]).finalize_xof().fill(&mut bytes);
    bytes
}

/// Text that compresses.
pub fn text(word: &str, len: usize) -> Vec<u8> {
    word.bytes().chain(*b" ").cycle().take(len).collect()
}

/// Files from pairs.
pub fn files<const N: usize>(pairs: [(&'static str, &[u8]); N]) -> Files {
    pairs.into_iter().map(|(path, bytes)| (path, bytes.to_vec())).collect()
}

/// A node with plausible metadata.
pub fn node(name: &str, kind: NodeKind) -> Node {
    Node {
        mode: if kind == NodeKind::Directory { 0o755 } else { 0o644 },
        user: 1000,
        group: 1000,
        modified: (1_700_000_000, 5),
        changed: (1_700_000_000, 6),
        inode: 1,
        ..Node::new(name, kind)
    }
}

struct Building<'s, 'r> {
    session: &'s Session<'r>,
    backup: &'s Backup<'s>,
    blocks: BlockSet,
}

impl Building<'_, '_> {
    /// Stores what is beneath `prefix`, which is empty or ends in `/`.
    fn directory(&mut self, prefix: &str, files: &Files) -> Content {
        let mut nodes = BTreeMap::<String, Node>::new();
        for (path, bytes) in files {
            let Some(rest) = path.strip_prefix(prefix).filter(|rest| !rest.is_empty()) else { continue };
            let (name, is_directory) = match rest.split_once('/') {
                Some((name, _)) => (name, true),
                None => (rest, false),
            };
            if nodes.contains_key(name) {
                continue;
            }
            let mut stored = if is_directory {
                let content = self.directory(&format!("{prefix}{name}/"), files);
                Node { content, ..node(name, NodeKind::Directory) }
            } else {
                let content = self.file(bytes);
                Node { content, size: bytes.len() as u64, ..node(name, NodeKind::File) }
            };
            (self.backup.edit)(&format!("{prefix}{name}"), &mut stored);
            self.note(&stored.content);
            nodes.insert(name.to_owned(), stored);
        }
        self.pages(nodes.into_values().collect())
    }

    fn pages(&mut self, nodes: Vec<Node>) -> Content {
        let mut sorted = nodes;
        sorted.sort_by(|a, b| a.name.cmp(&b.name));
        let mut content = Content::default();
        for nodes in sorted.chunks(self.backup.page_nodes) {
            let page = TreePage { nodes: nodes.to_vec(), ..TreePage::default() };
            content.extents.push(self.session.store_tree_page(&page.encode()).unwrap());
        }
        self.note(&content);
        content
    }

    fn file(&mut self, bytes: &[u8]) -> Content {
        let mut content = Content::default();
        if bytes.len() <= limits::BLOCK_TARGET / 4 {
            if !bytes.is_empty() {
                content.push(self.session.store_small_file(bytes).unwrap());
            }
            return content;
        }
        for run in bytes.chunks(RUN_LEN) {
            let lens: Vec<usize> = run.chunks(CHUNK_LEN).map(<[u8]>::len).collect();
            for extent in self.session.store_run(run, &lens, Effort::Fast).unwrap() {
                content.push(extent);
            }
        }
        content
    }

    fn note(&mut self, content: &Content) {
        for extent in content.extents.iter().chain(&content.lists) {
            if let Extent::Data { block, .. } = extent {
                self.blocks.insert(*block);
            }
        }
    }
}
