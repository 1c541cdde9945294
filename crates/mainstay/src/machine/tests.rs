//! Tests of what is known about the machine.

use super::*;

#[test]
fn the_start_of_a_process_is_found_behind_any_program_name() {
    let fields = "S 1 1 1 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 8812 1000 5";
    for name in ["(bash)", "(a b) c)", "(\u{fffd})", "()"] {
        let line = format!("71 {name} {fields}");
        assert_eq!(parse_process_start(line.as_bytes()), Some(8812), "{line}");
    }
    assert_eq!(parse_process_start(b"71 (cut) S 1"), None);
    assert_eq!(parse_process_start(b""), None);
}

#[test]
fn this_process_is_seen_alive_and_an_absent_one_is_not() {
    let liveness = liveness();
    assert!((liveness.process_start)(liveness.process).is_some());
    assert_eq!((liveness.process_start)(u32::MAX), None);
    assert!(!liveness.machine.is_empty());
}
