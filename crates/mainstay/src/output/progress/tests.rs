//! Tests of what progress says.

use super::*;
use crate::output::Format;
use crate::output::color::Choice;

fn standing() -> Standing {
    Standing {
        phase: Some(Phase::BackUp),
        files: 1200,
        bytes: 512 << 20,
        expected_files: 2400,
        expected_bytes: 1 << 30,
        deduplicated: 256 << 20,
        warnings: 1,
        item: "/etc/\u{1b}[2J".to_owned(),
        elapsed: Duration::from_secs(4),
    }
}

fn meter() -> Meter {
    let mut meter = Meter::default();
    meter.sample(&Standing { bytes: 0, files: 0, elapsed: Duration::ZERO, ..standing() });
    meter.sample(&standing());
    meter
}

#[test]
fn a_line_says_phase_files_bytes_rate_share_and_rest() {
    assert_eq!(
        standing().line(&meter()),
        "Backing up: 1,200 files · 512 MiB · 128 MiB/s · 50 % deduplicated · 1 warning · 50 % · 4.0 s left"
    );
}

#[test]
fn a_status_message_leaves_unknown_ends_empty() {
    let standing = standing();
    let text = serde_json::to_value(standing.message(&meter())).expect("plain data");
    assert_eq!(text["message_type"], "status");
    assert_eq!(text["bytes_expected"], 1_u64 << 30);
    assert_eq!(text["seconds_remaining"], 4.0);
    let standing = Standing { expected_files: 0, expected_bytes: 0, ..standing };
    let text = serde_json::to_value(standing.message(&meter())).expect("plain data");
    for field in ["files_expected", "bytes_expected", "seconds_remaining"] {
        assert_eq!(text[field], serde_json::Value::Null, "{field}");
    }
}

#[test]
fn the_item_is_asked_for_only_when_it_will_be_shown() {
    let output = Output::new(Format::Text, Talk::Quiet, Choice::Never);
    let monitor = Monitor::start(output, Wish::Hidden);
    let asked = std::cell::Cell::new(0);
    let path = || {
        asked.set(asked.get() + 1);
        "a".to_owned()
    };
    monitor.item(&path);
    assert_eq!(asked.get(), 0);
    monitor.counters.standing(Duration::ZERO);
    monitor.item(&path);
    monitor.item(&path);
    assert_eq!(asked.get(), 1);
    assert_eq!(monitor.counters.standing(Duration::ZERO).item, "a");
}

#[test]
fn every_phase_survives_being_counted() {
    let output = Output::new(Format::Text, Talk::Quiet, Choice::Never);
    let monitor = Monitor::start(output, Wish::Hidden);
    assert_eq!(monitor.counters.standing(Duration::ZERO).phase, None);
    for phase in PHASES {
        monitor.phase(phase);
        assert_eq!(monitor.counters.standing(Duration::ZERO).phase, Some(phase));
    }
}

#[test]
fn what_is_expected_adds_up_and_reading_back_counts_anew() {
    let output = Output::new(Format::Text, Talk::Quiet, Choice::Never);
    let monitor = Monitor::start(output, Wish::Hidden);
    monitor.phase(Phase::Restore);
    for _ in 0..3 {
        monitor.expect(1, 100);
        monitor.advance(1, 100);
    }
    let standing = monitor.counters.standing(Duration::ZERO);
    assert_eq!((standing.expected_files, standing.expected_bytes, standing.bytes), (3, 300, 300));
    monitor.phase(Phase::Finish);
    assert_eq!(monitor.counters.standing(Duration::ZERO).files, 3);
    for anew in [Phase::Verify, Phase::Prune] {
        monitor.expect(1, 100);
        monitor.advance(1, 100);
        monitor.phase(anew);
        let standing = monitor.counters.standing(Duration::ZERO);
        assert_eq!((standing.files, standing.expected_bytes), (0, 0));
    }
}

#[test]
fn a_warning_names_its_path_and_does_so_once() {
    let table = [
        ("a", "a directory has its name", "a: a directory has its name"),
        ("content", "its content is lost: open block 7", "content: its content is lost: open block 7"),
        ("block", "it is lost: read block: cut short", "block: it is lost: read block: cut short"),
        ("docs/a", "open /target/docs/a: permission denied", "open /target/docs/a: permission denied"),
        ("/home/a", "list /home/a: permission denied", "list /home/a: permission denied"),
        ("packs/1f/1f2e", "read packs/1f/1f2e: cut short", "read packs/1f/1f2e: cut short"),
        ("/home/a", "it changed while it was read", "/home/a: it changed while it was read"),
    ];
    for (path, message, line) in table {
        assert_eq!(warning_line(path, message), line);
    }
}
