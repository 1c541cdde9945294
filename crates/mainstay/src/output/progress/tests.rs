//! Tests of what progress says.

use super::*;
use crate::output::Format;
use crate::output::color::Choice;
use crate::output::units;

fn standing() -> Standing {
    Standing {
        counted: Counted::Files,
        phase: Some(Phase::BackUp),
        files: 1200,
        bytes: 512 << 20,
        expected_files: 2400,
        expected_bytes: 1 << 30,
        outlook: Outlook::InAll,
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
fn a_line_says_what_was_found_so_far_until_all_is_found() {
    let found = Standing { outlook: Outlook::AtLeast, ..standing() };
    let line = found.line(&meter());
    let found_so_far = format!("1 warning · at least 2,400 files and {} in all", units::size(1 << 30));
    assert!(line.ends_with(&found_so_far), "{line}");
    let text = serde_json::to_value(found.message(&meter())).expect("plain data");
    assert_eq!((&text["expected_in_all"], &text["files_expected"]), (&false.into(), &2400.into()));
    assert_eq!(text["seconds_remaining"], serde_json::Value::Null);
}

#[test]
fn a_line_promises_no_end_once_there_is_more_than_was_expected() {
    let more = Standing { files: 3000, bytes: 2 << 30, ..standing() };
    let line = more.line(&meter());
    assert!(line.ends_with("1 warning"), "{line}");
}

#[test]
fn a_line_names_what_is_counted() {
    let line = |counted| Standing { counted, phase: Some(Phase::Verify), ..standing() }.line(&meter());
    assert!(line(Counted::Packs).starts_with("Verifying: 1,200 packs · "));
    assert!(line(Counted::Snapshots).starts_with("Verifying: 1,200 snapshots · "));
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
    let monitor = Monitor::start(output, Wish::Hidden, Counted::Files);
    let asked = std::cell::Cell::new(0);
    let path = || {
        asked.set(asked.get() + 1);
        "a".to_owned()
    };
    monitor.item(&path);
    assert_eq!(asked.get(), 0);
    monitor.counters.standing(Counted::Files, Duration::ZERO);
    monitor.item(&path);
    monitor.item(&path);
    assert_eq!(asked.get(), 1);
    assert_eq!(monitor.counters.standing(Counted::Files, Duration::ZERO).item, "a");
}

#[test]
fn every_phase_survives_being_counted() {
    let output = Output::new(Format::Text, Talk::Quiet, Choice::Never);
    let monitor = Monitor::start(output, Wish::Hidden, Counted::Files);
    assert_eq!(monitor.counters.standing(Counted::Files, Duration::ZERO).phase, None);
    for phase in PHASES {
        monitor.phase(phase);
        assert_eq!(monitor.counters.standing(Counted::Files, Duration::ZERO).phase, Some(phase));
    }
}

#[test]
fn what_is_expected_adds_up_and_reading_back_counts_anew() {
    let output = Output::new(Format::Text, Talk::Quiet, Choice::Never);
    let monitor = Monitor::start(output, Wish::Hidden, Counted::Files);
    monitor.phase(Phase::Restore);
    for _ in 0..3 {
        monitor.expect(1, 100);
        monitor.advance(1, 100);
    }
    let standing = monitor.counters.standing(Counted::Files, Duration::ZERO);
    assert_eq!((standing.expected_files, standing.expected_bytes, standing.bytes), (3, 300, 300));
    monitor.phase(Phase::Finish);
    assert_eq!(monitor.counters.standing(Counted::Files, Duration::ZERO).files, 3);
    for anew in [Phase::Verify, Phase::Prune] {
        monitor.expect(1, 100);
        monitor.advance(1, 100);
        monitor.phase(anew);
        let standing = monitor.counters.standing(Counted::Files, Duration::ZERO);
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
