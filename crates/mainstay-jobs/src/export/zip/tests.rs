//! Tests of zip archives, as the library of Python reads them; other programs read them in the tests of the binary.

use std::process::Command;

use mainstay_repo::Node;

use super::*;
use crate::NoProgress;
use crate::fixture::{Backup, Files, Fixture, noise};

fn exported(files: &Files, edit: &dyn Fn(&str, &mut Node)) -> (Vec<u8>, ExportReport) {
    let fixture = Fixture::new();
    let entry = fixture.back_up(files, &Backup { edit, ..Backup::default() });
    let mut bytes = Vec::new();
    let what = Exported::Beneath(&entry.snapshot.root);
    let report = export_zip(&fixture.trees(), &what, &mut bytes, &NoProgress, &Cancel::default()).unwrap();
    assert_eq!(report.bytes, bytes.len() as u64);
    (bytes, report)
}

/// What Python says of an archive, line by line, once it has checked every sum.
fn by_python(archive: &[u8], script: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("archive.zip");
    std::fs::write(&path, archive).unwrap();
    let script = format!("import sys, zipfile\nz = zipfile.ZipFile(sys.argv[1])\nassert z.testzip() is None\n{script}");
    let python = std::env::var_os("MAINSTAY_TEST_PYTHON").unwrap_or_else(|| "python3".into());
    let output = Command::new(python).args(["-c", &script]).arg(&path).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn files_and_directories_come_with_content_mode_and_time() {
    let large = noise(1, 3 << 20);
    let files = Files::from([
        ("a/compressible", vec![b'x'; 5000]),
        ("a/large", large.clone()),
        ("a/noise", noise(2, 5000)),
        ("empty/", Vec::new()),
        ("ünï", Vec::new()),
    ]);
    let (bytes, report) = exported(&files, &|path, node| {
        node.modified = (1_600_000_000, 5);
        if path.ends_with("noise") {
            node.mode = 0o4751;
        }
    });
    let said = by_python(
        &bytes,
        "for i in z.infolist(): print(i.filename, i.file_size, i.compress_type, oct(i.external_attr >> 16), i.date_time[:5])",
    );
    let line = |name: &str| said.lines().find(|line| line.starts_with(&format!("{name} "))).unwrap().to_owned();
    let when = "(2020, 9, 13, 12, 26)";
    assert_eq!(line("a/noise"), format!("a/noise 5000 0 0o104751 {when}"), "stored, since that is shorter");
    assert!(line("a/compressible").starts_with("a/compressible 5000 8 "), "{said}");
    assert!(line("a/large").starts_with(&format!("a/large {} 8 ", large.len())), "{said}");
    assert!(line("empty/").contains(" 0 0 0o40"), "{said}");
    assert!(line("ünï").starts_with("ünï 0 "), "{said}");
    assert_eq!((report.entries, report.left_out), (6, 0));
    let content = by_python(&bytes, "print(z.read('a/large').hex())\nprint(z.read('a/noise').hex())");
    assert!(content == format!("{}\n{}\n", hex(&large), hex(&noise(2, 5000))));
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn links_hold_their_target_and_what_zip_has_no_form_for_is_left_out() {
    let files = Files::from([("fifo", Vec::new()), ("link", Vec::new()), ("socket", Vec::new())]);
    let (bytes, report) = exported(&files, &|path, node| {
        node.kind = match path {
            "fifo" => NodeKind::Fifo,
            "link" => NodeKind::Symlink,
            _ => NodeKind::Socket,
        };
        node.link_target = (path == "link").then(|| b"to/where".to_vec());
    });
    let said =
        by_python(&bytes, "for i in z.infolist(): print(i.filename, oct(i.external_attr >> 28), z.read(i).decode())");
    assert_eq!(said, "link 0o12 to/where\n");
    assert_eq!((report.entries, report.left_out), (1, 2));
}

#[test]
fn more_entries_than_the_short_form_counts_are_all_found() {
    let names: Vec<String> = (0..65_600).map(|number| format!("f{number:05}")).collect();
    let files: Files = names.iter().map(|name| (&*Box::leak(name.clone().into_boxed_str()), Vec::new())).collect();
    let (bytes, report) = exported(&files, &|_, _| {});
    assert_eq!(report.entries, 65_600);
    assert_eq!(by_python(&bytes, "print(len(z.infolist()), z.infolist()[-1].filename)"), "65600 f65599\n");
}

#[test]
fn a_file_that_is_shorter_than_it_says_is_an_error() {
    let fixture = Fixture::new();
    let edit = |_: &str, node: &mut Node| node.size += 1;
    let entry = fixture.back_up(&Files::from([("a", vec![1; 10])]), &Backup { edit: &edit, ..Backup::default() });
    let what = Exported::Beneath(&entry.snapshot.root);
    let error = export_zip(&fixture.trees(), &what, &mut Vec::new(), &NoProgress, &Cancel::default()).unwrap_err();
    assert!(error.to_string().contains("expected 11 bytes, got 10"), "{error}");
}
