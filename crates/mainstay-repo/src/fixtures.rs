//! What the tests of this crate share: repositories in memory, seeded data, and stores that fail on purpose.
//!
//! Compiled for tests only. Nothing here reads a clock or the environment.

pub mod bad_sectors;
pub mod beside;
pub mod damage;
pub mod effort;
mod failing_store;
mod files;
pub mod keeping;

pub use failing_store::{FailingStore, Failure};
pub use files::{Files, assert_snapshots, back_up, back_up_as, draft, files_of, node, read_back, store_files};

use std::sync::Arc;

use crate::fence::{put_fence, put_settlement};
use crate::format::config::{Config, Form, Suite};
use crate::format::coord::{Condemned, Fence, Settlement, encode_condemned};
use crate::format::envelope::ObjectKind;
use crate::format::names;
use crate::id::{BlockId, ChunkId, RepositoryId, SessionId};
use crate::keys::{Keys, RecoveryCode, Secret};
use crate::lease::Liveness;
use crate::repository::{Repository, SnapshotEntry};
use crate::signer::{Signer, sign_object};
use crate::store::{MemoryStore, Store};

/// The code of the bytes 0, 1, 2, … 31; opens in no time, because nothing is stretched.
pub const CODE: &str = "MSK1-000G40R-40M30E2-09185GR-38E1W81-24GK2GA-HC5RR34-D1P70X3-RFYAA79";
pub const CREATED: i64 = 1_700_000_000_000_000_000;

pub fn secret() -> Secret {
    Secret::Code(RecoveryCode::parse(CODE).expect("the code of the tests is one"))
}

/// A process that is alive wherever it is looked at.
pub fn alive() -> Liveness {
    process(1, Some(1))
}

/// A process whose own start time is what it sees for every process number.
pub fn process(number: u32, start: Option<u64>) -> Liveness {
    Liveness {
        machine: b"machine".to_vec(),
        boot: b"boot".to_vec(),
        process: number,
        process_start: Arc::new(move |_| start),
        now: Arc::new(|| CREATED),
    }
}

/// The same machine later, when no process of before is there any more.
pub fn restarted() -> Liveness {
    Liveness { boot: b"another boot".to_vec(), ..alive() }
}

/// The same machine and process, so many nanoseconds later.
pub fn after(nanoseconds: i64) -> Liveness {
    Liveness { now: Arc::new(move || CREATED + nanoseconds), ..alive() }
}

pub fn create(store: impl Store + 'static) -> Repository {
    Repository::create(Arc::new(store), &secret(), "test", alive(), CREATED).expect("an empty store takes a repository")
}

pub fn open(store: impl Store + 'static, liveness: Liveness) -> Repository {
    Repository::open(Arc::new(store), &secret(), liveness).expect("the repository of the test opens")
}

pub const CONFIG: Config =
    Config { repository: RepositoryId([0xa1; 16]), suite: Suite::Aes256Gcm, form: Form::Growing };

pub fn keys() -> Keys {
    let (signer, _) = Signer::first("test", CREATED).expect("the system has random bytes");
    Keys::draw(CONFIG, signer).expect("the system has random bytes")
}

/// The first holder of a repository, who may sign everything.
pub fn holder() -> Keys {
    Keys::generate(CONFIG.suite, "test", CREATED).expect("the system has random bytes")
}

/// Another store with the same objects.
pub fn copy_of(store: &MemoryStore) -> MemoryStore {
    let copy = MemoryStore::default();
    copy_files(&copy, store);
    copy
}

/// Copies the objects that are not there, as a tool does that compares the names of files.
pub fn copy_files(to: &MemoryStore, from: &MemoryStore) {
    for name in from.names() {
        let bytes = from.read(&name, u64::MAX).expect("a listed object is there");
        // Memory refuses nothing but a name that is taken.
        let _ = to.put(&name, &bytes);
    }
}

/// The objects whose names begin like this.
pub fn named(store: &MemoryStore, prefix: &str) -> Vec<String> {
    store.names().into_iter().filter(|name| name.starts_with(prefix)).collect()
}

/// Bytes that look random and are the same on every run.
pub fn seeded(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

/// Bytes of which only the first few thousand are random, so that a large file takes a small place.
pub fn sparse(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = seeded(seed, len.min(4000));
    bytes.resize(len, 0);
    bytes
}

/// Lets a snapshot have come after the fence of its session.
pub fn make_void(repository: &Repository, entry: &SnapshotEntry) {
    let (session, collector) = (entry.snapshot.session, session_id(0xcc));
    let store = &*repository.store;
    put_fence(store, &repository.keys, &Fence { session, collector }).expect("it may remove");
    let settled = Settlement { session, collector, survivors: Vec::new() };
    put_settlement(store, &repository.keys, &settled).expect("it may remove");
    assert!(repository.snapshots().expect("they can be read").iter().all(|other| other.id != entry.id));
}

pub fn session_id(number: u8) -> SessionId {
    SessionId([number; 16])
}

pub fn block_id(session: u8, serial: u32) -> BlockId {
    BlockId { session: session_id(session), serial }
}

pub fn chunk_id(number: u64) -> ChunkId {
    ChunkId(*blake3::hash(&number.to_le_bytes()).as_bytes())
}

/// Bytes as lower-case hexadecimal, for vectors that must never change.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Puts a condemned list that this holder has signed.
pub fn put_condemned(store: &MemoryStore, repository: &Repository, list: &Condemned) {
    let said = encode_condemned(list);
    let signed = sign_object(repository.keys.signer(), repository.id(), (ObjectKind::Condemned, &said));
    store.put(&names::condemned(list.id), &signed.expect("it may remove")).expect("a new list");
}
