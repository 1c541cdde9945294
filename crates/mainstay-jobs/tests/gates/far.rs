//! Gate: a store at the other end of a long line keeps the line full.
//!
//! Owns the line, a relay that holds every byte back and lets so many pass a second, and what is measured over it: backup, restore and
//! verify of content that nothing makes shorter. Times are told and never judged; judged are what came back and how many requests it
//! took, since requests that wait for one another are what a long line makes slow.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mainstay_jobs::verify::{VerifyOptions, verify};
use mainstay_jobs::{Cancel, NoProgress};
use mainstay_repo::{Repository, Store};
use mainstay_stores::{Address, Ahead, Surroundings};

use crate::commands::{Process, back_up, bring_back, secret, unborn};
use crate::effort::{Draws, Effort, Figures};
use crate::journal_store::Objects;
use crate::ledger::Ledger;
use crate::s3::{Kind, S3};
use crate::tree::Tree;

const ONE_WAY: Duration = Duration::from_millis(25);
/// Bytes a second each way: 1 Gbit/s.
const RATE: u64 = 125_000_000;
/// Requests of a restore beside one for each pack: listings, keys, snapshot, index, directories.
const METADATA: usize = 12;

/// When what was sent so far is through the line.
struct Pace(Mutex<Instant>);

impl Pace {
    fn through(&self, bytes: usize) -> Instant {
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *free = (*free).max(Instant::now()) + Duration::from_secs_f64(bytes as f64 / RATE as f64);
        *free
    }
}

/// Begins a relay to a server; answers its own address.
fn relay(server: &str) -> String {
    let server = server.trim_start_matches("http://").to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a gate begins with what is healthy");
    let address = listener.local_addr().expect("a gate begins with what is healthy");
    let paces = [(); 2].map(|()| Arc::new(Pace(Mutex::new(Instant::now()))));
    // It ends with the process.
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let Ok(server) = TcpStream::connect(&server) else { continue };
            let [up, down] = paces.clone();
            carry(&client, &server, up);
            carry(&server, &client, down);
        }
    });
    format!("http://{address}")
}

/// Carries bytes from one end to the other, each after its time in the line.
fn carry(from: &TcpStream, to: &TcpStream, pace: Arc<Pace>) {
    let (Ok(mut from), Ok(to)) = (from.try_clone(), to.try_clone()) else { return };
    let _ = to.set_nodelay(true);
    let (sender, under_way) = sync_channel::<(Instant, Vec<u8>)>(1 << 12);
    std::thread::spawn(move || deliver(&under_way, to));
    std::thread::spawn(move || {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(count) = from.read(&mut buffer) {
            let arrives = pace.through(count) + ONE_WAY;
            if count == 0 || sender.send((arrives, buffer[..count].to_vec())).is_err() {
                return;
            }
        }
    });
}

fn deliver(under_way: &Receiver<(Instant, Vec<u8>)>, mut to: TcpStream) {
    for (arrives, bytes) in under_way {
        // Not a wait for something to happen: the line is that long.
        while Instant::now() < arrives {
            std::thread::park_timeout(arrives.saturating_duration_since(Instant::now()));
        }
        if to.write_all(&bytes).is_err() {
            return;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

fn store(endpoint: &str) -> Arc<dyn Store> {
    let rest = format!("//bucket?endpoint={endpoint}");
    let Some(Ok(address)) = Address::parse("s3", rest.as_bytes()) else { panic!("{rest} is an address") };
    let keys = [("AWS_ACCESS_KEY_ID", "key"), ("AWS_SECRET_ACCESS_KEY", "secret")];
    let keys = keys.map(|(name, value)| (name.to_owned(), value.to_owned()));
    mainstay_stores::open(&address, &Surroundings::new(keys)).expect("a gate begins with what is healthy")
}

fn open(store: Arc<dyn Store>, ledger: &Ledger) -> Repository {
    let opened = Repository::open(store, &secret(&ledger.codes[0].1), Process::FIRST.liveness());
    opened.expect("a gate begins with what is healthy")
}

/// Files of noise.
fn noise(files: u64, len: usize) -> Tree {
    let mut tree = Tree::default();
    for number in 0..files {
        let mut bytes = vec![0; len];
        let seed = Draws::new(number).next();
        blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
        tree.0.insert(format!("noise {number}"), bytes.into());
    }
    tree
}

#[test]
fn behind_a_long_line_everything_comes_back_by_few_requests() {
    let effort = Effort::asked();
    let (files, len) = if effort.is_long() { (10, 100_000_000) } else { (4, 10_000_000) };
    let (tree, bytes) = (noise(files, len), files * len as u64);
    let line = Duration::from_secs_f64(bytes as f64 / RATE as f64);
    let server = S3::start();
    server.set(&Objects::new(), None);
    let ledger = unborn(13);
    let created =
        Repository::create(store(&server.endpoint), &secret(&ledger.codes[0].1), "first", Process::FIRST.liveness(), 1);
    drop(created.expect("the store is healthy"));
    let far = relay(&server.endpoint);
    let mut figures = Figures::of("far store");
    figures.add(bytes, "bytes behind 50 ms and 1 Gbit/s");
    let mut time = |what: &str, work: &mut dyn FnMut()| {
        let begun = Instant::now();
        work();
        let took = begun.elapsed();
        let percent = (100.0 * line.as_secs_f64() / took.as_secs_f64()) as u64;
        figures.add(took.as_millis() as u64, format_args!("ms for {what}, {percent} % of the line"));
    };
    let mut entry = None;
    time("a backup", &mut || entry = Some(back_up(&open(store(&far), &ledger), &tree).expect("the store is healthy")));
    let entry = entry.expect("it was backed up");
    let packs = open(store(&server.endpoint), &ledger).list_packs().expect("the store is healthy").len();
    let target = tempfile::tempdir().expect("a gate begins with what is healthy");
    drop(server.heal());
    time("a restore", &mut || {
        let restored = bring_back(&open(store(&far), &ledger), &entry, target.path());
        assert_eq!(restored.expect("the store is healthy").warnings, []);
    });
    let (_, asked) = server.heal();
    let gets = asked.iter().filter(|kind| **kind == Kind::Get).count();
    time("a verify", &mut || {
        let repository = open(Arc::new(Ahead::over(store(&far))), &ledger);
        let options = VerifyOptions { sample: None, seed: 0 };
        let report = verify(&repository, &options, &NoProgress, &Cancel::default());
        assert!(report.expect("the store is healthy").is_sound());
    });
    for (name, content) in &tree.0 {
        let restored = std::fs::read(target.path().join(name)).expect("it was restored");
        assert!(restored == **content, "{name} has changed");
    }
    assert!(gets <= packs + METADATA, "{gets} reads of {packs} packs");
    figures.add(gets as u64, format_args!("reads of {packs} packs by the restore"));
    figures.publish(effort);
}
