//! Tests of which key is a host's.

use super::*;

const ONE: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
const TWO: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB9dG4kjRhQTtWTVzd2t27+t0DEHBPW7iOD23TUiYLio";

fn known(text: &str, port: u16) -> Known {
    let host = "host.example".to_owned();
    let name = if port == 22 { host.clone() } else { format!("[{host}]:{port}") };
    let mut known = Known { keys: Vec::new(), revoked: Vec::new(), host, port, name };
    known.add(text);
    known
}

fn trust(text: &str, port: u16) -> Option<Trust> {
    known(text, port).require(&ONE.parse().unwrap()).err().map(|error| error.trust)
}

#[test]
fn a_key_counts_for_the_names_it_stands_beside_and_no_others() {
    for (text, expected) in [
        (format!("host.example {ONE}"), None),
        (format!("other,HOST.example\t{ONE} a comment"), None),
        (format!("*.example {ONE}"), None),
        (format!("*.example,!host.example {ONE}"), Some(Trust::Unknown)),
        (format!("[host.example]:2222 {ONE}"), Some(Trust::Unknown)),
        (format!("host.example.org {ONE}"), Some(Trust::Unknown)),
        (format!("# host.example {ONE}"), Some(Trust::Unknown)),
        (format!("@cert-authority host.example {ONE}"), Some(Trust::Unknown)),
        (format!("host.example {TWO}"), Some(Trust::Changed)),
        (format!("host.example {TWO}\nhost.example {ONE}"), None),
        (format!("host.example {ONE}\n@revoked * {ONE}"), Some(Trust::Revoked)),
        ("host.example ssh-ed25519 AAAA".to_owned(), Some(Trust::Unknown)),
        ("host.example".to_owned(), Some(Trust::Unknown)),
        ("|1|x|y ssh-ed25519 z\n\u{fffd}".to_owned(), Some(Trust::Unknown)),
        (String::new(), Some(Trust::Unknown)),
    ] {
        assert_eq!(trust(&text, 22), expected, "{text}");
    }
    assert_eq!(trust(&format!("[host.example]:2222 {ONE}"), 2222), None);
    assert_eq!(trust(&format!("host.example {ONE}"), 2222), Some(Trust::Unknown));
}

#[test]
fn the_kind_of_key_that_is_known_is_asked_for_first() {
    assert_eq!(known(&format!("host.example {ONE}"), 22).preferred(), KINDS);
    let key = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBHwf2HMM5TRXvo2SQJjsNkiDD5KqiiNjrGVv3UUh+mMT5RHxiRtOnlqvjhQtBq0VpmpCV/PwUdhOig4vkbqAcEc=";
    let preferred = known(&format!("host.example {key}"), 22).preferred();
    assert_eq!(preferred[0], KINDS[1]);
    assert_eq!(preferred.len(), KINDS.len());
}
