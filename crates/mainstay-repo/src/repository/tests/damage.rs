//! Every object of a repository, flipped, cut, emptied and deleted: reading is right or refused.

use super::*;

fn files() -> Files {
    files_of(&[("a", 1, 100), ("b", 2, 600_000), ("c", 3, 300)])
}

/// Opens the repository and reads everything that is listed.
fn read_everything(store: &MemoryStore) -> Result<Vec<Files>> {
    let repository = Repository::open(Arc::new(store.clone()), &secret(), restarted())?;
    let entries = repository.snapshots()?;
    entries.iter().map(|entry| read_back(&repository, entry)).collect()
}

/// Damages each object in one way, and says which damages went unnoticed.
fn unnoticed(damage: impl Fn(&MemoryStore, &str)) -> Vec<String> {
    let (original, repository) = new_repository();
    back_up(&repository, 1, &files()).unwrap();
    // The two kinds of index tables are told apart by the letter behind the folder.
    let folder =
        |name: &str| name.split_inclusive(['/', '-']).take(if name.starts_with("index") { 2 } else { 1 }).collect();
    let mut passed = Vec::<String>::new();
    for name in original.names() {
        let store = copy_of(&original);
        damage(&store, &name);
        match read_everything(&store) {
            Ok(read) if read == [files()] => passed.push(folder(&name)),
            Ok(read) => panic!("{name}: {} snapshots, and other content than was backed up", read.len()),
            Err(error) => {
                let expected = [Kind::Corrupt, Kind::NotFound, Kind::Denied, Kind::Unsupported];
                assert!(expected.contains(&error.kind()), "{name}: {error}");
            }
        }
    }
    passed.sort();
    passed.dedup();
    passed
}

/// What reading a snapshot does not need: leases, and the index, which packs can tell again.
const UNREAD: [&str; 3] = ["coord/", "index/b-", "index/c-"];

#[test]
fn a_flipped_bit_at_the_begin_of_any_object_is_noticed() {
    let passed = unnoticed(|store, name| store.damage(name, |bytes| bytes[2] ^= 4));
    // Header and directory of a pack are read only when the index has lost something.
    assert_eq!(passed, ["coord/", "index/b-", "index/c-", "packs/"]);
}

#[test]
fn a_flipped_bit_in_the_middle_of_any_object_is_noticed() {
    let middle = |bytes: &mut Vec<u8>| {
        let at = bytes.len() / 2;
        bytes[at] ^= 1;
    };
    let passed = unnoticed(|store, name| store.damage(name, middle));
    assert!(passed.iter().all(|folder| UNREAD.contains(&folder.as_str())), "{passed:?}");
}

#[test]
fn an_object_cut_in_half_is_noticed() {
    let passed = unnoticed(|store, name| store.damage(name, |bytes| bytes.truncate(bytes.len() / 2)));
    assert!(passed.iter().all(|folder| UNREAD.contains(&folder.as_str())), "{passed:?}");
}

#[test]
fn an_empty_object_is_noticed() {
    let passed = unnoticed(|store, name| store.damage(name, Vec::clear));
    assert!(passed.iter().all(|folder| UNREAD.contains(&folder.as_str())), "{passed:?}");
}

#[test]
fn bytes_behind_an_object_are_noticed() {
    let passed = unnoticed(|store, name| store.damage(name, |bytes| bytes.push(0)));
    // The end of a pack is read only when the index has lost something; its length is in the index for `check`.
    assert_eq!(passed, ["coord/", "index/b-", "index/c-", "packs/"]);
}

#[test]
fn every_object_of_another_repository_is_noticed() {
    let (other, repository) = new_repository();
    back_up(&repository, 1, &files()).unwrap();
    let same_folder = |name: &str| {
        let folder = name.split('/').next().unwrap_or_default().to_owned();
        other.names().into_iter().find(|name| name.starts_with(&folder)).unwrap()
    };
    let passed = unnoticed(|store, name| {
        let bytes = other.read(&same_folder(name), 1 << 30).unwrap();
        store.damage(name, |held| *held = bytes);
    });
    assert!(passed.iter().all(|folder| UNREAD.contains(&folder.as_str())), "{passed:?}");
}
