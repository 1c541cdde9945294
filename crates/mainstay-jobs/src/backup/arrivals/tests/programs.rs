//! Archives that other programs write, in each of their forms.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::*;

/// Runs GNU tar in the source of a ground, and imports what it writes.
fn by_gnu_tar(ground: &Ground, arguments: &[&str]) -> BackupReport {
    by(ground, "tar", arguments)
}

fn by(ground: &Ground, program: &str, arguments: &[&str]) -> BackupReport {
    let output =
        Command::new(program).args(["-C"]).arg(ground.source()).args(arguments).args(["-cf", "-", "."]).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{output:?}");
    import(ground, output.stdout).unwrap()
}

fn plant_oddities(ground: &Ground) {
    let source = ground.source();
    ground.write(&format!("{}/{}", "d".repeat(120), "n".repeat(240)), b"long");
    ground.write("plain", b"content");
    std::fs::hard_link(source.join("plain"), source.join("second")).unwrap();
    std::os::unix::fs::symlink("t".repeat(150), source.join("link")).unwrap();
    let sparse = std::fs::File::create(source.join("sparse")).unwrap();
    for place in 0..40_u64 {
        std::os::unix::fs::FileExt::write_all_at(&sparse, &[place as u8 + 1; 4096], place << 20).unwrap();
    }
    sparse.set_len(50 << 20).unwrap();
    let time = std::time::UNIX_EPOCH + std::time::Duration::new(1_600_000_000, 123_456_789);
    std::fs::File::options().write(true).open(source.join("plain")).unwrap().set_modified(time).unwrap();
    rustix::fs::setxattr(source.join("plain"), "user.note", b"\0\xff=", rustix::fs::XattrFlags::empty()).unwrap();
}

fn assert_oddities(ground: &Ground, target: &Path) {
    let source = ground.source();
    let read = |at: PathBuf| std::fs::read(at).unwrap();
    for name in [format!("{}/{}", "d".repeat(120), "n".repeat(240)), "plain".into(), "second".into(), "sparse".into()] {
        assert_eq!(read(target.join(&name)), read(source.join(&name)), "{name}");
    }
    assert_eq!(std::fs::read_link(target.join("link")).unwrap(), std::fs::read_link(source.join("link")).unwrap());
    let metadata = |name: &str| target.join(name).metadata().unwrap();
    assert_eq!(metadata("plain").ino(), metadata("second").ino());
}

#[test]
fn every_form_of_gnu_tar_comes_whole() {
    for form in ["gnu", "pax", "oldgnu"] {
        let ground = Ground::new();
        plant_oddities(&ground);
        let report = by_gnu_tar(&ground, &["-S", "-H", form]);
        assert_eq!(report.warnings, [], "{form}");
        let target = ground.restore(&report.entry.unwrap(), "out");
        assert_oddities(&ground, &target);
        let sparse = target.join("sparse").metadata().unwrap();
        assert!(sparse.blocks() * 512 < 2 << 20, "{form}: its holes are holes: {}", sparse.blocks());
    }
}

#[test]
fn every_version_of_holes_in_records_comes_whole() {
    for version in ["0.0", "0.1", "1.0"] {
        let ground = Ground::new();
        plant_oddities(&ground);
        let report = by_gnu_tar(&ground, &["-S", "-H", "pax", &format!("--sparse-version={version}")]);
        assert_eq!(report.warnings, [], "{version}");
        let entry = report.entry.unwrap();
        assert_oddities(&ground, &ground.restore(&entry, "out"));
        assert_eq!(nodes(&ground, &entry)["sparse"].size, 50 << 20);
    }
}

#[test]
fn attributes_lists_and_nanoseconds_of_gnu_tar_are_kept() {
    let ground = Ground::new();
    plant_oddities(&ground);
    std::fs::create_dir(ground.source().join("dir")).unwrap();
    let set = |rule: &str, name: &str| {
        let output = Command::new("setfacl").args(["-m", rule]).arg(ground.source().join(name)).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    };
    set("u:1234:r-x,g:77:rwx", "plain");
    set("d:u:1234:r-x", "dir");
    let report = by_gnu_tar(&ground, &["-H", "pax", "--xattrs", "--acls"]);
    assert_eq!(report.warnings, []);
    let nodes = nodes(&ground, &report.entry.unwrap());
    let listed = ground.back_up_from(&Watched::new(&ground.source()), Requested::Full).entry.unwrap();
    for (path, was) in self::nodes(&ground, &listed) {
        assert_eq!(nodes[&path].attributes, was.attributes, "{path}");
        assert_eq!(nodes[&path].modified, was.modified, "{path}");
        assert_eq!((nodes[&path].mode, nodes[&path].user), (was.mode, was.user), "{path}");
    }
    assert_eq!(nodes["plain"].modified, (1_600_000_000, 123_456_789));
    assert!(nodes["plain"].attributes.len() == 2 && nodes["dir"].attributes.len() == 1);
}

#[test]
fn every_form_of_bsdtar_comes_whole() {
    for form in ["pax", "gnutar"] {
        let ground = Ground::new();
        plant_oddities(&ground);
        let set = Command::new("setfacl").args(["-m", "u:7:rwx"]).arg(ground.source().join("plain")).status().unwrap();
        assert!(set.success());
        let report = by(&ground, "bsdtar", &["--format", form, "--xattrs", "--acls"]);
        assert_eq!(report.warnings, [], "{form}");
        let entry = report.entry.unwrap();
        let target = ground.restore(&entry, "out");
        assert_oddities(&ground, &target);
        if form == "pax" {
            let node = &nodes(&ground, &entry)["plain"];
            let names: Vec<&[u8]> = node.attributes.iter().map(|(name, _)| name.as_slice()).collect();
            assert_eq!(names, [&b"system.posix_acl_access"[..], b"user.note"]);
            let mode = ground.source().join("plain").metadata().unwrap().mode();
            assert_eq!((node.mode, node.modified), (mode & 0o7777, (1_600_000_000, 123_456_789)));
            assert!(target.join("sparse").metadata().unwrap().blocks() * 512 < 2 << 20, "its holes are holes");
        }
    }
}

/// What the library of Python writes in each of its formats.
#[test]
fn every_format_of_python_comes_whole() {
    let script = "
import io, sys, tarfile
form = {'ustar': tarfile.USTAR_FORMAT, 'gnu': tarfile.GNU_FORMAT, 'pax': tarfile.PAX_FORMAT}[sys.argv[1]]
with tarfile.open(fileobj=sys.stdout.buffer, mode='w|', format=form) as archive:
    def add(name, kind=tarfile.REGTYPE, data=b'', **more):
        info = tarfile.TarInfo(name)
        info.type, info.size, info.mtime, info.mode = kind, len(data), 1600000000, 0o640
        info.uid, info.gid, info.uname, info.gname = 1000, 100, 'alice', 'users'
        for key, value in more.items(): setattr(info, key, value)
        archive.addfile(info, io.BytesIO(data))
    add('dir', tarfile.DIRTYPE)
    add('dir/' + 'p' * 90 + '/' + 'n' * 90, data=b'long')
    add('file', data=b'x' * 300000)
    add('hard', tarfile.LNKTYPE, linkname='file')
    add('soft', tarfile.SYMTYPE, linkname='file')
    add('fifo', tarfile.FIFOTYPE)
    add('char', tarfile.CHRTYPE, devmajor=1, devminor=3)
    if form != tarfile.USTAR_FORMAT:
        add('ünï', data=b'name')
        add('great', uid=3000000000, mtime=-5)
";
    for form in ["ustar", "gnu", "pax"] {
        let ground = Ground::new();
        let python = std::env::var_os("MAINSTAY_TEST_PYTHON").unwrap_or_else(|| "python3".into());
        let output = Command::new(python).args(["-c", script, form]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let nodes = nodes(&ground, &whole(&ground, output.stdout));
        let long = format!("dir/{}/{}", "p".repeat(90), "n".repeat(90));
        assert_eq!((nodes[&long].size, nodes["file"].size, nodes["file"].links), (4, 300_000, 2), "{form}");
        assert_eq!((nodes["hard"].inode, &nodes["hard"].content), (nodes["file"].inode, &nodes["file"].content));
        assert_eq!(nodes["soft"].link_target.as_deref(), Some(&b"file"[..]));
        assert_eq!((nodes["char"].device_numbers, nodes["file"].user), (Some((1, 3)), 1000));
        if form != "ustar" {
            assert_eq!((nodes["great"].user, nodes["great"].modified), (3_000_000_000, (-5, 0)), "{form}");
            assert_eq!(nodes["ünï"].size, 4);
        }
    }
}
