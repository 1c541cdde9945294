//! What is left of an object when something goes wrong on the way: all of it, or a plain error, and never a false success.

use std::time::Instant;

use russh_sftp::protocol::StatusCode;

use super::scripted::{Act, Op, Scripted};
use super::*;

/// A store on a server that fails as it is told; the folder goes with it.
struct Scene {
    server: Scripted,
    store: SftpStore,
    _folder: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&Scripted)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Scripted::start(folder.path());
        change(&server);
        let Address::Sftp(address) = address_of(&server.address()) else { panic!("another kind") };
        let store = SftpStore::with_patience(address, &home(&folder), patience()).unwrap();
        assert_eq!(store.prepare().unwrap(), Vacancy::Empty);
        // What is asked for once only is behind us.
        store.put("packs/first", b"first").unwrap();
        Self { server, store, _folder: folder }
    }

    fn there(&self, name: &str) -> Option<Vec<u8>> {
        self.server.shared().tree.get(&format!("/r/{name}")).cloned().flatten()
    }

    /// Files of the staging folder.
    fn staged(&self) -> usize {
        self.server.shared().tree.keys().filter(|path| path.starts_with("/r/tmp/")).count()
    }
}

/// The server is in this process and answers at once, or never.
fn patience() -> Patience {
    Patience { answer: Duration::from_secs(2), ..impatience() }
}

/// Two requests and a rest.
fn bytes() -> Vec<u8> {
    (0..70_000u32).map(|place| (place >> 3) as u8).collect()
}

const STEPS: [Op; 8] = [Op::Create, Op::Write, Op::Fsync, Op::Fstat, Op::Close, Op::Lstat, Op::Rename, Op::Open];

#[test]
fn a_connection_that_breaks_at_any_step_of_an_upload_costs_another_sending_and_no_object() {
    for act in [Act::CutBefore, Act::CutAfter] {
        for step in STEPS {
            let scene = Scene::new();
            scene.server.script(&[(step, act)]);
            scene.store.put("packs/a", &bytes()).unwrap_or_else(|error| panic!("{step:?} {act:?}: {error}"));
            assert!(scene.server.is_played(), "{step:?} {act:?}");
            assert_eq!(scene.there("packs/a"), Some(bytes()), "{step:?} {act:?}");
            let mut created = scene.server.asked("Create");
            let all = created.len();
            created.dedup();
            assert_eq!(created.len(), all, "no file is written to twice: {created:?}");
            let was_named = step == Op::Open || (step, act) == (Op::Rename, Act::CutAfter);
            assert_eq!(all, if was_named { 1 } else { 2 }, "{step:?} {act:?}");
        }
    }
}

#[test]
fn a_refusal_at_any_step_of_an_upload_is_an_error_and_is_not_tried_again() {
    for step in STEPS.into_iter().filter(|step| *step != Op::Lstat) {
        let scene = Scene::new();
        scene.server.script(&[(step, Act::Refuse(StatusCode::Failure))]);
        let error = scene.store.put("packs/a", &bytes()).unwrap_err();
        assert!(scene.server.is_played() && error.to_string().contains("the server said Failure"), "{step:?}: {error}");
        assert_eq!(error.kind(), io::ErrorKind::Other, "{step:?}");
        assert_eq!((scene.server.asked("Create").len(), scene.staged()), (1, 0), "{step:?}");
        // The folder alone was not synced: the object may be seen, and is whole.
        assert_eq!(scene.there("packs/a"), (step == Op::Open).then(bytes), "{step:?}");
    }
}

#[test]
fn a_file_that_came_out_shorter_or_longer_is_not_named() {
    let scene = Scene::new();
    scene.server.script(&[(Op::Fstat, Act::Lie)]);
    let error = scene.store.put("packs/a", &bytes()).unwrap_err();
    assert!(error.to_string().contains("expected 70000 bytes"), "{error}");
    assert_eq!((scene.there("packs/a"), scene.staged()), (None, 0));
}

#[test]
fn a_server_that_never_answers_is_left_after_a_bounded_time() {
    let scene = Scene::new();
    let silence = [(Op::Write, Act::Silence); 4];
    scene.server.script(&silence);
    let started = Instant::now();
    let error = scene.store.put("packs/a", b"bytes").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    let all = patience().answer * silence.len() as u32;
    assert!(started.elapsed() < all + Duration::from_secs(10), "{:?}", started.elapsed());
    assert_eq!(scene.there("packs/a"), None);
}

#[test]
fn a_server_that_renames_over_what_is_there_loses_nothing() {
    let scene = Scene::with(|server| server.shared().renames_over = true);
    assert_eq!(kind(scene.store.put("packs/first", b"other")), Some(io::ErrorKind::AlreadyExists));
    assert_eq!(scene.there("packs/first"), Some(b"first".to_vec()));
    assert_eq!(scene.staged(), 0);
    // The very bytes are a reply that was lost.
    scene.store.put("packs/first", b"first").unwrap();
}

#[test]
fn a_server_without_fsync_is_used_and_told_of() {
    let scene = Scene::with(|server| server.shared().extensions.clear());
    assert_eq!(scene.store.read("packs/first", 10).unwrap(), b"first");
    let caveats = scene.store.caveats();
    assert!(caveats.len() == 1 && caveats[0].contains("no fsync"), "{caveats:?}");
    assert_eq!(scene.server.asked("Fsync"), Vec::<String>::new());
    // Nor does it know the rename that replaces.
    scene.store.replace("packs/first", b"mended").unwrap();
    assert_eq!(scene.there("packs/first"), Some(b"mended".to_vec()));
}

#[test]
fn a_disk_that_is_full_is_told_apart_from_one_that_fails() {
    for (space, told) in [("statvfs@openssh.com", io::ErrorKind::StorageFull), ("another", io::ErrorKind::Other)] {
        let scene = Scene::with(|server| server.shared().extensions.push(space));
        scene.server.script(&[(Op::Write, Act::Refuse(StatusCode::Failure))]);
        assert_eq!(kind(scene.store.put("packs/a", b"bytes")), Some(told));
        assert_eq!((scene.there("packs/a"), scene.staged()), (None, 0));
    }
}

#[test]
fn a_length_that_is_a_lie_is_refused_before_it_is_believed() {
    let scene = Scene::new();
    scene.server.script(&[(Op::Fstat, Act::Lie)]);
    assert_eq!(kind(scene.store.read("packs/first", 1 << 20)), Some(io::ErrorKind::InvalidData));
    scene.server.script(&[(Op::Read, Act::Lie)]);
    let error = scene.store.read("packs/first", 10).unwrap_err();
    assert!(error.kind() == io::ErrorKind::Other && error.to_string().contains("5 bytes were asked for"), "{error}");
    let mut buffer = [0; 6];
    assert_eq!(kind(scene.store.read_at("packs/first", 0, &mut buffer)), Some(io::ErrorKind::UnexpectedEof));
}

#[test]
fn a_listing_that_breaks_off_is_asked_for_again_and_never_taken_for_all() {
    let scene = Scene::new();
    for act in [Act::CutBefore, Act::CutAfter] {
        scene.server.script(&[(Op::Readdir, act)]);
        assert_eq!(scene.store.list("packs/").unwrap().len(), 1);
        assert!(scene.server.is_played());
    }
    for act in [Act::Lie, Act::Refuse(StatusCode::Failure), Act::Refuse(StatusCode::PermissionDenied)] {
        scene.server.script(&[(Op::Readdir, act)]);
        let error = scene.store.list("packs/").unwrap_err();
        assert!(matches!(error.kind(), io::ErrorKind::Other | io::ErrorKind::PermissionDenied), "{act:?}: {error:?}");
    }
}

#[test]
fn only_the_plain_word_that_there_is_no_such_file_is_absence() {
    let scene = Scene::new();
    for code in [StatusCode::Failure, StatusCode::PermissionDenied, StatusCode::BadMessage, StatusCode::OpUnsupported] {
        scene.server.script(&[(Op::Open, Act::Refuse(code))]);
        assert_ne!(kind(scene.store.read("packs/first", 10)), Some(io::ErrorKind::NotFound), "{code}");
        scene.server.script(&[(Op::Lstat, Act::Refuse(code))]);
        assert_ne!(kind(scene.store.len("packs/first")), Some(io::ErrorKind::NotFound), "{code}");
        scene.server.script(&[(Op::Remove, Act::Refuse(code))]);
        assert!(scene.store.delete("packs/first").is_err(), "{code}");
    }
    assert_eq!(kind(scene.store.read("packs/none", 10)), Some(io::ErrorKind::NotFound));
    assert_eq!(scene.there("packs/first"), Some(b"first".to_vec()));
}

#[test]
fn a_deletion_of_which_no_answer_came_is_asked_for_again() {
    for act in [Act::CutBefore, Act::CutAfter] {
        let scene = Scene::new();
        scene.server.script(&[(Op::Remove, act)]);
        scene.store.delete("packs/first").unwrap();
        assert!(scene.server.is_played() && scene.there("packs/first").is_none());
    }
}
