//! Tests of where secrets come from.

use super::*;

fn passphrase(text: &str) -> Option<String> {
    match secret_of(text, "read").ok()? {
        Secret::Passphrase(passphrase) => Some(passphrase.to_string()),
        Secret::Code(_) | Secret::Recipient(_) => None,
    }
}

#[test]
fn a_password_is_the_whole_text_but_for_the_end_of_its_line() {
    for (text, password) in [
        ("pass word", "pass word"),
        ("pass\n", "pass"),
        ("pass\r\n", "pass"),
        ("pass\n\n", "pass\n"),
        (" pass ", " pass "),
    ] {
        assert_eq!(passphrase(text).as_deref(), Some(password), "{text:?}");
    }
    for empty in ["", "\n", "\r\n"] {
        let failure = secret_of(empty, "read").err().expect("an empty password is refused");
        assert_eq!(failure.code.number, catalogue::EMPTY_PASSWORD.number);
    }
}

#[test]
fn a_recovery_code_is_found_among_other_lines() {
    let code = mainstay_repo::RecoveryCode::generate().expect("random bytes").to_text();
    let text = format!("# a kit\n\n    {}\n\nkeep it\n", code.as_str());
    let Ok(Secret::Code(found)) = secret_of(&text, "read") else { unreachable!("the text holds a code") };
    assert_eq!(*found.to_text(), *code);
}

#[test]
fn a_command_is_split_into_words_as_a_shell_would_without_expanding_anything() {
    for (line, words) in [
        ("pass show backup", vec!["pass", "show", "backup"]),
        ("  a \t b ", vec!["a", "b"]),
        ("cat '/my disk/key'", vec!["cat", "/my disk/key"]),
        (r#"x "a 'b' \"c\"" d\ e"#, vec!["x", r#"a 'b' "c""#, "d e"]),
        ("x '' $HOME *", vec!["x", "", "$HOME", "*"]),
        (r"'a\b'", vec![r"a\b"]),
    ] {
        let expected: Vec<String> = words.into_iter().map(str::to_owned).collect();
        assert_eq!(split_words(line), Some(expected), "{line}");
    }
    for line in ["'open", "\"open", "trailing\\"] {
        assert_eq!(split_words(line), None, "{line}");
    }
}

#[test]
fn a_failing_command_is_named_without_its_arguments() {
    for words in [["false", "hunter2"], ["/nonexistent", "hunter2"]] {
        let failure = run(&words.map(str::to_owned)).err().expect("it fails");
        assert_eq!(failure.code.number, catalogue::PASSWORD_COMMAND.number);
        assert!(!failure.message.contains("hunter2"), "{}", failure.message);
    }
}
