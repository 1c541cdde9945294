//! `verify --rolling`: run by run everything is read back, and what was read is remembered.

use std::fs;

use serde_json::Value;

use crate::world::{World, files, noise, only};

/// A home with a repository of several packs.
fn with_packs() -> World {
    let world = World::backed_up();
    for number in 0..3 {
        world.write("docs/more", &noise(100_000 + number));
        world.ok(&["backup", "docs"]);
    }
    world
}

fn run(world: &World) -> Value {
    let ran = world.ok(&["verify", "--rolling", "30d", "--json"]);
    let last = ran.stdout.lines().last().expect("a summary");
    serde_json::from_str(last).expect("JSON")
}

fn number(summary: &Value, key: &str) -> u64 {
    summary[key].as_u64().or_else(|| summary["rolling"][key].as_u64()).unwrap_or_else(|| panic!("{key}: {summary}"))
}

#[test]
fn run_by_run_every_pack_is_read_and_then_it_is_said() {
    let world = with_packs();
    let all = files(&world.repository().join("packs")).len() as u64;
    let mut read = 0;
    for _ in 0..all {
        let summary = run(&world);
        assert!(number(&summary, "packs") < all, "a run reads a part: {summary}");
        read += number(&summary, "packs");
    }
    let summary = run(&world);
    assert!(read >= all && number(&summary, "other_bytes") == 0, "{read} of {all}: {summary}");
    assert_eq!(number(&summary, "verified_bytes"), number(&summary, "all_pack_bytes"));
    let said = world.ok(&["verify", "--rolling", "30d"]).stdout;
    assert!(said.contains("every byte was verified within 30 days, the longest ago 0 days ago"), "{said}");
}

#[test]
fn a_memory_that_is_gone_or_damaged_begins_anew() {
    let world = with_packs();
    run(&world);
    let memory = only(&world.path(".local/state/mainstay/verified"));
    let first = fs::read(&memory).expect("it is there");
    for damage in [&b"nonsense"[..], &first[..first.len() / 2], b""] {
        fs::write(&memory, damage).expect("a file");
        let summary = run(&world);
        assert!(summary["rolling"]["oldest_seconds"].is_null(), "{summary}");
    }
    fs::remove_file(&memory).expect("it is there");
    assert!(run(&world)["rolling"]["oldest_seconds"].is_null());
}

#[test]
fn damage_is_told_by_every_run_until_it_is_mended() {
    let world = with_packs();
    world.ok(&["parity", "add"]);
    let packs = files(&world.repository().join("packs"));
    let pack = packs.iter().max_by_key(|pack| fs::metadata(pack).expect("it is there").len()).expect("a pack");
    let mut bytes = fs::read(pack).expect("a pack");
    bytes[1000] ^= 1;
    fs::write(pack, bytes).expect("a pack");
    let told = |world: &World| world.run(&["verify", "--rolling", "30d"]).code == 4;
    let first = (0..=packs.len()).position(|_| told(&world)).expect("it is read at last");
    assert!(told(&world) && told(&world), "told once, in run {first}");
    world.ok(&["repair"]);
    assert!((0..3).all(|_| !told(&world)));
}
