//! Scratch: backs a directory up and prints what it took.
use mainstay_jobs::*;
use mainstay_jobs::backup::*;
use mainstay_repo::*;
use std::sync::Arc;
struct C;
impl Clock for C { fn now(&self) -> i64 { std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as i64 } }
fn main() {
    let a: Vec<String> = std::env::args().collect();
    mainstay_sources::files::raise_open_files();
    let live = Liveness { machine: b"m".to_vec(), boot: b"b".to_vec(), process: std::process::id(), process_start: Arc::new(|p| if std::path::Path::new(&format!("/proc/{p}")).exists() {Some(1)} else {None}) };
    let store: Arc<dyn Store> = Arc::new(LocalStore::new(&a[2]));
    let key = "/tmp/try.key";
    let t = std::time::Instant::now();
    let repo = if a[1] == "init" {
        let code = RecoveryCode::generate().unwrap();
        std::fs::write(key, code.to_text().as_str()).unwrap();
        Repository::create(store, &Secret::Code(code), "x", live, 0).unwrap();
        return;
    } else {
        Repository::open(store, &Secret::from_text(&std::fs::read_to_string(key).unwrap()), live).unwrap()
    };
    eprintln!("open {:?}", t.elapsed());
    match a[1].as_str() {
        "backup" | "full" => {
            let source = mainstay_sources::files::FileSource::new(&a[3..], &mainstay_sources::files::FileOptions::everything()).unwrap();
            let o = BackupOptions { source: a[3].clone(), host: "h".into(), user: "u".into(), paths: vec![], tags: vec![], requested: if a[1]=="full" {Requested::Full} else {Requested::Incremental}, sharing: Sharing::Shared, mode: Mode::Store, program: "x".into(), owner_names: mainstay_sources::files::Owners::load() };
            let r = backup(&BackupRun { repository: &repo, source: &source, options: &o, clock: &C, progress: &NoProgress, cancel: &Cancel::default() }).unwrap();
            eprintln!("{:?} {:?} packs {} stored {} new {} dup {} warnings {:?}", r.backup_type, r.statistics, r.packs, r.stored_bytes, r.new_bytes, r.duplicate_bytes, r.warnings.len());
        }
        "restore" => {
            let all = repo.snapshots().unwrap();
            let o = restore::RestoreOptions { overwrite: restore::Overwrite::IfChanged, extra: restore::Extra::Keep, include: vec![], exclude: vec![], preserve: mainstay_sources::files::Preserve::as_permitted(), extent: restore::Extent::Write };
            let r = restore::restore(&restore::RestoreRun { repository: &repo, entry: all.last().unwrap(), path: None, target: std::path::Path::new(&a[3]), options: &o, planned: &|_| (), progress: &NoProgress, cancel: &Cancel::default() }).unwrap();
            eprintln!("{r:?}");
        }
        "prune" => {
            let all = repo.snapshots().unwrap();
            for e in &all[..all.len()/2] { repo.forget(e.id, 0).unwrap(); }
            let r = repo.prune().unwrap();
            eprintln!("del {} repack {} keep {} freed {} objects {}", r.plan.delete.len(), r.plan.repack.len(), r.plan.keep.len(), r.plan.freed_bytes(), r.deleted_objects);
        }
        _ => {}
    }
    eprintln!("{:?}", t.elapsed());
}
