//! Trees drawn at random, and what may happen to them between two backups.
//!
//! Owns the strategies and carrying them out. Sizes lie around every border of the engine: an empty file, a small file's
//! longest length, a longest chunk, several blocks. Names are bytes, not text.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions, Permissions};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::RngSeed;
use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps, UTIME_OMIT};

use crate::fixture::noise;

/// Lengths on both sides of every border.
const LENGTHS: [usize; 13] =
    [0, 1, 2, 4095, 4096, 4097, 262_143, 262_144, 262_145, 1_048_575, 1_048_576, 1_048_577, 3 << 20];
/// Holes are multiples of this, so that every file system keeps them.
const HOLE_UNIT: usize = 64 << 10;
/// Owners can always read and write, so that the tests need no privileges.
const FILE_MODE: u32 = 0o600;
const DIRECTORY_MODE: u32 = 0o700;

/// One entry to be made.
#[derive(Clone, Debug)]
pub struct Plant {
    /// Counts the directories that are there, round and round.
    directory: usize,
    name: Vec<u8>,
    what: What,
    mode: u32,
    modified: (i64, u32),
}

#[derive(Clone, Debug)]
pub enum What {
    File(Vec<Stretch>),
    Directory,
    Symlink(Vec<u8>),
    /// One more name of a file that is there, counted round and round.
    Link(usize),
    Fifo,
}

/// Part of a file's content.
#[derive(Clone, Debug)]
pub enum Stretch {
    Noise { seed: u8, len: usize },
    Repeat { byte: u8, len: usize },
    Hole { len: usize },
}

/// Something that happens to an entry, counted round and round.
#[derive(Clone, Debug)]
pub enum Edit {
    Add(Plant),
    Remove(usize),
    Rewrite(usize, Vec<Stretch>),
    /// One byte of a file becomes another; the time may be set back to what it was.
    Patch {
        entry: usize,
        permille: u64,
        hides: bool,
    },
    Mode(usize, u32),
    Touch(usize, (i64, u32)),
    Rename(usize, Vec<u8>),
}

/// A configuration that draws the same cases every time; `PROPTEST_RNG_SEED` draws others.
pub fn drawn(cases: u32) -> ProptestConfig {
    let mut config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases) };
    if matches!(config.rng_seed, RngSeed::Random) {
        config.rng_seed = RngSeed::Fixed(20_261_122);
    }
    eprintln!("PROPTEST_RNG_SEED={}", config.rng_seed);
    config
}

pub fn plants(most: usize) -> impl Strategy<Value = Vec<Plant>> {
    vec(a_plant(), 0..most)
}

pub fn edits(most: usize) -> impl Strategy<Value = Vec<Edit>> {
    let entry = || 0..1000_usize;
    let edit = prop_oneof![
        3 => a_plant().prop_map(Edit::Add),
        2 => entry().prop_map(Edit::Remove),
        2 => (entry(), stretches()).prop_map(|(entry, stretches)| Edit::Rewrite(entry, stretches)),
        3 => (entry(), 0..1000_u64, any::<bool>())
            .prop_map(|(entry, permille, hides)| Edit::Patch { entry, permille, hides }),
        1 => (entry(), 0..0o10000_u32).prop_map(|(entry, mode)| Edit::Mode(entry, mode)),
        1 => (entry(), a_time()).prop_map(|(entry, time)| Edit::Touch(entry, time)),
        1 => (entry(), a_name()).prop_map(|(entry, name)| Edit::Rename(entry, name)),
    ];
    vec(edit, 1..most)
}

fn a_plant() -> impl Strategy<Value = Plant> {
    let what = prop_oneof![
        8 => stretches().prop_map(What::File),
        3 => Just(What::Directory),
        1 => vec(1..=255_u8, 1..40).prop_map(What::Symlink),
        1 => (0..1000_usize).prop_map(What::Link),
        1 => Just(What::Fifo),
    ];
    (0..1000_usize, a_name(), what, 0..0o10000_u32, a_time())
        .prop_map(|(directory, name, what, mode, modified)| Plant { directory, name, what, mode, modified })
}

fn a_name() -> impl Strategy<Value = Vec<u8>> {
    let is_name = |name: &Vec<u8>| !name.contains(&b'/') && name != b"." && name != b"..";
    prop_oneof![
        4 => "[a-z]{1,6}".prop_map(String::into_bytes),
        // Cut in pages, and not by content.
        1 => "[a-z]{1,3}\\.(db|img|ibd)".prop_map(String::into_bytes),
        2 => vec(1..=255_u8, 1..20).prop_filter("it is no name", is_name),
        1 => Just(vec![0xff; 255]),
    ]
}

/// Before 1970 and after 2038 too.
fn a_time() -> impl Strategy<Value = (i64, u32)> {
    (-1_000_000_000..4_000_000_000_i64, 0..1_000_000_000_u32)
}

fn stretches() -> impl Strategy<Value = Vec<Stretch>> {
    prop_oneof![
        6 => (any::<u8>(), 0..6000_usize).prop_map(|(seed, len)| vec![Stretch::Noise { seed, len }]),
        3 => a_stretch().prop_map(|stretch| vec![stretch]),
        1 => vec(a_stretch(), 1..4),
    ]
}

fn a_stretch() -> impl Strategy<Value = Stretch> {
    prop_oneof![
        // Few seeds, so that content comes again.
        3 => (0..4_u8, select(&LENGTHS[..])).prop_map(|(seed, len)| Stretch::Noise { seed, len }),
        2 => (0..3_u8, select(&LENGTHS[..])).prop_map(|(byte, len)| Stretch::Repeat { byte, len }),
        2 => (1..40_usize).prop_map(|units| Stretch::Hole { len: units * HOLE_UNIT }),
    ]
}

/// Makes entries beneath a directory; a name that is taken is passed over.
pub fn plant(root: &Path, plants: &[Plant]) {
    let mut directories = vec![root.to_owned()];
    let mut files = Vec::new();
    for path in beneath(root) {
        match path.symlink_metadata().unwrap() {
            metadata if metadata.is_dir() => directories.push(path),
            metadata if metadata.is_file() => files.push(path),
            _ => {}
        }
    }
    let mut made = Vec::new();
    for plant in plants {
        let path = directories[plant.directory % directories.len()].join(OsStr::from_bytes(&plant.name));
        if path.symlink_metadata().is_ok() {
            continue;
        }
        match &plant.what {
            What::File(stretches) => {
                fill(&path, stretches);
                files.push(path.clone());
            }
            What::Directory => {
                std::fs::create_dir(&path).unwrap();
                directories.push(path.clone());
                made.push((path, plant));
                continue;
            }
            What::Symlink(target) => std::os::unix::fs::symlink(OsStr::from_bytes(target), &path).unwrap(),
            What::Link(file) if files.is_empty() => fill(&path, &[Stretch::Noise { seed: *file as u8, len: 1 }]),
            What::Link(file) => {
                std::fs::hard_link(&files[file % files.len()], &path).unwrap();
                continue;
            }
            What::Fifo => rustix::fs::mknodat(CWD, &path, FileType::Fifo, Mode::RUSR, 0).unwrap(),
        }
        set_mode(&path, plant.mode);
        set_time(&path, plant.modified);
    }
    for (path, plant) in made.into_iter().rev() {
        set_mode(&path, plant.mode);
        set_time(&path, plant.modified);
    }
}

/// Carries out what happens to a tree.
pub fn apply(root: &Path, edits: &[Edit]) {
    for edit in edits {
        let paths = beneath(root);
        let path = |entry: &usize| paths.get(entry % paths.len().max(1)).cloned();
        match edit {
            Edit::Add(one) => plant(root, std::slice::from_ref(one)),
            Edit::Remove(entry) => path(entry).iter().for_each(|path| remove(path)),
            Edit::Rewrite(entry, stretches) => {
                path(entry).iter().filter(|path| is_file(path)).for_each(|path| fill(path, stretches));
            }
            Edit::Patch { entry, permille, hides } => {
                path(entry).iter().filter(|path| is_file(path)).for_each(|path| patch(path, *permille, *hides));
            }
            Edit::Mode(entry, mode) => path(entry).iter().for_each(|path| set_mode(path, *mode)),
            Edit::Touch(entry, time) => path(entry).iter().for_each(|path| set_time(path, *time)),
            Edit::Rename(entry, name) => {
                path(entry).iter().for_each(|path| rename(path, &path.with_file_name(OsStr::from_bytes(name))));
            }
        }
    }
}

/// Gives a file this content, holes and all.
pub fn fill(path: &Path, stretches: &[Stretch]) {
    let file = File::create(path).unwrap();
    let mut at = 0;
    for stretch in stretches {
        let bytes = match *stretch {
            Stretch::Noise { seed, len } => noise(seed, len),
            Stretch::Repeat { byte, len } => vec![byte; len],
            Stretch::Hole { len } => {
                at += len as u64;
                continue;
            }
        };
        file.write_all_at(&bytes, at).unwrap();
        at += bytes.len() as u64;
    }
    file.set_len(at).unwrap();
}

fn patch(path: &Path, permille: u64, hides: bool) {
    let metadata = path.metadata().unwrap();
    if metadata.len() == 0 {
        return;
    }
    let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let (offset, mut byte) = (metadata.len() * permille / 1000, [0]);
    file.read_exact_at(&mut byte, offset).unwrap();
    file.write_all_at(&[byte[0] ^ 0x55], offset).unwrap();
    if hides {
        set_time(path, (metadata.mtime(), metadata.mtime_nsec() as u32));
    }
}

fn rename(from: &Path, to: &Path) {
    if to.symlink_metadata().is_err() {
        std::fs::rename(from, to).unwrap();
    }
}

fn remove(path: &Path) {
    if path.symlink_metadata().unwrap().is_dir() {
        std::fs::remove_dir_all(path).unwrap();
    } else {
        std::fs::remove_file(path).unwrap();
    }
}

fn is_file(path: &Path) -> bool {
    path.symlink_metadata().unwrap().is_file()
}

fn set_mode(path: &Path, mode: u32) {
    let metadata = path.symlink_metadata().unwrap();
    if !metadata.is_symlink() {
        let always = if metadata.is_dir() { DIRECTORY_MODE } else { FILE_MODE };
        std::fs::set_permissions(path, Permissions::from_mode(mode | always)).unwrap();
    }
}

pub fn set_time(path: &Path, (seconds, nanoseconds): (i64, u32)) {
    let times = Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: seconds, tv_nsec: nanoseconds.into() },
    };
    rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

/// Every path beneath a directory, sorted.
fn beneath(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut pending = vec![root.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in std::fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.symlink_metadata().unwrap().is_dir() {
                pending.push(path.clone());
            }
            found.push(path);
        }
    }
    found.sort();
    found
}
