//! Tests of what a state means.

use super::*;

#[test]
fn conflicts_and_servers_that_stop_pass_and_nothing_else_does() {
    for code in ["40001", "40P01", "57P01", "57P02", "57P03", "53300", "25P03", "08006", "08001", "23505", "42P06"] {
        assert!(is_passing(&SqlState::from_code(code)), "{code}");
    }
    for code in ["28P01", "3D000", "42501", "42P01", "53100", "57014", "XX001", "0A000"] {
        assert!(!is_passing(&SqlState::from_code(code)), "{code}");
    }
}

#[test]
fn no_state_means_that_an_object_is_absent_or_damaged() {
    for (code, kind) in [
        ("28P01", io::ErrorKind::PermissionDenied),
        ("42501", io::ErrorKind::PermissionDenied),
        ("25006", io::ErrorKind::PermissionDenied),
        ("53100", io::ErrorKind::StorageFull),
        ("55P03", io::ErrorKind::ResourceBusy),
        ("42P01", io::ErrorKind::Other),
        ("3D000", io::ErrorKind::Other),
        ("02000", io::ErrorKind::Other),
        ("XX001", io::ErrorKind::Other),
    ] {
        assert_eq!(kind_of(&SqlState::from_code(code)), kind, "{code}");
    }
}

#[test]
fn silence_may_pass_and_an_answer_lasts() {
    assert!(Failure::Silence.into_trouble().is_passing);
    let answer = Failure::answer(io::ErrorKind::AlreadyExists, "taken").into_trouble();
    assert!(!answer.is_passing && answer.error.kind() == io::ErrorKind::AlreadyExists);
}
