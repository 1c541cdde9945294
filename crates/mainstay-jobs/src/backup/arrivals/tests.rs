//! Tests of archives that become snapshots: what this program writes, what comes in odd order, what is hostile. What other programs write
//! has a file of its own.

use std::collections::BTreeMap;

use mainstay_repo::{Owners as RecordedOwners, SnapshotEntry};
use proptest::prelude::*;

use crate::backup::{BackupOptions, BackupReport, BackupRun, Input, Mode, Requested, TarInput, backup};
use crate::browse::{Descend, Visitor, walk};
use crate::export::{Exported, export};
use crate::fixture::noise;
use crate::ground::{Ground, Plant, Watched, drawn, options, paths, plant, plants};
use crate::{Cancel, NoProgress};

mod programs;

fn import(ground: &Ground, archive: Vec<u8>) -> crate::Result<BackupReport> {
    import_with(ground, archive, &options(Requested::Incremental))
}

fn import_with(ground: &Ground, archive: Vec<u8>, options: &BackupOptions) -> crate::Result<BackupReport> {
    let input = TarInput::new("test.tar".to_owned(), Box::new(std::io::Cursor::new(archive)));
    backup(&BackupRun {
        repository: &ground.repository,
        input: Input::Tar(&input),
        options,
        clock: &ground.clock,
        progress: &NoProgress,
        cancel: &Cancel::default(),
        listed: &|_| {},
    })
}

fn whole(ground: &Ground, archive: Vec<u8>) -> SnapshotEntry {
    let report = import(ground, archive).unwrap();
    assert_eq!(report.warnings, []);
    report.entry.unwrap()
}

/// An archive of such members: kind, name, the name it leads to, content.
fn archive(members: &[(u8, &str, &str, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (kind, name, target, content) in members {
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.as_old_mut().linkname[..target.len()].copy_from_slice(target.as_bytes());
        header.set_entry_type(tar::EntryType::new(*kind));
        header.set_mode(0o644);
        header.set_uid(5);
        header.set_gid(6);
        header.set_mtime(1_600_000_000);
        header.set_size(content.len() as u64);
        header.set_cksum();
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(content);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

/// All nodes by their path.
struct Nodes(BTreeMap<String, mainstay_repo::Node>);

impl Visitor for Nodes {
    fn node(&mut self, path: &[u8], node: &mainstay_repo::Node, _: &RecordedOwners) -> crate::Result<Descend> {
        self.0.insert(String::from_utf8_lossy(path).into_owned(), node.clone());
        Ok(Descend::Into)
    }
}

fn nodes(ground: &Ground, entry: &SnapshotEntry) -> BTreeMap<String, mainstay_repo::Node> {
    let mut nodes = Nodes(BTreeMap::new());
    walk(&ground.trees(), b"", &entry.snapshot.root, &mut nodes).unwrap();
    nodes.0
}

fn names(ground: &Ground, entry: &SnapshotEntry) -> Vec<String> {
    nodes(ground, entry).into_keys().collect()
}

fn exported(ground: &Ground, entry: &SnapshotEntry) -> Vec<u8> {
    let mut bytes = Vec::new();
    let what = Exported::Beneath(&entry.snapshot.root);
    export(&ground.trees(), &what, &mut bytes, &NoProgress, &Cancel::default()).unwrap();
    bytes
}

fn assert_comes_back(plants: &[Plant]) {
    let ground = Ground::new();
    plant(&ground.source(), plants);
    ground.write("large", &noise(3, 5 << 20));
    let original = ground.back_up_from(&Watched::new(&ground.source()), Requested::Full).entry.unwrap();
    let bytes = exported(&ground, &original);
    let imported = whole(&ground, bytes.clone());
    let (before, after) = (nodes(&ground, &original), nodes(&ground, &imported));
    for (path, node) in &after {
        let was = &before[path];
        assert_eq!((node.kind, node.mode, node.user, node.group), (was.kind, was.mode, was.user, was.group), "{path}");
        assert_eq!((node.modified, &node.attributes), (was.modified, &was.attributes), "{path}");
        assert_eq!((&node.link_target, node.device_numbers), (&was.link_target, was.device_numbers), "{path}");
        assert_eq!((node.size, node.content.extents.is_empty()), (was.size, was.content.extents.is_empty()), "{path}");
    }
    assert_eq!(exported(&ground, &imported), bytes, "nothing is lost, and nothing is new");
}

proptest! {
    #![proptest_config(drawn(8))]

    #[test]
    fn what_was_exported_comes_back_and_is_exported_the_same(plants in plants(40)) {
        assert_comes_back(&plants);
    }
}

#[test]
fn content_that_is_there_is_not_stored_again() {
    let (ground, _) = Ground::in_memory();
    ground.write("small", b"some bytes");
    ground.write("large", &noise(1, 3 << 20));
    let original = ground.back_up(Requested::Full).entry.unwrap();
    let bytes = exported(&ground, &original);
    let report = import(&ground, bytes.clone()).unwrap();
    assert!(report.new_bytes < 2000, "{} bytes are new: the trees", report.new_bytes);
    assert_eq!((report.statistics.files, report.statistics.read_bytes), (2, (3 << 20) + 10));
    let again = import(&ground, bytes).unwrap();
    assert_eq!(again.new_bytes, 0, "the trees are the same, too");
    let (first, second) = (report.entry.unwrap(), again.entry.unwrap());
    assert_eq!(first.snapshot.root, second.snapshot.root);
    assert_eq!(second.snapshot.sequence, first.snapshot.sequence + 1);
}

#[test]
fn directories_that_the_archive_never_names_are_made() {
    let ground = Ground::new();
    let entry = whole(&ground, archive(&[(b'0', "a/b/file", "", b"x"), (b'5', "late/", "", b"")]));
    let nodes = nodes(&ground, &entry);
    let made = &nodes["a/b"];
    assert_eq!((made.mode, made.user, made.group, made.modified), (0o755, 5, 6, (1_600_000_000, 0)));
    assert_eq!(nodes["late"].mode, 0o644);
    assert_eq!(entry.snapshot.statistics.directories, 3);
}

#[test]
fn members_come_in_any_order_and_the_last_of_a_name_counts() {
    let ground = Ground::new();
    let entry = whole(
        &ground,
        archive(&[
            (b'1', "early", "z/file", b""),
            (b'0', "z/file", "", b"first"),
            (b'1', "kept", "z/file", b""),
            (b'0', "z/file", "", b"second"),
            (b'5', "z/", "", b""),
            (b'0', "a", "", b"x"),
            (b'5', "a/", "", b""),
            (b'0', "a/b", "", b"y"),
            (b'2', "same", "a", b""),
            (b'1', "same", "same", b""),
        ]),
    );
    let nodes = nodes(&ground, &entry);
    assert_eq!(nodes.keys().collect::<Vec<_>>(), ["a", "a/b", "early", "kept", "same", "z", "z/file"]);
    let target = ground.restore(&entry, "out");
    let read = |name: &str| std::fs::read(target.join(name)).unwrap();
    assert_eq!((read("z/file"), read("kept"), read("early")), (b"second".into(), b"first".into(), b"second".into()));
    assert_eq!((nodes["kept"].links, nodes["early"].links, nodes["same"].links), (1, 2, 1));
}

#[test]
fn members_that_cannot_be_kept_are_warnings_and_the_rest_is_kept() {
    let ground = Ground::new();
    let report = import(
        &ground,
        archive(&[
            (b'0', "../up", "", b"x"),
            (b'0', "a/../../up", "", b"x"),
            (b'0', "file", "", b"x"),
            (b'0', "file/beneath", "", b"x"),
            (b'5', "full/", "", b""),
            (b'0', "full/one", "", b"x"),
            (b'0', "full", "", b"x"),
            (b'1', "nowhere", "not/there", b""),
            (b'1', "upwards", "../../etc/passwd", b""),
            (b'1', "directory", "full", b""),
            (b'2', "empty-link", "", b""),
            (b'Z', "odd", "", b"x"),
            (b'0', "./", "", b""),
            (b'0', "last", "", b"x"),
        ]),
    );
    let report = report.unwrap();
    let left_out =
        ["../up", "a/../../up", "directory", "empty-link", "file/beneath", "full", "nowhere", "odd", "upwards"];
    assert_eq!(paths(&report.warnings), left_out);
    let entry = report.entry.unwrap();
    assert_eq!(names(&ground, &entry), ["file", "full", "full/one", "last"]);
    assert_eq!(entry.snapshot.statistics.warnings, 9);
}

#[test]
fn absolute_names_lose_their_slash() {
    let ground = Ground::new();
    let entry = whole(&ground, archive(&[(b'0', "/etc/passwd", "", b"x"), (b'1', "l", "//etc/./passwd", b"")]));
    assert_eq!(names(&ground, &entry), ["etc", "etc/passwd", "l"]);
}

#[test]
fn very_deep_names_are_kept_and_deeper_ones_told() {
    let (ground, _) = Ground::in_memory();
    let member = |depth: usize, name: &str| {
        let path = format!("{}{name}", "d/".repeat(depth));
        let text = [path.as_bytes(), b"\0"].concat();
        let mut long = archive(&[(b'L', "././@LongLink", "", &text), (b'0', "cut", "", b"x")]);
        long.truncate(long.len() - 1024);
        long
    };
    let deepest = mainstay_repo::limits::TREE_DEPTH - 1;
    let bytes = [member(deepest, "kept"), member(deepest + 1, "deeper"), vec![0; 1024]].concat();
    let report = import(&ground, bytes).unwrap();
    assert_eq!((report.warnings.len(), report.statistics.files), (1, 1));
    assert_eq!(report.statistics.directories, deepest as u64);
}

#[test]
fn an_archive_that_was_cut_anywhere_makes_no_snapshot() {
    let (ground, _) = Ground::in_memory();
    let large = vec![7; 300_000];
    let bytes = archive(&[(b'0', "small", "", b"x"), (b'0', "large", "", &large), (b'5', "d/", "", b"")]);
    let dry = BackupOptions { mode: Mode::DryRun, ..options(Requested::Full) };
    let headers = (0..bytes.len()).filter(|len| !(2000..bytes.len() - 2500).contains(len));
    for len in headers {
        let error = import_with(&ground, bytes[..len].to_vec(), &dry).unwrap_err();
        assert!(matches!(error, crate::Error::Tar { .. }), "{len}: {error}");
    }
    for len in (0..bytes.len()).filter(|len| len % 9973 == 0 || len % 512 == 0 && !(2048..300_000).contains(len)) {
        let error = import(&ground, bytes[..len].to_vec()).unwrap_err();
        assert!(matches!(error, crate::Error::Tar { .. }), "{len}: {error}");
    }
    assert_eq!(ground.repository.list_snapshots().unwrap().entries.len(), 0);
    whole(&ground, bytes);
}

#[test]
fn a_stream_that_fails_makes_no_snapshot() {
    struct Broken(std::io::Cursor<Vec<u8>>);
    impl std::io::Read for Broken {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            match self.0.read(buffer)? {
                0 => Err(std::io::Error::other("the tape broke")),
                read => Ok(read),
            }
        }
    }
    let (ground, _) = Ground::in_memory();
    let bytes = archive(&[(b'0', "large", "", &vec![7; 300_000])]);
    for len in [0, 100, 600, 200_000] {
        let input = TarInput::new("tape".to_owned(), Box::new(Broken(std::io::Cursor::new(bytes[..len].to_vec()))));
        let error = backup(&BackupRun {
            repository: &ground.repository,
            input: Input::Tar(&input),
            options: &options(Requested::Full),
            clock: &ground.clock,
            progress: &NoProgress,
            cancel: &Cancel::default(),
            listed: &|_| {},
        });
        assert_eq!(error.unwrap_err().to_string(), "read tape: the tape broke", "{len}");
    }
    assert_eq!(ground.repository.list_snapshots().unwrap().entries.len(), 0);
}

#[test]
fn what_follows_the_end_is_told() {
    let ground = Ground::new();
    let one = archive(&[(b'0', "a", "", b"x")]);
    let report = import(&ground, [one.clone(), one].concat()).unwrap();
    assert_eq!(paths(&report.warnings), ["test.tar"]);
}

#[test]
fn a_dry_run_counts_and_stores_nothing() {
    let (ground, store) = Ground::in_memory();
    let before = store.names().len();
    let dry = BackupOptions { mode: Mode::DryRun, ..options(Requested::Full) };
    let bytes = archive(&[(b'0', "d/a", "", b"xyz"), (b'0', "large", "", &vec![1; 300_000])]);
    let report = import_with(&ground, bytes.clone(), &dry).unwrap();
    assert!(report.entry.is_none() && store.names().len() == before);
    let statistics = report.statistics;
    assert_eq!((statistics.files, statistics.directories, statistics.content_bytes), (2, 1, 300_003));
    assert!(import_with(&ground, bytes[..900].to_vec(), &dry).is_err());
}
